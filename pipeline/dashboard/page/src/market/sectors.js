// The sector table: who leads, with a bar of advances against declines, and the average change.

import { arrow, direction, number, signed } from "../format.js";
import { sortableHeads } from "../ui/controls.js";
import { h, setClass, setText } from "../ui/dom.js";

const COLUMNS = [["sector", "Sector", true], ["share", "Up / down"], ["change", "Avg %"]];

export class Sectors {
  constructor(toCsv) {
    this.sort = { key: "change", descending: true };
    this.heads = sortableHeads(COLUMNS, (key) => this.sortBy(key));
    this.body = h("tbody");
    this.rows = [];
    const csv = h("button", { type: "button", class: "button", id: "sectors-csv", on: { click: toCsv }, text: "CSV" });
    const table = h("table", { class: "sector-table" }, h("caption", { class: "unseen", text: "Breadth by sector" }), h("thead", {}, this.heads.row), this.body);
    this.element = h("section", { class: "panel sectors", "aria-label": "Sectors" }, h("div", { class: "panel-head" }, h("h2", { text: "Sectors" }), csv), h("div", { class: "scroll sector-scroll", tabindex: "0", role: "region", "aria-label": "Sectors, table" }, table));
  }

  sortBy(key) {
    const descending = this.sort.key === key ? !this.sort.descending : key !== "sector";
    this.sort = { key, descending };
    if (this.snapshot) this.update(this.snapshot);
  }

  update(snapshot) {
    this.snapshot = snapshot;
    const rows = sectorRows(snapshot);
    const { key, descending } = this.sort;
    this.heads.show(key, descending);
    rows.sort((a, b) => (key === "sector" ? a.sector.localeCompare(b.sector) : (a[key] ?? -Infinity) - (b[key] ?? -Infinity)) * (descending ? -1 : 1));
    while (this.rows.length < rows.length) this.rows.push(makeRow());
    const parts = this.rows.slice(0, rows.length);
    parts.forEach((part, i) => fill(part, rows[i]));
    if (this.body.childElementCount !== rows.length) this.body.replaceChildren(...parts.map((part) => part.row));
  }
}

/** Sectors of a snapshot as objects; `share`: advances of advances and declines. */
export function sectorRows(snapshot) {
  const { sectors, sector_names: names } = snapshot;
  if (!sectors) return [];
  return sectors.sector.map((position, i) => {
    const advances = sectors.advances[i];
    const declines = sectors.declines[i];
    return {
      sector: names[position],
      advances,
      declines,
      unchanged: sectors.unchanged[i],
      traded: sectors.total_stocks[i],
      size: sectors.universe_size[i],
      share: advances + declines ? advances / (advances + declines) : null,
      change: sectors.avg_change_pct[i],
      trin: sectors.trin[i],
      upVolume: sectors.up_volume_pct[i],
    };
  });
}

function makeRow() {
  const up = h("span", { class: "bar-part bar-up" });
  const flat = h("span", { class: "bar-part bar-flat" });
  const down = h("span", { class: "bar-part bar-down" });
  const name = h("th", { scope: "row", class: "text sector-name" });
  const counts = h("span", { class: "sector-counts" });
  const change = h("td");
  const cell = h("td", {}, h("div", { class: "sector-cell" }, h("span", { class: "bar-track", "aria-hidden": "true" }, up, flat, down), counts));
  return { row: h("tr", {}, name, cell, change), name, up, flat, down, counts, change };
}

function fill(part, row) {
  setText(part.name, row.sector);
  part.name.title = `${row.sector}: ${row.traded} of ${row.size} stocks counted`;
  const total = row.traded || 1;
  part.up.style.width = `${((100 * row.advances) / total).toFixed(2)}%`;
  part.flat.style.width = `${((100 * row.unchanged) / total).toFixed(2)}%`;
  part.down.style.width = `${((100 * row.declines) / total).toFixed(2)}%`;
  setText(part.counts, `${number(row.advances)} / ${number(row.declines)}`);
  setText(part.change, row.change === null ? "–" : `${arrow(row.change)} ${signed(row.change, 2)}`);
  setClass(part.change, direction(row.change));
}
