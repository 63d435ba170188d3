// What the viewer takes along: tables as CSV (RFC 4180, UTF-8 with a mark so that spreadsheets read it), unrounded values.

import { sectorRows } from "./sectors.js";
import { stockRows, statusName } from "./stocks.js";
import { timeOfDay } from "./replay.js";

/** A cell; text that a spreadsheet would run as a formula gets a leading apostrophe. */
function cell(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv(heads, rows) {
  return new Blob(["\ufeff", [heads, ...rows].map((row) => row.map(cell).join(",")).join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" });
}

/** A file name of universe, day and instant, of characters that every system takes. */
export function fileName(snapshot, what, extension) {
  const at = snapshot.market ? `-${timeOfDay(snapshot.market.t).replaceAll(":", "")}` : "";
  return `breadth-${snapshot.universe}-${snapshot.trade_date}${at}-${what}.${extension}`.replace(/[^\w.-]+/g, "_");
}

export function sectorsCsv(snapshot) {
  const heads = ["universe", "poll_time", "sector", "advances", "declines", "unchanged", "traded", "universe_size", "avg_change_pct", "up_volume_pct", "trin"];
  const rows = sectorRows(snapshot).map((row) => [snapshot.universe, snapshot.market.poll_time, row.sector, row.advances, row.declines, row.unchanged, row.traded, row.size, row.change, row.upVolume, row.trin]);
  return csv(heads, rows);
}

export function stocksCsv(snapshot) {
  const heads = ["universe", "poll_time", "symbol", "name", "sector", "last", "prev_close", "change_pct", "volume", "status"];
  const rows = stockRows(snapshot).map((row) => [snapshot.universe, snapshot.market.poll_time, row.symbol, row.name, row.sector, row.last, row.before, row.change, row.volume, statusName(row.status)]);
  return csv(heads, rows);
}

const OUTCOMES = ["", "taken", "partial", "failed", "skipped"];
const COLUMNS = ["advances", "declines", "unchanged", "total_stocks", "adv_decl_diff", "adv_decl_ratio", "adv_pct", "up_volume_pct", "trin", "net_volume", "coverage", "index_ltp"];

/** `until`: the last day is cut after this second (replay). */
export function seriesCsv(universe, days, until = Infinity) {
  const rows = days.flatMap((day) =>
    Array.from(day.polls.t)
      .filter((t) => day !== days.at(-1) || t <= until)
      .map((t, i) => [universe, day.trade_date, timeOfDay(t), OUTCOMES[day.polls.outcome[i]], day.polls.backfilled[i], ...COLUMNS.map((column) => day.polls[column][i])]),
  );
  return csv(["universe", "trade_date", "time", "outcome", "backfilled", ...COLUMNS], rows);
}
