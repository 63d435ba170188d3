// Axis arithmetic.

import assert from "node:assert/strict";
import { test } from "node:test";

import { nearest } from "../../pipeline/dashboard/page/src/charts/scale.js";

test("the nearest point is the nearer of its neighbours, the left one of two as near", () => {
  const sorted = [0, 10, 20, 40];
  const wanted = new Map([[-5, 0], [0, 0], [4, 0], [5, 0], [6, 1], [10, 1], [14, 1], [16, 2], [29, 2], [31, 3], [99, 3]]);
  for (const [x, at] of wanted) assert.equal(nearest(sorted, x), at, `at ${x}`);
  assert.equal(nearest([], 3), -1);
  assert.equal(nearest([7], 3), 0);
});
