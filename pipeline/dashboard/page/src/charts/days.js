// Several sessions on one axis without the overnight hole: x is seconds of trading since the first shown session's open.

import { clockStep } from "./scale.js";
import { day as dayText } from "../format.js";

const HALF_HOUR = 1800;

/** The trading span of a day: its session, else what its polls cover. */
function spanOf({ session, polls }) {
  const first = polls.t[0] ?? 0;
  const last = polls.t.at(-1) ?? first + HALF_HOUR;
  const from = Math.min(session?.open_t ?? first, first || Infinity, session?.open_t ?? Infinity);
  return { from: Number.isFinite(from) ? from : 0, to: Math.max(session?.close_t ?? last, last) };
}

const hhmm = (t) => `${String(Math.floor(t / 3600)).padStart(2, "0")}:${String(Math.floor(t / 60) % 60).padStart(2, "0")}`;

/**
 * Joins days: `{x, at: [{day, i}], xMin, xMax, ticks, borders, areas}`, a null entry in `at` where the line breaks.
 * A break stands at a day's border and where polls are missing; `until` leaves out later polls of the last day (replay).
 */
export function joinDays(days, until = null) {
  const joined = { x: [], at: [], xMin: 0, xMax: 0, ticks: [], borders: [], areas: [] };
  let base = 0;
  days.forEach((day, number) => {
    const { from, to } = spanOf(day);
    const place = (t) => base + (t - from);
    if (number) {
      joined.borders.push({ x: base });
      joined.x.push(base);
      joined.at.push(null);
    }
    addPolls(joined, day, place, number === days.length - 1 ? until : null);
    addTicks(joined, day, place, from, to, days.length);
    base += Math.max(to - from, 60);
  });
  joined.xMax = base || 1;
  return joined;
}

function addPolls(joined, day, place, until) {
  const { polls, session } = day;
  const longest = 1.9 * (session?.interval_s || Infinity);
  let before = null;
  for (let i = 0; i < polls.t.length; i++) {
    const t = polls.t[i];
    if (until !== null && t > until) break;
    if (before !== null && t - before > longest) {
      joined.x.push(place((t + before) / 2));
      joined.at.push(null);
    }
    joined.x.push(place(t));
    joined.at.push({ day, i });
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
