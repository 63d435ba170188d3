// The charts of the operations view, as data: which numbers of the history each draws, how it is read.

import { clockStep, rangeFromZero } from "../charts/scale.js";
import { clockOf, day as dayText, milliseconds, NOTHING, number, percent, span, zoneName } from "../format.js";
import { timeOfDay } from "../market/replay.js";

const COLOURS = ["--accent", "--index", "--third", "--fourth", "--fifth"];

const byRole = (history, column) => history.roles.map((role) => [role, history.databases[role]?.[column] ?? []]);
const byProcess = (history, column) => Object.entries(history.processes).map(([role, columns]) => [role, columns[column] ?? []]);
const named = (history, word, column) => byRole(history, column).map(([role, values]) => [history.roles.length > 1 ? `${word} ${role}` : word, values]);
const scaled = (values, factor) => values.map((value) => (value === null ? null : value * factor));

/** key, title, reading of what it tells, (history, status) → [[name, values]], value → text, least top of the axis */
export const CHARTS = [
  ["queue", "Queue depth", "hints waiting for the writers", (history) => [["queue", history.queue]], (value) => number(value), 4],
  ["ahead", "Journal ahead of the database", "records not yet stored there", (history) => byRole(history, "ahead"), (value) => number(value), 4],
  ["rows", "Rows written per second", "over the writers’ databases", (history) => byRole(history, "rows_per_s"), (value) => number(value, value < 10 && value % 1 ? 1 : 0), 4],
  ["errors", "Errors and retries per second", "zero is the healthy value", (history) => [
    ...named(history, "errors", "errors_per_s"),
    ...named(history, "retries", "retries_per_s"),
  ], (value) => number(value, value ? 2 : 0), 0.4],
  ["lag", "Quote-to-commit lag", "from the quotes’ arrival to the database’s commit", (history) => byRole(history, "lag_s").map(([role, values]) => [role, scaled(values, 1000)]), milliseconds, 20],
  ["poll", "Poll duration", "has to stay below the interval", (history, status) => {
    const lines = [["poll", history.poll_ms]];
    const limit = status?.interval_s ? status.interval_s * 1000 : null;
    const high = Math.max(0, ...history.poll_ms.filter((value) => value !== null));
    if (limit && high > limit / 8) lines.push(["interval", history.poll_ms.map(() => limit)]);
    return lines;
  }, milliseconds, 20],
  ["coverage", "Coverage", "stocks counted of the universe", (history) => [["coverage", scaled(history.coverage, 100)]], (value) => percent(value, value % 1 ? 1 : 0), 100],
  ["cpu", "CPU by process", "percent of one core", (history) => byProcess(history, "cpu_pct"), (value) => percent(value, value < 10 && value % 1 ? 1 : 0), 4],
  ["memory", "Memory by process", "resident", (history) => byProcess(history, "rss_bytes").map(([role, values]) => [role, scaled(values, 1 / 2 ** 20)]), (value) => `${number(value)} MB`, 40],
];

/** The line chart's model of one of CHARTS. */
export function modelOf([, title, , read, format, least], history, status) {
  const lines = read(history, status);
  const { t, local_t: local, timezone } = history;
  const zone = zoneName(timezone);
  const dated = new Set(history.trade_date).size > 1;
  const when = (i) => `${dated ? `${dayText(history.trade_date[i])} ` : ""}${clockOf(t[i], timezone)} ${zone}`;
  const values = (i) => lines.map(([name, all]) => `${lines.length > 1 ? `${name} ` : ""}${all[i] === null || all[i] === undefined ? NOTHING : format(all[i])}`).join(" · ");
  return {
    x: t,
    xMin: history.from,
    xMax: history.to,
    ticks: ticksOf(history, t, local),
    axes: [{ ...rangeFromZero(lines.flatMap(([, all]) => all), least), format }],
    series: lines.map(([name, all], i) => ({ name, values: t.map((_, k) => all[k] ?? null), colour: name === "interval" ? "--line-strong" : COLOURS[i % COLOURS.length], dashed: name === "interval", area: lines.length === 1 })),
    readout: (i) => `${when(i)} · ${values(i)}`,
    empty: "No history yet.",
    table: {
      caption: `${title}, newest first`,
      heads: ["Time", ...lines.map(([name]) => name)],
      rows: () => t.map((_, i) => i).toReversed().map((i) => [when(i), ...lines.map(([, all]) => (all[i] === null || all[i] === undefined ? NOTHING : format(all[i])))]),
    },
  };
}

/** Ticks at round minutes of the exchange's clock. */
function ticksOf(history, t, local) {
  const step = clockStep(history.to - history.from, 4);
  const shift = t.length ? t.at(-1) - local.at(-1) : 0;
  const ticks = [];
  for (let x = Math.ceil((history.from - shift) / step) * step + shift; x < history.to; x += step) {
    const second = (((x - shift) % 86_400) + 86_400) % 86_400;
    ticks.push({ value: x, label: timeOfDay(Math.round(second)).slice(0, 5) });
  }
  return ticks;
}

export const COLOUR_KEYS = COLOURS.map((_, i) => `key-${i + 1}`);
export const heartbeat = (seconds) => (seconds === null || seconds === undefined ? NOTHING : `${seconds < 10 ? number(seconds, 1) : number(seconds)} s ago`);
export const lagText = (seconds) => (seconds === null || seconds === undefined ? NOTHING : seconds < 10 ? milliseconds(seconds * 1000) : span(seconds));
