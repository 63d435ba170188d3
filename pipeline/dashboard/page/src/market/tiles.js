// The measures of a snapshot, a tile each: name, value, one-line reading, and what it was counted from.

import { arrow, direction, number, percent, price, signed, signedPercent, signedShort, short } from "../format.js";
import * as readings from "../readings.js";
import { h, setClass, setText } from "../ui/dom.js";

const INDEX_NAMES = {
  "^NSEI": "Nifty 50",
  "^CRSLDX": "Nifty 500",
  "^CNX100": "Nifty 100",
  "^CNX200": "Nifty 200",
  "^NSEBANK": "Nifty Bank",
  "^CNXIT": "Nifty IT",
  "^NSMIDCP": "Nifty Next 50",
  "^GSPC": "S&P 500",
  "^NDX": "Nasdaq 100",
  "^DJI": "Dow Jones",
};

const indexChange = (market) =>
  market.index_ltp === null || !market.index_prev_close ? null : (100 * (market.index_ltp - market.index_prev_close)) / market.index_prev_close;

const counted = (market) => `from ${number(market.total_stocks)} of ${number(market.universe_size)}`;
const sides = (market) => `from ${number(market.advances + market.declines)} of ${number(market.universe_size)}`;

/** [key, name, market → {value, reading, from, tone?, hidden?}] */
const TILES = [
  ["index", "Index", (market) => {
    const change = indexChange(market);
    return {
      name: INDEX_NAMES[market.index_symbol] ?? market.index_symbol ?? "Index",
      value: price(market.index_ltp),
      reading: `${change === null ? "" : `${arrow(change)} `}${readings.index(change, market.index_ltp)}`,
      from: market.index_prev_close ? `before ${price(market.index_prev_close)}` : "",
      tone: direction(change),
      hidden: !market.index_symbol && market.index_ltp === null,
    };
  }],
  ["trin", "TRIN", (market) => ({ value: number(market.trin, 2), reading: readings.trin(market.trin), from: sides(market) })],
  ["up_volume_pct", "Up volume", (market) => ({
    value: percent(market.up_volume_pct),
    reading: readings.upVolume(market.up_volume_pct),
    from: `▲ ${short(market.up_volume)} ▼ ${short(market.down_volume)}`,
  })],
  ["ud_volume_ratio", "Up/down vol.", (market) => ({
    value: number(market.ud_volume_ratio, 2),
    reading: readings.volumeRatio(market.ud_volume_ratio, market.up_volume_pct),
    from: `net ${signedShort(market.net_volume)}`,
  })],
  ["ad_pct", "A−D %", (market) => ({
    value: signedPercent(market.ad_pct, 1),
    reading: readings.adPercent(market.ad_pct),
    from: counted(market),
    tone: direction(market.ad_pct, 1),
  })],
  ["rana", "RANA", (market) => ({
    value: signed(market.rana, 0),
    reading: readings.rana(market.rana),
    from: `A−D per 1,000 ${sides(market)}`,
    tone: direction(market.rana, 0),
  })],
  ["coverage", "Coverage", (market) => ({
    value: market.coverage === 1 ? percent(100, 0) : percent(market.coverage === null ? null : Math.min(99.9, 100 * market.coverage)),
    reading: readings.coverage(market.total_stocks, market.universe_size),
    from: `${number(market.total_stocks)} of ${number(market.universe_size)} stocks`,
  })],
];

export class Tiles {
  constructor() {
    this.tiles = TILES.map(([key, name, read]) => {
      const parts = { name: h("dt", { text: name }), value: h("dd", { class: "tile-value" }), reading: h("dd", { class: "tile-reading" }), from: h("dd", { class: "tile-from" }) };
      return { key, name, read, ...parts, element: h("div", { class: "panel tile", data: { tile: key } }, h("dl", {}, parts.name, parts.value, parts.reading, parts.from)) };
    });
    this.element = h("div", { class: "tiles" }, ...this.tiles.map((tile) => tile.element));
  }

  update(market) {
    for (const tile of this.tiles) {
      const { name, value, reading, from, tone, hidden } = tile.read(market);
      tile.element.hidden = Boolean(hidden);
      setText(tile.name, name ?? tile.name.textContent);
      setText(tile.value, value);
      setClass(tile.value, `tile-value ${tone && tone !== "flat" ? tone : ""}`);
      setText(tile.reading, reading);
      setText(tile.from, from);
    }
    this.element.dataset.odd = String(this.tiles.filter((tile) => !tile.element.hidden).length % 2 === 1);
  }
}
