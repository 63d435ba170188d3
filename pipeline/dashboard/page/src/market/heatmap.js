// The heat map: a button for each stock, by sector; area by traded value or equal, colour by change. One tile is in the
// tab order, arrow keys go to its neighbours, a click or Enter opens the stock's day.

import { arrow, price, short, signed, signedPercent } from "../format.js";
import { prefer, preferences } from "../prefs.js";
import { segments } from "../ui/controls.js";
import { h, setAttribute, setClass, setText } from "../ui/dom.js";
import { layOut, neighbour, weightsOf } from "./heat_layout.js";
import { changeOf, colourStep, shortSymbol, statusName, statusWords, stepClass } from "./stocks.js";

const RELAYOUT_MS = 60_000; // traded values drift; tiles that jump every second cannot be read

export class HeatMap {
  /** `open(symbol)`: shows the stock's day. */
  constructor(open) {
    this.open = open;
    this.tiles = [];
    this.area = segments("Area of a tile", [["value", "Traded value"], ["equal", "Equal"]], (value) => prefer("area", value));
    this.stage = h("div", { class: "heat-stage", role: "group", "aria-label": "Stocks by sector; arrow keys move, Enter opens the day" });
    this.tip = h("div", { class: "tip", id: "heat-tip", role: "tooltip", hidden: true });
    const head = h("div", { class: "panel-head" }, h("h2", { text: "Heat map" }), this.area.element, legend());
    this.element = h("section", { class: "panel heat", "aria-label": "Heat map" }, head, h("div", { class: "heat-frame" }, this.stage, this.tip));
    this.listen();
  }

  listen() {
    const tileOf = (event) => event.target.closest?.("button.tile-stock");
    this.stage.addEventListener("click", (event) => tileOf(event) && this.open(this.symbolOf(tileOf(event))));
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("focusin", (event) => this.showTip(tileOf(event)));
    this.stage.addEventListener("focusout", () => this.showTip(null));
    this.stage.addEventListener("pointerover", (event) => this.showTip(tileOf(event)));
    this.stage.addEventListener("pointerleave", () => this.showTip(null));
    // Sizes come from here: to ask the element between two changes would make the browser lay the page out each time.
    new ResizeObserver(([{ contentRect }]) => {
      [this.width, this.height] = [contentRect.width, contentRect.height];
      if (this.snapshot) this.update(this.snapshot);
    }).observe(this.stage);
  }

  symbolOf(button) {
    return this.snapshot.stocks.symbol[Number(button.dataset.i)];
  }

  update(snapshot) {
    this.snapshot = snapshot;
    const { stocks } = snapshot;
    const { area } = preferences();
    this.area.show(area);
    const key = `${snapshot.members} ${snapshot.trade_date} ${area} ${this.width} ${this.height}`;
    if (key !== this.laidKey || performance.now() - this.laidAt > RELAYOUT_MS) this.layOut(snapshot, area, key);
    this.colour(stocks);
    if (this.tipFor) this.fillTip();
  }

  layOut(snapshot, area, key) {
    const { stocks, sector_names: names } = snapshot;
    const { width, height } = this;
    if (!width || !height) return;
    if (this.members !== snapshot.members) this.makeTiles(snapshot);
    this.laidKey = key;
    this.laidAt = performance.now();
    const { groups, tiles } = layOut(width, height, weightsOf(stocks, area), stocks.sector, names);
    this.boxes = tiles;
    const made = new Map(groups.map((group) => [group.sector, groupOf(names[group.sector], group)]));
    for (const box of tiles) {
      const tile = this.tiles[box.i];
      place(tile.button, box);
      tile.size = sizeOf(box, tile.symbol);
      if (!LABELLED.has(tile.size)) setAttribute(tile.button, "aria-label", null);
      made.get(stocks.sector[box.i]).append(tile.button);
    }
    const focused = this.stage.contains(document.activeElement) ? document.activeElement : null;
    this.stage.replaceChildren(...made.values());
    focused?.focus();
    this.rove(this.active ?? tiles[0]?.i);
  }

  makeTiles({ stocks, members }) {
    this.members = members;
    this.active = null;
    this.tiles = stocks.symbol.map((symbol, i) => {
      const change = h("span", { class: "tile-change" });
      const button = h("button", { type: "button", tabindex: "-1", "aria-describedby": "heat-tip", data: { i } }, h("span", { class: "tile-symbol", text: shortSymbol(symbol) }), change);
      return { button, change, symbol: shortSymbol(symbol), size: "small" };
    });
  }

  colour(stocks) {
    for (let i = 0; i < this.tiles.length; i++) {
      const tile = this.tiles[i];
      const change = changeOf(stocks, i);
      const text = change === null ? statusWords(stocks.status[i]) : signed(change, 2);
      if (LABELLED.has(tile.size)) setAttribute(tile.button, "aria-label", `${tile.symbol} ${text}`);
      else setText(tile.change, text);
      const absent = change === null ? " tile-absent" : "";
      setClass(tile.button, `tile-stock tile-${tile.size} ${stepClass(colourStep(change))}${absent}`);
    }
  }

  rove(i) {
    if (i === undefined || i === null) return;
    if (this.active !== null && this.tiles[this.active]) this.tiles[this.active].button.tabIndex = -1;
    this.active = i;
    this.tiles[i].button.tabIndex = 0;
  }

  key(event) {
    const from = this.boxes?.find((box) => box.i === this.active);
    if (!from) return;
    let to = null;
    if (event.key.startsWith("Arrow")) to = neighbour(this.boxes, from, event.key);
    else if (event.key === "Home") to = this.boxes[0];
    else if (event.key === "End") to = this.boxes.at(-1);
    else if (event.key === "Escape") return this.showTip(null);
    else return;
    event.preventDefault();
    if (!to) return;
    this.rove(to.i);
    this.tiles[to.i].button.focus();
  }

  showTip(button) {
    this.tipFor = button ?? null;
    this.tip.hidden = !button;
    if (!button) return;
    if (document.activeElement === button) this.rove(Number(button.dataset.i));
    this.fillTip();
    const left = Math.min(button.offsetLeft + 8, this.width - this.tip.offsetWidth - 4);
    const below = button.offsetTop + button.offsetHeight + 6;
    const fits = below + this.tip.offsetHeight < this.height;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${fits ? below : Math.max(0, button.offsetTop - this.tip.offsetHeight - 6)}px`;
  }

  fillTip() {
    const i = Number(this.tipFor.dataset.i);
    const { stocks, sector_names: names } = this.snapshot;
    const change = changeOf(stocks, i);
    const lines = [
      [stocks.name[i] || stocks.symbol[i], "tip-name"],
      [`${shortSymbol(stocks.symbol[i])} · ${names[stocks.sector[i]]}`, "note"],
      [change === null ? statusWords(stocks.status[i]) : `${price(stocks.ltp[i])}  ${arrow(change)} ${signedPercent(change)}`, "tip-value"],
      [`previous close ${price(stocks.prev_close[i])} · volume ${short(stocks.volume[i])}`, "note"],
    ];
    this.tip.dataset.status = statusName(stocks.status[i]);
    this.tip.replaceChildren(...lines.map(([text, name]) => h("div", { class: name, text })));
  }
}

function groupOf(name, { headed, x, y, width }) {
  const title = h("h3", { class: "heat-sector", text: name });
  place(title, { x, y, width, height: 16 });
  return h("div", { role: "group", "aria-label": name }, headed ? title : null);
}

/** Tiles that do not show their change say it in a label. */
const LABELLED = new Set(["name", "small"]);

/** How much text a tile has room for: symbol and change in two sizes, the symbol alone, nothing. */
function sizeOf({ width, height }, symbol) {
  if (width >= 64 && height >= 40) return "big";
  if (width >= 44 && height >= 30) return "mid";
  return height >= 14 && width >= Math.min(38, 6 * symbol.length + 4) ? "name" : "small";
}

function place(element, { x, y, width, height }) {
  Object.assign(element.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
}

function legend() {
  const steps = [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((step) => h("span", { class: `legend-step ${stepClass(step)}` }));
  return h("div", { class: "heat-legend note", role: "img", "aria-label": "Colour by change from the previous close, from minus 3 percent or less to plus 3 percent or more" }, h("span", { text: "−3%" }), ...steps, h("span", { text: "+3%" }));
}
