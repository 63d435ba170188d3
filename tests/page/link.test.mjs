// Tabs of one browser on the connection that they share.

import assert from "node:assert/strict";
import { test } from "node:test";

import { greet, sleep, streams, tab, tick } from "./connection.mjs";

const change = { watch: "u", base: 7, seq: 8, state: {}, stocks: { i: [0], ltp: [11] } };
const tabs = [tab(), tab()];
tick(1);
greet();

function assertAllAreServed() {
  greet().say("change", change);
  assert.equal(streams.length, 1);
  for (const { heard } of tabs) assert.deepEqual(heard.splice(0).at(-1), { event: "change", data: change });
}

test("a tab that is open is not taken for closed, however long nobody moves it", () => {
  tick(250);
  tabs.push(tab());
  assertAllAreServed();
});

test("tabs that slept with the machine are all served again", () => {
  sleep(300);
  tick(31);
  assertAllAreServed();
});
