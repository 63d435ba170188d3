// Several sessions on one axis without the overnight hole: x is seconds of trading since the first shown session's open.

import { clockStep } from "./scale.js";
import { day as dayText } from "../format.js";

const HALF_HOUR = 1800;
const BREAK = -1;

/** The trading span of a day: its session, and what its polls cover; without hours half an hour at least. */
function spanOf({ session, polls }) {
  const first = polls.t[0] ?? session?.open_t ?? 0;
  const from = Math.min(session?.open_t ?? first, first);
  return { from, to: Math.max(session?.close_t ?? first + HALF_HOUR, polls.t.at(-1) ?? 0) };
}

const hhmm = (t) => `${String(Math.floor(t / 3600)).padStart(2, "0")}:${String(Math.floor(t / 60) % 60).padStart(2, "0")}`;

/**
 * Joins days: `{x, at(k) → {day, i} or null, newestFirst() → [{day, i}], take(read), xMin, xMax, ticks, borders, areas}`;
 * `at` is null where the line breaks. A break stands at a day's border and where polls are missing; `until` leaves out
 * later polls of the last day (replay). `take(read)`: the values `read(day.polls, i)` at each x, NaN at a break.
 */
export function joinDays(days, until = null) {
  const joined = { x: [], day: [], poll: [], xMin: 0, xMax: 0, ticks: [], borders: [], areas: [] };
  let base = 0;
  days.forEach((day, number) => {
    const { from, to } = spanOf(day);
    const place = (t) => base + (t - from);
    if (number) {
      joined.borders.push({ x: base });
      addPoint(joined, base, number, BREAK);
    }
    addPolls(joined, day, number, place, number === days.length - 1 ? until : null);
    addTicks(joined, day, place, from, to, days.length);
    base += Math.max(to - from, 60);
  });
  joined.xMax = base || 1;
  return packed(joined, days);
}

function addPoint(joined, x, day, poll) {
  joined.x.push(x);
  joined.day.push(day);
  joined.poll.push(poll);
}

/** The points in as few bytes as they need. */
function packed({ x, day, poll, ...rest }, days) {
  const [dayOf, pollOf] = [Uint8Array.from(day), Int32Array.from(poll)];
  const at = (k) => (pollOf[k] === BREAK ? null : { day: days[dayOf[k]], i: pollOf[k] });
  const newestFirst = () => Array.from(pollOf, (_, k) => at(k)).filter(Boolean).toReversed();
  const take = (read) => Float64Array.from(pollOf, (i, k) => (i === BREAK ? NaN : read(days[dayOf[k]].polls, i)));
  return { ...rest, x: Float64Array.from(x), at, newestFirst, take };
}

function addPolls(joined, day, number, place, until) {
  const { polls, session } = day;
  const longest = 1.9 * (session?.interval_s || Infinity);
  let before = null;
  for (let i = 0; i < polls.t.length; i++) {
    const t = polls.t[i];
    if (until !== null && t > until) break;
    if (before !== null && t - before > longest) {
      addPoint(joined, place((t + before) / 2), number, BREAK);
    }
    addPoint(joined, place(t), number, i);
    if (polls.backfilled[i]) addArea(joined, place(t), session?.interval_s || 60);
    before = t;
  }
}

function addArea(joined, x, width) {
  const last = joined.areas.at(-1);
  if (last && x - last.to <= width * 1.01) last.to = x;
  else joined.areas.push({ from: x - width / 2, to: x + width / 2 });
}

function addTicks(joined, day, place, from, to, count) {
  const step = clockStep(to - from, count > 1 ? 5 : 8);
  joined.ticks.push({ value: place(from), label: count > 1 ? dayText(day.trade_date) : hhmm(from), keep: true });
  const first = Math.ceil((from + step * 0.35) / step) * step;
  for (let t = first; t <= to - step * 0.2; t += step) joined.ticks.push({ value: place(t), label: hhmm(t) });
}
