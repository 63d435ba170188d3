// The tables of the operations view: processes, databases, warnings. Rows are made anew; they are few.

import { bytes, clockOf, NOTHING, number, percent, zoneName } from "../format.js";
import { h } from "../ui/dom.js";
import { heartbeat, lagText } from "./charts.js";

/** state → [mark, tone]; a mark beside the colour, because colour alone says nothing to many. */
const MARKS = {
  running: ["●", "ok"], ok: ["●", "ok"], healthy: ["●", "ok"],
  starting: ["◐", "info"], draining: ["◐", "info"], stopping: ["◐", "info"],
  degraded: ["▲", "warn"], retrying: ["▲", "warn"], restarting: ["▲", "warn"],
  refused: ["✕", "bad"], schema: ["✕", "bad"], stopped: ["■", "plain"],
};

export function stateMark(state) {
  const [mark, tone] = MARKS[state] ?? ["■", "plain"];
  return h("span", { class: `state-mark text-${tone}` }, h("span", { "aria-hidden": "true", text: `${mark} ` }), state ?? NOTHING);
}

/** A table in a panel that scrolls sideways by itself on a narrow screen. `columns`: [[head, row → text or element, isText]] */
export function tablePanel(title, name, columns) {
  const body = h("tbody");
  const heads = columns.map(([head, , isText]) => h("th", { scope: "col", class: isText ? "text" : null, text: head }));
  const table = h("table", {}, h("caption", { class: "unseen", text: title }), h("thead", {}, h("tr", {}, ...heads)), body);
  const none = h("p", { class: "note" });
  const box = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, table` }, table);
  const element = h("section", { class: `panel ${name}`, "aria-label": title }, h("div", { class: "panel-head" }, h("h2", { text: title })), box, none);
  const update = (rows, nothing) => {
    body.replaceChildren(...rows.map((row) => h("tr", {}, ...columns.map(([, read, isText], i) => {
      const content = read(row);
      const cell = i ? h("td", { class: isText ? "text" : null }) : h("th", { scope: "row", class: "text" });
      cell.append(content);
      return cell;
    }))));
    box.hidden = rows.length === 0;
    none.hidden = rows.length > 0;
    none.textContent = nothing;
  };
  return { element, update };
}

export const processes = () =>
  tablePanel("Processes", "processes", [
    ["Process", (row) => row.role, true],
    ["State", (row) => stateMark(row.state), true],
    ["PID", (row) => (row.pid === null ? NOTHING : String(row.pid))],
    ["Heartbeat", (row) => heartbeat(row.heartbeat_age_s)],
    ["CPU", (row) => percent(row.cpu_pct, 1)],
    ["Memory", (row) => bytes(row.rss_bytes)],
    ["Restarts", (row) => number(row.restarts)],
  ]);

export const databases = () =>
  tablePanel("Databases", "databases", [
    ["Database", (row) => row.url ?? row.role, true],
    ["State", (row) => stateMark(row.state), true],
    ["Ahead", (row) => number(row.ahead)],
    ["Lag", (row) => lagText(row.lag_s)],
    ["Rows", (row) => number(row.rows_written)],
    ["Errors", (row) => number(row.errors)],
    ["Retries", (row) => number(row.retries)],
    ["Dead letters", (row) => number(row.dead_letters)],
    ["Message", (row) => row.message || NOTHING, true],
  ]);

export const warnings = (zone) =>
  tablePanel("Last warnings", "warnings", [
    ["Time", (row) => `${clockOf(Date.parse(row.ts) / 1000, zone())} ${zoneName(zone())}`, true],
    ["Level", (row) => row.level, true],
    ["Process", (row) => row.process, true],
    ["What", (row) => row.text, true],
  ]);
