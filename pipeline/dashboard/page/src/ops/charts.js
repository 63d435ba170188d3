// The charts of the operations view, as data: which numbers of the history each draws, how it is read.

import { clockStep, rangeFromZero } from "../charts/scale.js";
import { clockOf, day as dayText, milliseconds, NOTHING, number, percent, span, zoneName } from "../format.js";

const COLOURS = ["--accent", "--index", "--third", "--fourth", "--fifth"];

const NAME_MOST = 24;

/** role → a name short enough for a legend: its last part where nobody else's looks the same. */
function shortNames(roles) {
  const short = (role) => {
    const last = role.slice(Math.max(role.lastIndexOf("/"), role.lastIndexOf(":")) + 1);
    return last.length > NAME_MOST ? `${last.slice(0, 11)}…${last.slice(-12)}` : last;
  };
  const all = roles.map(short);
  return roles.map((role, i) => (all.indexOf(all[i]) === all.lastIndexOf(all[i]) ? all[i] : role));
}

function byDatabase(history, column) {
  const names = shortNames(history.roles);
  return history.roles.map((role, i) => ({ name: names[i], values: history.databases[role]?.[column] ?? [] }));
}

function byProcess(history, column) {
  const writers = history.roles.map((role) => `writer:${role}`);
  const names = shortNames(history.roles).map((name) => (writers.length > 1 ? `writer ${name}` : "writer"));
  return Object.entries(history.processes).map(([role, columns]) => ({ name: names[writers.indexOf(role)] ?? role, values: columns[column] ?? [] }));
}

/** Errors and, dashed because they often lie on the same line, retries; a database has one colour. */
function troubles(history) {
  const several = history.roles.length > 1;
  const lines = (word, column, more) =>
    byDatabase(history, column).map(({ name, values }, i) => ({ name: several ? `${name} ${word}` : word, values, ...more(i) }));
  return [
    ...lines("errors", "errors_per_s", () => ({})),
    ...lines("retries", "retries_per_s", (i) => ({ dashed: true, colour: several ? i : 1 })),
  ];
}

function pollDuration(history, status) {
  const limit = (status?.interval_s ?? 0) * 1000;
  const poll = { name: "poll", values: history.poll_ms };
  const drawn = limit && Math.max(0, ...history.poll_ms) > limit / 8; // else it would press the line down to the axis
  return drawn ? [poll, { name: "interval", values: history.poll_ms.map(() => limit), dashed: true, limit: true }] : [poll];
}

const scaled = (values, factor) => values.map((value) => (value === null ? null : value * factor));
const scaledLines = (lines, factor) => lines.map((line) => ({ ...line, values: scaled(line.values, factor) }));

/** key, title, status → reading of what it tells, (history, status) → lines, value → text, least top of the axis */
export const CHARTS = [
  ["queue", "Queue depth", () => "hints waiting for the writers", (history) => [{ name: "queue", values: history.queue }], (value) => number(value), 4],
  ["ahead", "Journal ahead of the database", () => "records not yet stored there", (history) => byDatabase(history, "ahead"), (value) => number(value), 4],
  ["rows", "Rows written per second", () => "by the database’s writer", (history) => byDatabase(history, "rows_per_s"), (value) => number(value, value < 10 && value % 1 ? 1 : 0), 4],
  ["errors", "Errors and retries per second", () => "zero is the healthy value", troubles, (value) => number(value, value ? 2 : 0), 0.4],
  ["lag", "Quote-to-commit lag", () => "from the quotes’ arrival to the database’s commit", (history) => scaledLines(byDatabase(history, "lag_s"), 1000), milliseconds, 20],
  ["poll", "Poll duration", (status) => `has to stay below the interval${status?.interval_s ? ` of ${span(status.interval_s)}` : ""}`, pollDuration, milliseconds, 20],
  ["coverage", "Coverage", () => "stocks counted of the universe", (history) => [{ name: "coverage", values: scaled(history.coverage, 100) }], (value) => percent(value, value % 1 ? 1 : 0), 100],
  ["cpu", "CPU by process", () => "percent of one core", (history) => byProcess(history, "cpu_pct"), (value) => percent(value, value < 10 && value % 1 ? 1 : 0), 4],
  ["memory", "Memory by process", () => "resident", (history) => scaledLines(byProcess(history, "rss_bytes"), 1 / 2 ** 20), (value) => `${number(value)} MB`, 40],
];

/** The line chart's model of one of CHARTS; `key` of a series is the class of its mark in the legend. */
export function modelOf([, title, , read, format, least], history, status) {
  const lines = read(history, status);
  const { t, timezone } = history;
  const zone = zoneName(timezone);
  const dated = new Set(history.trade_date).size > 1;
  const when = (i) => `${dated ? `${dayText(history.trade_date[i])} ` : ""}${clockOf(t[i], timezone)} ${zone}`;
  const textOf = (value) => (value === null || value === undefined ? NOTHING : format(value));
  const readings = (i) => lines.map(({ name, values }) => `${lines.length > 1 ? `${name} ` : ""}${textOf(values[i])}`).join(" · ");
  return {
    x: t,
    xMin: history.from,
    xMax: history.to,
    ticks: ticksOf(history),
    axes: [{ ...rangeFromZero(lines.flatMap(({ values }) => values), least), format }],
    series: lines.map((line, i) => seriesOf(line, i, t, lines.length === 1)),
    readout: (i) => `${when(i)} · ${readings(i)}`,
    empty: "Nothing was recorded in this span.",
    table: {
      caption: `${title}, newest first`,
      heads: ["Time", ...lines.map(({ name }) => name)],
      rows: () => t.map((_, i) => i).toReversed().map((i) => [when(i), ...lines.map(({ values }) => textOf(values[i]))]),
    },
  };
}

/** Where the colours are used up they come again as dashes. */
function seriesOf({ name, values, limit, colour, dashed }, i, t, alone) {
  const hue = (colour ?? i) % COLOURS.length;
  const dashes = dashed ?? (colour ?? i) >= COLOURS.length;
  return {
    name,
    values: t.map((_, k) => values[k] ?? null),
    colour: limit ? "--line-strong" : COLOURS[hue],
    dashed: dashes,
    area: alone,
    key: `${limit ? "key-limit" : `key-${hue + 1}`}${dashes ? " key-dashed" : ""}`,
  };
}

/** Ticks at round minutes of the exchange's clock. */
function ticksOf({ from, to, timezone }) {
  const step = clockStep(to - from, 4);
  const [hours, minutes, seconds] = clockOf(to, timezone).split(":").map(Number);
  const midnight = Math.floor(to) - 3600 * hours - 60 * minutes - seconds;
  const ticks = [];
  for (let x = midnight + Math.ceil((from - midnight) / step) * step; x < to; x += step) ticks.push({ value: x, label: clockOf(x, timezone, false) });
  return ticks;
}

export const heartbeat = (seconds) => (Number.isFinite(seconds) ? `${seconds < 10 ? `${number(seconds, 1)} s` : span(seconds)} ago` : NOTHING);
export const lagText = (seconds) => (seconds === null || seconds === undefined ? NOTHING : seconds < 10 ? milliseconds(seconds * 1000) : span(seconds));
