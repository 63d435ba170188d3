// The operations view: is the pipeline well, and how was its day. The history comes from the server, so it outlives the page.

import { LineChart } from "../charts/line_chart.js";
import { bytes, clock, milliseconds, NOTHING, number, percent, span, zoneName } from "../format.js";
import { segments } from "../ui/controls.js";
import { h, setClass, setText } from "../ui/dom.js";
import { CHARTS, COLOUR_KEYS, modelOf } from "./charts.js";
import { databases, processes, warnings } from "./tables.js";

const RANGES = [["900", "15 min"], ["7200", "2 h"], ["86400", "24 h"]];
const POINTS = 400;

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
    const head = h("section", { class: "panel ops-head", "aria-label": "Pipeline" }, this.facts, this.ranges.element);
    this.element = h("div", { class: "operations" }, this.problem, head,
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
    if (changed.has("operations") || changed.has("route") || changed.has("preferences")) this.showStatus(operations);
    if (this.history && (changed.has("history") || changed.has("preferences") || changed.has("route"))) this.showHistory(operations?.status);
  }

  showStatus(operations) {
    const status = operations?.status;
    this.showProblem(operations);
    const viewers = number(Math.max(1, this.app.link.viewers ?? operations?.viewers ?? 1));
    const facts = status ? factsOf(status, operations, viewers) : factsWithout(operations, viewers);
    this.details.hidden = operations?.running === null && !status;
    this.facts.replaceChildren(...facts.map(([name, text, tone]) => h("div", {}, h("dt", { text: name }), h("dd", { class: tone ? `text-${tone}` : null, text }))));
    this.processes.update(status?.processes ?? [], "No process is known.");
    this.databases.update(status?.databases ?? [], "No database is known.");
    this.warnings.update((status?.warnings ?? []).toReversed(), "No warnings.");
  }

  showProblem(operations) {
    let text = operations?.problem ?? null;
    if (!text && operations?.running === false) text = "The pipeline is not running; what follows is its last status.";
    this.problem.hidden = !text;
    setText(this.problem, text ? text.charAt(0).toUpperCase() + text.slice(1) : "");
    setClass(this.problem, `banner tone-${operations?.running === false ? "bad" : "warn"}`);
  }

  showHistory(status) {
    for (const { chart, line, legend, reading } of this.charts) {
      const model = modelOf(chart, this.history, status);
      const named = model.series.length > 1;
      legend.replaceChildren(...(named ? model.series.map(({ name, dashed }, i) => h("span", { class: "legend-item" }, h("span", { class: `legend-key ${dashed ? "key-dashed" : COLOUR_KEYS[i % COLOUR_KEYS.length]}`, "aria-hidden": "true" }), name)) : [reading]));
      line.show(model);
    }
  }
}

const TONES = { healthy: "ok", running: "ok", degraded: "warn", draining: "info", starting: "info", stopped: "bad" };

function factsWithout(operations, viewers) {
  if (!operations) return [["Pipeline", "waiting for the first status"]];
  return [["Pipeline", "unknown"], ["Database", operations.database ?? NOTHING], ["Viewers", viewers]];
}

/** [name, text, tone] of what the status says in short. */
function factsOf(status, operations, viewers) {
  const { poll, polls, journal, queue, market } = status;
  const zone = zoneName(market?.timezone);
  const down = operations.running === false;
  return [
    ["Pipeline", down ? "down" : status.state, down ? "bad" : TONES[status.state]],
    ["Universe", status.universe ?? NOTHING],
    ["Source", status.source ?? NOTHING],
    ["Last poll", poll?.poll_time ? `${clock(poll.poll_time)} ${zone}, ${poll.outcome}` : NOTHING, poll?.outcome === "failed" ? "warn" : null],
    ["Poll duration", poll ? `${milliseconds(poll.duration_ms)} of ${span(status.interval_s)}` : NOTHING],
    ["Polls today", polls ? `${number(polls.taken)} of ${number(polls.planned)}${polls.failed ? `, ${number(polls.failed)} failed` : ""}${polls.skipped ? `, ${number(polls.skipped)} skipped` : ""}` : NOTHING],
    ["Lowest coverage", polls?.lowest_coverage === null || polls?.lowest_coverage === undefined ? NOTHING : percent(100 * polls.lowest_coverage)],
    ["Queue", queue ? `${number(queue.depth)} waiting` : NOTHING],
    ["Journal", journal ? `${number(journal.last_seq)} records, ${bytes(journal.bytes)}` : NOTHING],
    ["Disk free", journal ? bytes(journal.free_bytes) : NOTHING],
    ["Viewers", viewers],
  ];
}
