// The card of advances, unchanged and declines, with who is counted and who is not.

import { NOTHING, number, percent, signed } from "../format.js";
import { ratio } from "../readings.js";
import { h, setText } from "../ui/dom.js";

const SIDES = [
  ["advances", "▲", "advancing", "up"],
  ["unchanged", "■", "unchanged", "flat"],
  ["declines", "▼", "declining", "down"],
];

export class Counts {
  constructor() {
    this.numbers = new Map();
    this.bars = new Map();
    const cells = SIDES.map(([key, mark, word, tone]) => {
      const value = h("span", { class: "count-value" });
      this.numbers.set(key, value);
      return h("div", { class: `count count-${key} ${tone}` }, h("span", { class: "count-line" }, h("span", { "aria-hidden": "true", text: `${mark} ` }), value), h("span", { class: "note", text: word }));
    });
    const bar = h("div", { class: "bar-track", "aria-hidden": "true" }, ...SIDES.map(([key, , , tone]) => {
      const part = h("span", { class: `bar-part bar-${tone}` });
      this.bars.set(key, part);
      return part;
    }));
    this.summary = h("p", { class: "count-summary" });
    this.label = h("span", { class: "sentiment" });
    this.population = h("p", { class: "note" });
    const head = h("div", { class: "panel-head" }, h("h2", { text: "Advances and declines" }), this.label);
    this.element = h("section", { class: "panel counts", "aria-label": "Advances and declines" }, head, h("div", { class: "count-row" }, ...cells), bar, this.summary, this.population);
  }

  update(market) {
    for (const [key] of SIDES) {
      setText(this.numbers.get(key), number(market[key]));
      const share = market.total_stocks ? (100 * market[key]) / market.total_stocks : 0;
      this.bars.get(key).style.width = `${share.toFixed(3)}%`;
    }
    const { market_sentiment: label, adv_decl_ratio: quotient } = market;
    setText(this.label, label ? words(label) : "");
    this.label.hidden = !label;
    const shown = quotient === null ? NOTHING : number(quotient, 2);
    setText(this.summary, `${percent(market.adv_pct)} advancing · ratio ${shown} · net ${signed(market.adv_decl_diff)}`);
    setText(this.population, `${ratio(market)} · ${populationText(market)}`);
  }
}

/** `STRONGLY_BULLISH` as `Strongly bullish`. */
function words(label) {
  const text = label.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function populationText(market) {
  const left = [[market.not_traded, "not traded"], [market.no_reference, "no previous close"], [market.no_quote, "no quote"]];
  const missing = left.filter(([count]) => count).map(([count, why]) => `${number(count)} ${why}`);
  const counted = `from ${number(market.total_stocks)} of ${number(market.universe_size)} stocks`;
  return missing.length ? `${counted}; ${missing.join(", ")}` : counted;
}
