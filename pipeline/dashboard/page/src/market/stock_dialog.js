// A stock's day: its price against the previous close, and the facts, in a dialog.

import { joinDays } from "../charts/days.js";
import { LineChart } from "../charts/line_chart.js";
import { rangeAround } from "../charts/scale.js";
import { arrow, day as dayText, direction, number, price, short, signedPercent, zoneName } from "../format.js";
import { showLegend } from "../ui/controls.js";
import { h, setClass, setText } from "../ui/dom.js";
import { timeOfDay } from "./replay.js";
import { shortSymbol, statusWords } from "./stocks.js";

export class StockDialog {
  constructor(app) {
    this.app = app;
    this.title = h("h2", { id: "stock-title" });
    this.subtitle = h("p", { class: "note" });
    this.value = h("p", { class: "stock-value" });
    this.facts = h("dl", { class: "facts" });
    this.legend = h("div", { class: "legend note", "aria-hidden": "true" });
    this.chart = new LineChart({ label: "Price over the day; arrow keys move between polls", height: 240, left: 66, right: 16 });
    this.close = h("button", { type: "button", class: "button", on: { click: () => this.element.close() }, text: "Close" });
    const head = h("div", { class: "panel-head" }, this.title, this.close);
    this.element = h("dialog", { class: "panel stock-dialog", "aria-labelledby": "stock-title" }, head, this.subtitle, this.value, this.facts, this.legend, this.chart.element);
    this.element.addEventListener("close", () => (this.symbol = null));
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  open(symbol) {
    this.symbol = symbol;
    setText(this.title, shortSymbol(symbol));
    setText(this.subtitle, "Loading…");
    setText(this.value, "");
    this.facts.replaceChildren();
    this.element.showModal();
    this.refresh();
  }

  /** Fetches the day; called again when a poll came in while the dialog is open. */
  async refresh() {
    const { symbol } = this;
    if (!symbol) return;
    const { shown, universe } = this.app;
    try {
      const stock = await this.app.get("api/v1/stock", { universe, date: shown.trade_date, symbol });
      if (this.symbol === symbol && this.app.shown?.market) this.show(stock);
    } catch (error) {
      if (this.symbol === symbol) setText(this.subtitle, `The stock’s day cannot be shown: ${error.message}`);
    }
  }

  show(stock) {
    const { t, ltp, volume, status } = stock.points;
    const { market, stocks } = this.app.shown;
    const until = market.t;
    const i = stocks ? stocks.symbol.indexOf(stock.symbol) : -1;
    const ofDay = (column) => price(stocks?.[column][i]); // the API's own are those of the day's newest poll
    const last = t.findLastIndex((time) => time <= until);
    const change = last >= 0 && stock.prev_close ? (100 * (ltp[last] - stock.prev_close)) / stock.prev_close : null;
    setText(this.subtitle, [stock.name, stock.sector, `${dayText(stock.trade_date, true)}`].filter(Boolean).join(" · "));
    setText(this.value, last < 0 ? "No price yet" : `${price(ltp[last])}  ${arrow(change)} ${signedPercent(change)}`);
    setClass(this.value, `stock-value ${direction(change)}`);
    const facts = [["Previous close", price(stock.prev_close)], ["Open", ofDay("day_open")], ["High", ofDay("day_high")], ["Low", ofDay("day_low")], ["Volume", last < 0 ? "–" : short(volume[last])], ["State", last < 0 ? "–" : statusWords(status[last])]];
    this.facts.replaceChildren(...facts.map(([name, text]) => h("div", {}, h("dt", { text: name }), h("dd", { text }))));
    this.showChart(stock, until);
  }

  showChart(stock, until) {
    const { points, session } = stock;
    const polls = { ...points, backfilled: [] };
    const joined = joinDays([{ trade_date: stock.trade_date, session, polls }], until);
    const values = joined.take(({ ltp }, i) => ltp[i]);
    const before = stock.prev_close;
    const range = rangeAround([...values, before]);
    const zone = zoneName(session?.timezone);
    showLegend(this.legend, [["Price", ""], ...(before ? [["Previous close", "key-dashed"]] : [])]);
    const percentOf = (value) => (before ? ` (${signedPercent((100 * (value - before)) / before)})` : "");
    const readout = (i) =>
      i === undefined ? "A gap: nothing was stored here." : `${timeOfDay(points.t[i])} ${zone} · ${price(points.ltp[i])}${percentOf(points.ltp[i])} · volume ${short(points.volume[i])}`;
    this.chart.show({
      ...joined,
      axes: [{ ...range, format: (value) => number(value, range.decimals) }],
      series: [{ name: "Price", values, colour: "--accent" }],
      levels: before ? [before] : [],
      readout: (k) => readout(joined.at(k)?.i),
      empty: "This stock had no price on this day yet.",
      table: {
        caption: `Prices of ${shortSymbol(stock.symbol)}, newest first`,
        heads: ["Time", "Price", "Change", "Volume"],
        rows: () => joined.newestFirst().map(({ i }) => [timeOfDay(points.t[i]), price(points.ltp[i]), before ? signedPercent((100 * (points.ltp[i] - before)) / before) : "–", short(points.volume[i])]),
      },
    });
  }
}
