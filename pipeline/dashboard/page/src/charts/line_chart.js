// One line chart: canvas, crosshair, readout for pointer and keyboard, a table behind it. Knows nothing of markets.
//
// A model is {x: ascending numbers, xMin, xMax, ticks: [{value, label}], axes: [{min, max, interval, format}],
//   series: [{name, values, axis, colour, split?, area?, dashed?}], borders: [{x}], levels: [y], areas: [{from, to}],
//   readout(i) → text, summary → text, table: {caption, heads, rows() → arrays of text}}. `colour` names a CSS variable.

import { effectiveTheme, onPreference, preferences } from "../prefs.js";
import { h, oncePerFrame, setAttribute, setText } from "../ui/dom.js";
import { nearest } from "./scale.js";

const library = import("./echarts.js");
const FONT = "Inter, system-ui, sans-serif";
const PAD = { top: 10, bottom: 24 };

/** Values of the theme's variables, read once per theme: each reading would make the browser compute its styles. */
const read = new Map();
onPreference(() => read.clear());

function css(name) {
  if (!read.has(name)) read.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return read.get(name);
}

/** `values` where both neighbours are missing: a line does not show them. Null when there is none. */
function lonePoints(values) {
  const missing = (value) => value === null || value === undefined || Number.isNaN(value);
  const alone = (value, i) => !missing(value) && missing(values[i - 1]) && missing(values[i + 1]);
  return values.some(alone) ? Array.from(values, (value, i) => (alone(value, i) ? value : null)) : null;
}

/** Points as x, y, x, y…, NaN where the line breaks: numbers that the library takes as they are, where it would copy objects. */
function pairs(x, values) {
  const found = new Float64Array(2 * x.length);
  for (let i = 0; i < x.length; i++) {
    found[2 * i] = x[i];
    found[2 * i + 1] = values[i] ?? NaN;
  }
  return found;
}

export class LineChart {
  /** `label`: what a screen reader calls it. `pads`: room for the axis texts, left and right, in pixels. */
  constructor({ label, height = 240, left = 52, right = 14 }) {
    this.pads = { left, right };
    this.canvas = h("div", { class: "chart-canvas", "aria-hidden": "true" });
    this.canvas.style.minHeight = `${height}px`;
    this.cross = h("div", { class: "chart-cross", hidden: true });
    this.stage = h("div", { class: "chart-stage", role: "slider", tabindex: "0", "aria-label": label }, this.canvas, this.cross);
    this.readout = h("p", { class: "chart-readout note" });
    this.tableBox = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${label}, table` });
    this.summary = h("summary", { text: "Show as table" });
    this.details = h("details", { class: "behind" }, this.summary, this.tableBox);
    this.element = h("div", { class: "chart" }, this.stage, h("div", { class: "chart-foot" }, this.readout, this.details));
    this.at = null;
    this.drawn = new Promise((done) => (this.tellDrawn = done));
    this.draw = oncePerFrame(() => this.paint());
    this.listen();
  }

  listen() {
    this.stage.addEventListener("pointermove", (event) => this.point(event));
    this.stage.addEventListener("pointerdown", (event) => this.point(event));
    this.stage.addEventListener("pointerleave", () => this.select(null));
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("blur", () => this.select(null));
    this.details.addEventListener("toggle", () => {
      setText(this.summary, this.details.open ? "Hide table" : "Show as table");
      this.fillTable();
    });
    new ResizeObserver(([{ contentRect }]) => {
      const { width, height } = contentRect;
      [this.width, this.height] = [width, height];
      if (width && height) this.chart?.resize({ width, height });
      this.draw();
    }).observe(this.canvas);
    onPreference(() => this.draw());
    document.fonts.ready.then(() => this.draw());
  }

  show(model) {
    this.model = model;
    if (this.at !== null && this.at >= model.x.length) this.at = null;
    if (this.chart) this.paint();
    else this.draw();
  }

  async paint() {
    if (!this.model || !this.canvas.isConnected || !this.width) return;
    if (!this.chart) {
      const { init } = await library;
      if (!this.chart) this.chart = init(this.canvas, null, { renderer: "canvas" });
    }
    const option = this.option();
    const shape = JSON.stringify([effectiveTheme(), preferences().palette, option.yAxis.length, option.series.map(({ name }) => name)]);
    this.chart.setOption(option, { notMerge: shape !== this.shape });
    this.shape = shape;
    this.tellDrawn();
    setAttribute(this.stage, "aria-valuemin", "0");
    setAttribute(this.stage, "aria-valuemax", String(Math.max(0, this.model.x.length - 1)));
    this.tell();
    this.fillTable();
  }

  option() {
    const { model } = this;
    const soft = css("--ink-soft");
    const line = css("--line");
    const text = { color: soft, fontSize: 11, fontFamily: FONT }; // a canvas does not inherit
    const ticks = this.fitting(model.ticks);
    const names = new Map(ticks.map((tick) => [tick.value, tick.label]));
    return {
      animation: false,
      darkMode: effectiveTheme() === "dark",
      textStyle: { fontFamily: FONT },
      grid: { ...this.pads, ...PAD, outerBoundsMode: "none" },
      xAxis: {
        type: "value",
        min: model.xMin,
        max: model.xMax,
        splitLine: { show: false },
        axisLine: { show: true, onZero: false, lineStyle: { color: line } },
        axisTick: { show: true, customValues: ticks.map((tick) => tick.value), lineStyle: { color: line }, length: 3 },
        axisLabel: { ...text, customValues: ticks.map((tick) => tick.value), formatter: (value) => names.get(value) ?? "" },
      },
      yAxis: model.axes.map((axis, i) => ({
        type: "value",
        position: i ? "right" : "left",
        min: axis.min,
        max: axis.max,
        interval: axis.interval,
        splitLine: { show: i === 0, lineStyle: { color: line } },
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { ...text, formatter: axis.format },
      })),
      series: model.series.flatMap((series, i) => this.seriesOptions(series, i === 0)),
    };
  }

  /** As many tick labels as the width has room for; those at a day's border stay. */
  fitting(ticks) {
    const width = this.width - this.pads.left - this.pads.right;
    const every = Math.ceil(ticks.length / Math.max(2, Math.floor(width / 62)));
    const perUnit = width / (this.model.xMax - this.model.xMin);
    const collide = (one, other) => Math.abs(one.value - other.value) * perUnit < 10 + 3.3 * (one.label.length + other.label.length);
    const kept = ticks.filter((tick) => tick.keep);
    return ticks.filter((tick, i) => tick.keep || (i % every === 0 && !kept.some((other) => collide(tick, other))));
  }

  /** The line, and the points that it cannot show because they stand alone. */
  seriesOptions(series, first) {
    const { model } = this;
    const colour = series.split ? this.split(1) : css(series.colour);
    const marks = first
      ? {
          markLine: {
            silent: true,
            symbol: "none",
            animation: false,
            label: { show: false },
            lineStyle: { color: css("--line-strong"), type: "dashed", width: 1 },
            data: [...(model.borders ?? []).map((border) => ({ xAxis: border.x })), ...(model.levels ?? []).map((level) => ({ yAxis: level }))],
          },
          markArea: {
            silent: true,
            animation: false,
            itemStyle: { color: css("--ink-soft"), opacity: 0.13 },
            data: (model.areas ?? []).map((area) => [{ xAxis: area.from }, { xAxis: area.to }]),
          },
        }
      : {};
    const usual = { name: series.name, type: "line", yAxisIndex: series.axis ?? 0, silent: true, dimensions: ["x", "y"], itemStyle: { color: colour } };
    const line = {
      ...usual,
      showSymbol: false,
      connectNulls: false,
      sampling: model.x.length > 4000 ? "minmax" : undefined,
      data: pairs(model.x, series.values),
      lineStyle: { color: colour, width: 1.5, type: series.dashed ? "dashed" : "solid", cap: "round" },
      areaStyle: series.area ? { color: series.split ? this.split(0.24) : colour, opacity: series.split ? 1 : 0.16, origin: 0 } : undefined,
      ...marks,
    };
    const lone = lonePoints(series.values);
    return lone ? [line, { ...usual, showAllSymbol: true, symbol: "circle", symbolSize: 5, data: pairs(model.x, lone), lineStyle: { width: 0 } }] : [line];
  }

  /** A colour that turns at the zero line, which `rangeBothSides` puts in the middle of the plot. */
  split(alpha) {
    const shade = (name) => {
      const hex = css(name);
      return alpha === 1 ? hex : hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
    };
    const stops = [[0, "--up"], [0.5, "--up"], [0.5, "--down"], [1, "--down"]];
    const colorStops = stops.map(([offset, name]) => ({ offset, color: shade(name) }));
    return { type: "linear", x: 0, y: PAD.top, x2: 0, y2: this.height - PAD.bottom, global: true, colorStops };
  }

  point(event) {
    const { model } = this;
    if (!model?.x.length) return;
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - this.pads.left) / (box.width - this.pads.left - this.pads.right);
    this.select(nearest(model.x, model.xMin + share * (model.xMax - model.xMin)));
  }

  key(event) {
    const last = (this.model?.x.length ?? 0) - 1;
    if (last < 0) return;
    const from = this.at ?? last;
    const to = {
      ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1,
      PageDown: from - 10, PageUp: from + 10, Home: 0, End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.select(Math.min(last, Math.max(0, to)));
  }

  select(index) {
    if (this.at === index) return;
    this.at = index;
    this.tell();
  }

  /** Crosshair and readout: at the selected point, else at the last. */
  tell() {
    const { model } = this;
    const last = model.x.length - 1;
    const i = this.at ?? last;
    setText(this.readout, i < 0 ? model.empty ?? "No values yet." : model.readout(i));
    setAttribute(this.stage, "aria-valuenow", String(Math.max(0, i)));
    setAttribute(this.stage, "aria-valuetext", i < 0 ? model.empty ?? "No values yet." : model.readout(i));
    this.cross.hidden = this.at === null;
    if (this.at === null) return;
    const room = this.width - this.pads.left - this.pads.right;
    const px = this.pads.left + (room * (model.x[i] - model.xMin)) / (model.xMax - model.xMin || 1);
    this.cross.style.transform = `translateX(${px}px)`;
  }

  fillTable() {
    if (!this.details.open || !this.model) return;
    const { caption, heads, rows } = this.model.table;
    const body = rows().map((row) => h("tr", {}, ...row.map((text, i) => (i ? h("td", { text }) : h("th", { scope: "row", class: "text", text })))));
    const head = h("tr", {}, ...heads.map((text, i) => h("th", { scope: "col", class: i ? null : "text", text })));
    this.tableBox.replaceChildren(h("table", {}, h("caption", { class: "unseen", text: caption }), h("thead", {}, head), h("tbody", {}, ...body)));
  }

  /** The chart as a PNG under its title, its legend and a note, for saving. */
  async image(title, note) {
    await this.drawn; // one that was asked for before the first drawing comes after it
    await this.paint();
    const drawn = this.chart.renderToCanvas({ pixelRatio: 2, backgroundColor: css("--panel") });
    const head = 92;
    const sheet = h("canvas", { width: drawn.width, height: drawn.height + head });
    const pen = sheet.getContext("2d");
    pen.fillStyle = css("--panel");
    pen.fillRect(0, 0, sheet.width, sheet.height);
    pen.drawImage(drawn, 0, head);
    pen.fillStyle = css("--ink");
    pen.font = `600 26px ${FONT}`;
    pen.fillText(title, 24, 38);
    this.drawLegend(pen, note);
    return new Promise((done) => sheet.toBlob(done, "image/png"));
  }

  drawLegend(pen, note) {
    pen.font = `400 22px ${FONT}`;
    let x = 24;
    const write = (text) => {
      pen.fillStyle = css("--ink-soft");
      pen.fillText(text, x, 78);
      x += pen.measureText(text).width + 32;
    };
    for (const { name, colour, split } of this.model.series) {
      (split ? ["--up", "--down"] : [colour, colour]).forEach((shade, half) => {
        pen.fillStyle = css(shade);
        pen.fillRect(x + 14 * half, 68, 14, 5);
      });
      x += 38;
      write(name);
    }
    if (this.model.areas.length) {
      pen.fillStyle = css("--line");
      pen.fillRect(x, 60, 28, 20);
      x += 38;
      write("backfilled");
    }
    write(note);
  }
}
