// Changes applied to what a tab holds, and a day's polls as columns.

import assert from "node:assert/strict";
import { test } from "node:test";

import { appendPoints, applyChange, continues } from "../../pipeline/dashboard/page/src/net/merge.js";
import { Polls } from "../../pipeline/dashboard/page/src/net/polls.js";

const points = (...t) => ({ t, outcome: t.map(() => 1), advances: t.map((at) => at / 100) });
const held = () => ({ trade_date: "2026-11-26", rev: 3, reasons: { 1: "no network" }, polls: new Polls(points(100, 200)) });
const change = (changes) => ({ trade_date: "2026-11-26", series: { count: 4, rev: 3 }, points: points(300, 400), ...changes });

test("points go to the end of their day, and their reasons with them", () => {
  const day = held();
  assert.equal(appendPoints(day, change({ reasons: { 1: "rate limit" } })), true);
  assert.deepEqual([...day.polls.t], [100, 200, 300, 400]);
  assert.deepEqual(day.reasons, { 1: "no network", 3: "rate limit" });
});

test("points that do not fit leave the day as it is, to be fetched again", () => {
  const others = [{ series: { count: 4, rev: 4 } }, { series: { count: 5, rev: 3 } }, { trade_date: "2026-11-27" }];
  for (const other of others) {
    const day = held();
    assert.equal(appendPoints(day, change(other)), false, JSON.stringify(other));
    assert.deepEqual([...day.polls.t], [100, 200]);
  }
  assert.equal(appendPoints(undefined, change({})), false);
});

test("a change moves the stocks that it names and no other", () => {
  const snapshot = { seq: 7, stocks: { ltp: [10, 20, 30], volume: [1, 2, 3], status: [1, 1, 1], traded_t: [5, 5, 5], day_high: [10, 20, 30] } };
  assert.equal(continues(snapshot, { base: 7 }), true);
  assert.equal(continues(snapshot, { base: 6 }), false);
  assert.equal(continues(undefined, { base: 7 }), false);
  const stocks = { i: [0, 2], ltp: [11, null], volume: [4, 5], status: [2, 0], traded_t: [6, 7], sparse: { day_high: [[2], [31]] } };
  applyChange(snapshot, { seq: 8, state: {}, stocks });
  assert.equal(snapshot.seq, 8);
  assert.deepEqual(snapshot.stocks, { ltp: [11, 20, null], volume: [4, 2, 5], status: [2, 1, 0], traded_t: [6, 5, 7], day_high: [10, 20, 31] });
});

test("what is null, and a column that is missing, is no number", () => {
  const polls = new Polls({ t: [100, 200], outcome: [1, 3], advances: [7, null] });
  assert.deepEqual([...polls.advances], [7, NaN]);
  assert.deepEqual([...polls.trin], [NaN, NaN]);
  polls.append({ t: [300], trin: [0] });
  assert.deepEqual([...polls.advances], [7, NaN, NaN]);
  assert.deepEqual([...polls.trin], [NaN, NaN, 0]);
});

test("polls keep their numbers over any growth", () => {
  const polls = new Polls(points());
  assert.equal(polls.length, 0);
  for (let i = 0; i < 1000; i++) polls.append(points(i));
  polls.append(points(...Array.from({ length: 1000 }, (_, i) => 1000 + i)));
  assert.equal(polls.length, 2000);
  assert.deepEqual([...polls.t], Array.from({ length: 2000 }, (_, i) => i));
  assert.equal(polls.advances[1999], 19.99);
  assert.deepEqual([polls.advances.length, polls.trin.length], [2000, 2000]);
});
