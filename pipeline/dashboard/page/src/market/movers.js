// Movers: gainers, losers, most active, or what the search finds; sortable; a click opens the stock's day.

import { arrow, direction, price, short, signedPercent } from "../format.js";
import { segments, sortableHeads } from "../ui/controls.js";
import { h, setAttribute, setClass, setText } from "../ui/dom.js";
import { shortSymbol, statusWords, stockRows } from "./stocks.js";

const SHOWN = 50;
const COLUMNS = [["symbol", "Symbol", true], ["last", "Last"], ["change", "Change"], ["volume", "Volume"]];
const LISTS = {
  gainers: { key: "change", descending: true, keep: (row) => row.change > 0, none: "No stock is above its previous close." },
  losers: { key: "change", descending: false, keep: (row) => row.change < 0, none: "No stock is below its previous close." },
  active: { key: "volume", descending: true, keep: (row) => row.volume > 0, none: "Nothing has traded yet." },
};

export class Movers {
  constructor(open, toCsv) {
    this.list = "gainers";
    this.sort = LISTS.gainers;
    this.lists = segments("Movers", [["gainers", "Gainers"], ["losers", "Losers"], ["active", "Active"]], (value) => this.choose(value));
    this.heads = sortableHeads(COLUMNS, (key) => this.sortBy(key));
    this.search = h("input", { type: "search", class: "search", placeholder: "Find a symbol or name", "aria-label": "Find a stock by symbol or name", autocomplete: "off", spellcheck: "false", on: { input: () => this.again(), keydown: (event) => this.enter(event, open) } });
    this.body = h("tbody");
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) open(this.rows[[...this.body.children].indexOf(row)].symbol);
    });
    this.note = h("p", { class: "note", "aria-live": "polite" });
    this.rows = [];
    const csv = h("button", { type: "button", class: "button", id: "stocks-csv", on: { click: toCsv }, text: "CSV" });
    const table = h("table", {}, h("caption", { class: "unseen", text: "Movers" }), h("thead", {}, this.heads.row), this.body);
    this.element = h("section", { class: "panel movers", "aria-label": "Movers" },
      h("div", { class: "panel-head" }, h("h2", { text: "Movers" }), this.lists.element, csv),
      this.search, this.note, h("div", { class: "scroll movers-scroll", tabindex: "0", role: "region", "aria-label": "Movers, table" }, table));
  }

  /** Enter opens the first stock found; the key may not press the dialog's button on its way. */
  enter(event, open) {
    if (event.key !== "Enter" || !this.found) return;
    event.preventDefault();
    open(this.rows[0].symbol);
  }

  choose(list) {
    this.list = list;
    this.sort = LISTS[list];
    this.search.value = "";
    this.again();
  }

  sortBy(key) {
    const descending = this.sort.key === key ? !this.sort.descending : key !== "symbol";
    this.sort = { key, descending };
    this.again();
  }

  again() {
    if (this.snapshot) this.update(this.snapshot);
  }

  update(snapshot) {
    this.snapshot = snapshot;
    const all = stockRows(snapshot);
    const wanted = this.search.value.trim().toLowerCase();
    const kept = wanted ? all.filter((row) => row.symbol.toLowerCase().includes(wanted) || row.name.toLowerCase().includes(wanted)) : all.filter(LISTS[this.list].keep);
    const chosen = (wanted ? kept : topOf(kept, LISTS[this.list])).slice();
    this.found = wanted ? kept.length : 0;
    this.lists.show(wanted ? null : this.list);
    this.heads.show(this.sort.key, this.sort.descending);
    chosen.sort(comparison(this.sort));
    this.fill(chosen.slice(0, SHOWN));
    setText(this.note, noteOf(wanted, kept.length, LISTS[this.list]));
  }

  fill(rows) {
    while (this.body.childElementCount > rows.length) this.body.lastElementChild.remove();
    while (this.body.childElementCount < rows.length) this.body.append(makeRow());
    rows.forEach((row, i) => fillRow(this.body.children[i], row));
    this.rows = rows;
  }
}

const topOf = (rows, list) => rows.toSorted(comparison(list)).slice(0, SHOWN);

function comparison({ key, descending }) {
  const way = descending ? -1 : 1;
  if (key === "symbol") return (a, b) => way * a.symbol.localeCompare(b.symbol);
  return (a, b) => {
    if (a[key] === null || b[key] === null) return (a[key] === null) - (b[key] === null);
    return way * (a[key] - b[key]);
  };
}

function noteOf(wanted, count, list) {
  if (wanted) return count ? `${count} found${count > SHOWN ? `, the first ${SHOWN} shown` : ""}` : "No stock has this in its symbol or name.";
  return count ? "" : list.none;
}

function makeRow() {
  return h("tr", {}, h("th", { scope: "row", class: "text" }, h("button", { type: "button", class: "row-button" })), h("td"), h("td"), h("td"));
}

function fillRow(element, row) {
  const [head, last, change, volume] = element.children;
  setText(head.firstElementChild, shortSymbol(row.symbol));
  setAttribute(element, "title", row.name);
  setText(last, price(row.last));
  setText(change, row.change === null ? statusWords(row.status) : `${arrow(row.change)} ${signedPercent(row.change)}`);
  setClass(change, row.change === null ? "flat" : direction(row.change));
  setText(volume, short(row.volume));
}
