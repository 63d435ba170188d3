// The axis of sessions.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.addEventListener = () => {};
globalThis.matchMedia = () => ({ addEventListener() {} });
const { joinDays } = await import("../../pipeline/dashboard/page/src/charts/days.js");

const HOURS = { open_t: 33300, close_t: 55800, interval_s: 300 };
const NONE = { open_t: null, close_t: null, interval_s: 300 };
const day = (session, ...t) => ({ trade_date: "2026-11-26", session, polls: { t, backfilled: t.map(() => 0) } });

test("a session's axis is its hours, and what was polled outside of them", () => {
  assert.equal(joinDays([day(HOURS, 33300, 33600)]).xMax, 22_500);
  assert.equal(joinDays([day(HOURS)]).xMax, 22_500);
  assert.equal(joinDays([day(HOURS, 33000, 56100)]).xMax, 23_100);
});

test("a day without hours is as wide as its polls, and half an hour at least", () => {
  const lone = joinDays([day(NONE, 80103)]);
  assert.deepEqual([lone.xMax, [...lone.x], lone.ticks[0].label], [1800, [0], "22:15"]);
  assert.equal(joinDays([day(NONE, 0, 300, 7200)]).xMax, 7200);
  assert.equal(joinDays([day(NONE)]).xMax, 1800);
});
