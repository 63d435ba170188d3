// The operations view: is the pipeline well, and how was its day. The history comes from the server, so it outlives the page.

import { LineChart } from "../charts/line_chart.js";
import { bytes, clock, clockOf, milliseconds, NOTHING, number, percent, span, zoneName } from "../format.js";
import { segments } from "../ui/controls.js";
import { h, setClass, setText } from "../ui/dom.js";
import { CHARTS, modelOf } from "./charts.js";
import { databases, processes, renew, warnings } from "./tables.js";

const RANGES = [["900", "15 min"], ["7200", "2 h"], ["86400", "24 h"]];
const POINTS = 400;
/** A status older than this says nothing about now, even while the dashboard cannot be asked. */
const FRESH_S = 10;

export class OperationsView {
  constructor(app) {
    this.app = app;
    this.range = 900;
    this.history = null;
    this.problem = h("p", { class: "banner tone-warn", hidden: true });
    this.facts = h("dl", { class: "facts" });
    this.ranges = segments("Span of the charts", RANGES, (value) => this.choose(Number(value)));
    this.charts = CHARTS.map((chart) => this.makeChart(chart));
    this.processes = processes();
    this.databases = databases();
    this.warnings = warnings(() => this.zone);
    this.head = h("section", { "aria-label": "Pipeline" }, this.facts, this.ranges.element);
    this.element = h("div", { class: "operations" }, this.problem, this.head,
      (this.details = h("div", { class: "operations" },
        h("div", { class: "ops-charts" }, ...this.charts.map((chart) => chart.element)),
        this.processes.element, this.databases.element, this.warnings.element)));
    this.ranges.show(String(this.range));
  }

  get zone() {
    return this.app.operations?.status?.market?.timezone ?? this.history?.timezone ?? "UTC";
  }

  makeChart(chart) {
    const [key, title, reading] = chart;
    const line = new LineChart({ label: `${title}; arrow keys move`, height: 118, left: 56, right: 10 });
    const legend = h("span", { class: "legend note" });
    const element = h("section", { class: "panel ops-chart", "aria-label": title, data: { chart: key } }, h("div", { class: "panel-head" }, h("h2", { text: title }), legend), line.element);
    return { chart, line, legend, element, reading };
  }

  choose(seconds) {
    this.range = seconds;
    this.ranges.show(String(seconds));
    this.load();
  }

  /** Fetches the history now and again while the view is shown, oftener where the span is short. */
  async load() {
    clearTimeout(this.timer);
    const { range } = this;
    if (!this.app.link.everOpen) return; // the server's clock is not known yet
    try {
      const since = Math.floor(this.app.now() / 1000) - range;
      const history = await this.app.get("api/v1/operations/history", { since, points: POINTS });
      if (range !== this.range) return;
      this.history = { ...history, from: Math.max(since, Math.min(history.from ?? since, history.t[0] ?? since)), to: Math.max(history.to ?? 0, since + 60) };
      this.app.changed("history");
    } catch (error) {
      this.app.failed(error);
    }
    this.timer = setTimeout(() => this.app.route.view === "operations" && this.load(), Math.max(5_000, range * 2.5));
  }

  update(changed) {
    const { operations } = this.app;
    if (changed.has("route") || (changed.has("link") && !this.history)) this.load();
    if (["operations", "route", "preferences", "clock"].some((topic) => changed.has(topic))) this.showStatus(operations);
    if (this.history && (changed.has("history") || changed.has("preferences") || changed.has("route"))) this.showHistory(operations?.status);
  }

  showStatus(operations) {
    const status = operations?.status;
    const age = status ? Math.max(0, (this.app.now() - Date.parse(status.updated_at)) / 1000) : null;
    const past = Boolean(status) && (operations.running === false || age > FRESH_S);
    const asOf = past ? `as last reported${Number.isFinite(age) ? `, ${span(age)} ago` : ""}` : "";
    this.showProblem(operations, age);
    const viewers = number(Math.max(1, this.app.link.viewers ?? operations?.viewers ?? 1));
    const facts = status ? factsOf(status, operations, past, viewers) : factsWithout(operations, viewers);
    setClass(this.head, `panel ops-head${past ? " past" : ""}`);
    renew(this.facts, facts.map(([name, text, tone]) => h("div", {}, h("dt", { text: name }), h("dd", { class: tone ? `text-${tone}` : null, text }))));
    this.details.hidden = this.ranges.element.hidden = !operations || (operations.running === null && !status);
    // The supervisor writes its last status while it ends itself: with it everything has ended.
    const running = (status?.processes ?? []).map((row) => ({ ...row, past, heartbeat_age_s: row.heartbeat_age_s + age, ...(status.state === "stopped" ? { state: "stopped" } : {}) }));
    this.processes.update(running, "No process is known.", asOf);
    this.databases.update((status?.databases ?? []).map((row) => ({ ...row, past })), "No database is known.", asOf);
    this.warnings.update((status?.warnings ?? []).toReversed(), "No warnings.");
  }

  /** `age`: seconds since the status was written. */
  showProblem(operations, age) {
    const status = operations?.status;
    let text = operations?.problem ?? "";
    let tone = operations?.running === false ? "bad" : "warn";
    if (operations?.running === false && Number.isFinite(age)) {
      const then = `${span(age)} ago, at ${clockOf(Date.parse(status.updated_at) / 1000, this.zone)} ${zoneName(this.zone)}`;
      const stopped = status.state === "stopped";
      text = stopped ? `The pipeline stopped ${then}. What follows is its last status.` : `The pipeline is not running. Its last status was written ${then}.`;
      if (stopped && status.market?.phase === "closed") tone = "info"; // as every day after the close
    }
    this.problem.hidden = !text;
    setText(this.problem, text.charAt(0).toUpperCase() + text.slice(1));
    setClass(this.problem, `banner tone-${tone}`);
  }

  showHistory(status) {
    for (const { chart, line, legend, reading } of this.charts) {
      const model = modelOf(chart, this.history, status);
      const items = model.series.map(({ name, key }) => h("span", { class: "legend-item" }, h("span", { class: `legend-key ${key}`, "aria-hidden": "true" }), name));
      legend.replaceChildren(...(items.length > 1 ? items : [reading(status)]));
      line.show(model);
    }
  }
}

const TONES = { healthy: "ok", degraded: "warn", draining: "info", starting: "info" };

function factsWithout(operations, viewers) {
  if (!operations) return [["Pipeline", "waiting for the first status"]];
  return [["Pipeline", "unknown"], ["Database", operations.database ?? NOTHING], ["Viewers", viewers]];
}

/** The pipeline's state in a word, and its tone. */
function stateOf(status, operations, past) {
  if (status.state === "stopped") return ["stopped"];
  if (operations.running === false) return ["down", "bad"];
  return past ? ["unknown"] : [status.state, TONES[status.state]];
}

/** [name, text, tone] of what the status says in short. */
function factsOf(status, operations, past, viewers) {
  const { poll, polls, journal, queue, market } = status;
  const zone = zoneName(market?.timezone);
  return [
    ["Pipeline", ...stateOf(status, operations, past)],
    ["Universe", status.universe ?? NOTHING],
    ["Source", status.source ?? NOTHING],
    ["Last poll", poll?.poll_time ? `${clock(poll.poll_time)} ${zone}, ${poll.outcome}` : NOTHING, poll?.outcome === "failed" ? "warn" : null],
    ["Poll duration", poll ? `${milliseconds(poll.duration_ms)} of ${span(status.interval_s)}` : NOTHING],
    ["Polls today", polls ? pollsText(polls) : NOTHING],
    ["Lowest coverage", polls?.lowest_coverage === null || polls?.lowest_coverage === undefined ? NOTHING : percent(100 * polls.lowest_coverage)],
    ["Queue", queue ? `${number(queue.depth)} waiting` : NOTHING],
    ["Journal", journal ? `${number(journal.last_seq)} records, ${bytes(journal.bytes)}` : NOTHING],
    ...(status.unstored ? [["Not stored", `${number(status.unstored)} polls wait for room on the disk`, "bad"]] : []),
    ["Disk free", journal ? bytes(journal.free_bytes) : NOTHING],
    ["Viewers", viewers],
  ];
}

/** A partial poll was taken, too. */
function pollsText({ planned, taken, partial, failed, skipped }) {
  const more = Object.entries({ partial, failed, skipped }).filter(([, count]) => count).map(([word, count]) => `, ${number(count)} ${word}`);
  return `${number(taken + partial)} of ${number(planned)}${more.join("")}`;
}
