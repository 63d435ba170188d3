// The tables of the operations view: processes, databases, warnings; cards on a phone.

import { bytes, clockOf, NOTHING, number, percent, zoneName } from "../format.js";
import { h, setClass, setText } from "../ui/dom.js";
import { heartbeat, lagText } from "./charts.js";

/** state or level → [mark, tone]; a mark beside the colour, because colour alone says nothing to many. */
const MARKS = {
  running: ["●", "ok"], ok: ["●", "ok"],
  starting: ["◐", "info"], stopping: ["◐", "info"],
  degraded: ["▲", "warn"], retrying: ["▲", "warn"], restarting: ["▲", "warn"], "journal-behind": ["▲", "warn"], warning: ["▲", "warn"],
  refused: ["✕", "bad"], schema: ["✕", "bad"], error: ["✕", "bad"], critical: ["✕", "bad"],
};

/** `past`: nobody knows whether it still is so. */
function stateMark(state, past = false) {
  const unknown = past && state !== "stopped";
  const [mark, tone] = unknown ? ["○", "plain"] : MARKS[state] ?? ["■", "plain"];
  return h("span", { class: `state-mark text-${tone}` }, h("span", { "aria-hidden": "true", text: `${mark} ` }), unknown ? `was ${state}` : state ?? NOTHING);
}

/** Makes `made` the children of `parent`. Those that look the same stay: what a viewer marked in them stays marked. */
export function renew(parent, made) {
  made.forEach((element, i) => {
    const shown = parent.children[i];
    if (!shown) parent.append(element);
    else if (!shown.isEqualNode(element)) shown.replaceWith(element);
  });
  while (parent.children.length > made.length) parent.lastChild.remove();
}

/** A table in a panel. `columns`: [[head, row → text or element, isText]] */
function tablePanel(title, name, columns) {
  const body = h("tbody");
  const heads = columns.map(([head, , isText]) => h("th", { scope: "col", class: isText ? "text" : null, text: head }));
  const table = h("table", {}, h("caption", { class: "unseen", text: title }), h("thead", {}, h("tr", {}, ...heads)), body);
  const none = h("p", { class: "note" });
  const asOf = h("span", { class: "note" });
  const box = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, table` }, table);
  const element = h("section", { "aria-label": title }, h("div", { class: "panel-head" }, h("h2", { text: title }), asOf), box, none);
  const cell = (row, [head, read, isText], i) =>
    i ? h("td", { class: isText ? "text" : null, data: { head } }, read(row)) : h("th", { scope: "row", class: "text" }, read(row));
  /** `nothing`: what an empty table says. `past`: how old the rows are, in words, when they need not hold any more. */
  const update = (rows, nothing, past = "") => {
    renew(body, rows.map((row) => h("tr", {}, ...columns.map((column, i) => cell(row, column, i)))));
    box.hidden = rows.length === 0;
    none.hidden = rows.length > 0;
    setText(none, nothing);
    setText(asOf, past);
    setClass(element, `panel ops-table ${name}${past ? " past" : ""}`);
  };
  return { element, update };
}

export const processes = () =>
  tablePanel("Processes", "processes", [
    ["Process", (row) => row.role, true],
    ["State", (row) => stateMark(row.state, row.past), true],
    ["PID", (row) => (row.pid === null ? NOTHING : String(row.pid))],
    ["Heartbeat", (row) => heartbeat(row.heartbeat_age_s)],
    ["CPU", (row) => percent(row.cpu_pct, 1)],
    ["Memory", (row) => bytes(row.rss_bytes)],
    ["Restarts", (row) => number(row.restarts)],
  ]);

/** The address and, below it, what the database last said: the message often begins with the same address. */
function addressed({ url, role, message }) {
  const address = url ?? role;
  const said = message?.startsWith(`${address}: `) ? message.slice(address.length + 2) : message;
  return h("span", {}, address, said ? h("span", { class: "note said", text: said }) : null);
}

export const databases = () =>
  tablePanel("Databases", "databases", [
    ["Database", addressed, true],
    ["State", (row) => stateMark(row.state, row.past), true],
    ["Ahead", (row) => number(row.ahead)],
    ["Lag", (row) => lagText(row.lag_s)],
    ["Rows", (row) => number(row.rows_written)],
    ["Errors", (row) => number(row.errors)],
    ["Retries", (row) => number(row.retries)],
    ["Dead letters", (row) => number(row.dead_letters)],
  ]);

export const warnings = (zone) =>
  tablePanel("Last warnings", "warnings", [
    ["Time", (row) => `${clockOf(Date.parse(row.ts) / 1000, zone())} ${zoneName(zone())}`, true],
    ["Level", (row) => stateMark(row.level), true],
    ["Process", (row) => row.process, true],
    ["What", (row) => row.text, true],
  ]);
