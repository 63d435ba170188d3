// The market view: puts the panels together and hands each what it shows.

import { day, zoneName } from "../format.js";
import { download, h, setText } from "../ui/dom.js";
import { Counts } from "./counts.js";
import { fileName, sectorsCsv, seriesCsv, stocksCsv } from "./export.js";
import { HeatMap } from "./heatmap.js";
import { Movers } from "./movers.js";
import { ReplayBar } from "./replay_bar.js";
import { Sectors } from "./sectors.js";
import { SessionChart } from "./session_chart.js";
import { StockDialog } from "./stock_dialog.js";
import { Tiles } from "./tiles.js";

export class MarketView {
  constructor(app) {
    this.app = app;
    this.counts = new Counts();
    this.tiles = new Tiles();
    this.chart = new SessionChart(() => this.savePng(), () => this.save("polls", () => seriesCsv(app.universe, app.series.days, app.replay?.snapshot?.market.t)));
    this.sectors = new Sectors(() => this.save("sectors", () => sectorsCsv(app.shown)));
    this.dialog = new StockDialog(app);
    this.heat = new HeatMap((symbol) => this.dialog.open(symbol));
    this.movers = new Movers((symbol) => this.dialog.open(symbol), () => this.save("stocks", () => stocksCsv(app.shown)));
    this.replay = new ReplayBar(app);
    this.emptyTitle = h("h2");
    this.emptyText = h("p", { class: "note" });
    this.empty = h("div", { class: "panel empty" }, this.emptyTitle, this.emptyText);
    this.unstored = h("p", { class: "panel note unstored", text: "Prices of single stocks are not stored for this poll (option --no-stocks)." });
    this.panels = h("div", { class: "market" },
      h("div", { class: "numbers" }, this.counts.element, this.tiles.element), this.replay.element, this.chart.element, this.sectors.element, this.heat.element, this.movers.element, this.unstored);
    this.element = h("div", {}, this.empty, this.panels, this.dialog.element);
  }

  update(changed, state) {
    const { shown, series, replay } = this.app;
    const filled = Boolean(shown?.market);
    this.panels.hidden = !filled;
    this.empty.hidden = filled;
    if (!filled) {
      setText(this.emptyTitle, state.empty?.title ?? "No data yet");
      setText(this.emptyText, state.empty?.text ?? "");
      return;
    }
    const all = changed.has("preferences") || changed.has("route");
    if (all || changed.has("replay") || changed.has("day")) this.replay.update();
    if (all || changed.has("day")) this.showSnapshot(shown);
    this.chart.offer(Boolean(series));
    if (series) this.showSeries(series, replay, all);
  }

  showSnapshot(shown) {
    this.counts.update(shown.market);
    this.tiles.update(shown.market);
    this.sectors.update(shown);
    const stored = Boolean(shown.stocks);
    this.unstored.hidden = stored;
    for (const panel of [this.heat, this.movers]) {
      panel.element.hidden = !stored;
      if (stored) panel.update(shown);
    }
    if (this.dialog.symbol && this.seen !== shown.market.poll_time) this.dialog.refresh();
    this.seen = shown.market.poll_time;
  }

  /** Draws the chart when its points differ from those drawn, or at `once`. */
  showSeries(series, replay, once) {
    const last = series.days.at(-1);
    const key = `${series.universe} ${last?.trade_date} ${last?.rev} ${last?.polls.length} ${replay?.snapshot?.market?.t}`;
    if (once || key !== this.drawn) this.chart.update(series.days, replay?.snapshot?.market?.t ?? null);
    this.drawn = key;
  }

  save(what, content) {
    if (this.app.shown?.market) download(fileName(this.app.shown, what, "csv"), content());
  }

  async savePng() {
    const { shown } = this.app;
    download(fileName(shown, "chart", "png"), await this.chart.image(`${shown.universe}, ${day(shown.trade_date, true)}`, zoneName(shown.session.timezone)));
  }
}
