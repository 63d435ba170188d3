// The session's chart: net advances, or advances and declines, with the index; yesterday and today on one axis.

import { joinDays } from "../charts/days.js";
import { LineChart } from "../charts/line_chart.js";
import { rangeAround, rangeBothSides, rangeFromZero } from "../charts/scale.js";
import { arrow, day as dayText, NOTHING, number, price, signed, zoneName } from "../format.js";
import { prefer, preferences } from "../prefs.js";
import { segments, showLegend } from "../ui/controls.js";
import { h, setText } from "../ui/dom.js";
import { timeOfDay } from "./replay.js";

const OUTCOMES = ["not recorded", "taken", "partial", "failed", "skipped"];

export class SessionChart {
  constructor(toPng, toCsv) {
    this.lines = segments("Lines", [["net", "Net"], ["both", "Advances, declines"]], (value) => prefer("lines", value));
    this.title = h("h2", { text: "Net advances" });
    this.legend = h("div", { class: "legend note", "aria-hidden": "true" });
    this.chart = new LineChart({ label: "Session chart; arrow keys move between polls", height: 300, left: 50 });
    const take = (id, click, text) => h("button", { type: "button", class: "button", id, disabled: true, on: { click }, text });
    this.takes = [take("chart-png", toPng, "PNG"), take("series-csv", toCsv, "CSV")];
    this.element = h("section", { class: "panel session-chart", "aria-label": "Session chart" },
      h("div", { class: "panel-head" }, this.title, this.legend, this.lines.element, ...this.takes), this.chart.element);
  }

  /** Whether there is something to take along. */
  offer(filled) {
    for (const button of this.takes) button.disabled = !filled;
  }

  /** `days`: of the series, oldest first; `until`: the replayed second of the last day, or null. */
  update(days, until) {
    const joined = joinDays(days, until);
    const { lines } = preferences();
    const index = joined.take((polls, i) => polls.index_ltp[i]);
    const withIndex = !index.every(Number.isNaN);
    const counted = (column) => joined.take((polls, i) => (polls.total_stocks[i] ? polls[column][i] : NaN)); // zero of zero stocks is no value
    const drawn = lines === "both" ? bothLines(counted) : netLine(counted);
    this.lines.show(lines);
    setText(this.title, titleOf(lines, withIndex, days));
    this.showLegend(drawn.series, withIndex, joined.areas.length > 0);
    this.chart.pads.right = withIndex ? 62 : 14;
    const axes = [drawn.axis];
    const series = [...drawn.series];
    if (withIndex) {
      const range = rangeAround(index);
      axes.push({ ...range, format: (value) => number(value, range.decimals) });
      series.push({ name: "Index", values: index, axis: 1, colour: "--index" });
    }
    this.chart.show({ ...joined, axes, series, readout: (i) => readout(joined.at(i)), table: tableOf(days, joined), empty: "No poll of this day yet." });
  }

  showLegend(series, withIndex, backfilled) {
    const items = series.map(({ name, key }) => [name, key]);
    if (withIndex) items.push(["Index", "key-index"]);
    if (backfilled) items.push(["backfilled", "key-area"]);
    showLegend(this.legend, items);
  }

  /** The chart as a picture; `of` says whose it is, `zone` whose time. */
  image(of, zone) {
    return this.chart.image(`${of}: ${this.title.textContent.toLowerCase()}`, `times ${zone}`);
  }
}

function netLine(take) {
  const values = take("adv_decl_diff");
  return {
    axis: { ...rangeBothSides(values), format: (value) => signed(value) },
    series: [{ name: "A−D", values, split: true, area: true, key: "key-split" }],
  };
}

function bothLines(take) {
  const advances = take("advances");
  const declines = take("declines");
  return {
    axis: { ...rangeFromZero([...advances, ...declines], 4), format: (value) => number(value) },
    series: [
      { name: "Advances", values: advances, colour: "--up", key: "key-up" },
      { name: "Declines", values: declines, colour: "--down", key: "key-down" },
    ],
  };
}

function titleOf(lines, withIndex, days) {
  const what = lines === "both" ? "Advances and declines" : "Net advances";
  return `${what}${withIndex ? " and index" : ""}${days.length > 1 ? `, ${days.length === 2 ? "two" : days.length} sessions` : ""}`;
}

function readout(at) {
  if (!at) return "A gap: nothing was stored here.";
  const { day, i } = at;
  const { polls, reasons, session } = day;
  const when = `${dayText(day.trade_date)} ${timeOfDay(polls.t[i])} ${zoneName(session?.timezone)}`;
  if (Number.isNaN(polls.adv_decl_diff[i])) return `${when}: poll ${OUTCOMES[polls.outcome[i]]}${reasons[i] ? `, ${reasons[i]}` : ""}`;
  if (!polls.total_stocks[i]) return `${when}: nothing has traded yet`;
  const counts = `▲${number(polls.advances[i])} ▼${number(polls.declines[i])} ■${number(polls.unchanged[i])}`;
  const index = Number.isNaN(polls.index_ltp[i]) ? "" : ` · index ${price(polls.index_ltp[i])}`;
  const extra = polls.backfilled[i] ? " · backfilled" : polls.outcome[i] === 2 ? " · partial" : "";
  return `${when} · A−D ${signed(polls.adv_decl_diff[i])} (${counts})${index}${extra}`;
}

const HEADS = ["Time", "Advances", "Declines", "Unchanged", "A−D", "Ratio", "TRIN", "Up volume %", "Index", "Poll"];

function tableOf(days, joined) {
  const rows = () =>
    joined.newestFirst().map(({ day, i }) => {
      const { polls } = day;
      const word = polls.backfilled[i] ? "backfilled" : OUTCOMES[polls.outcome[i]];
      const net = polls.adv_decl_diff[i];
      return [
        `${dayText(day.trade_date)} ${timeOfDay(polls.t[i])}`, number(polls.advances[i]), number(polls.declines[i]), number(polls.unchanged[i]),
        Number.isNaN(net) ? NOTHING : `${arrow(net)} ${signed(net)}`, number(polls.adv_decl_ratio[i], 2), number(polls.trin[i], 2), number(polls.up_volume_pct[i], 1), price(polls.index_ltp[i]), word,
      ];
    });
  return { caption: `Polls of ${days.map((day) => dayText(day.trade_date, true)).join(" and ")}, newest first`, heads: HEADS, rows };
}
