// Small controls used in several places: segments, selects, sortable table heads.

import { h, setAttribute } from "./dom.js";

/** Buttons of which one is pressed. `choices`: [[value, text, title?]]; `chosen(value)` is called on a click. */
export function segments(label, choices, chosen) {
  const buttons = choices.map(([value, text, title]) =>
    h("button", { type: "button", "aria-pressed": "false", title, data: { value }, on: { click: () => chosen(value) } }, ...[text].flat()),
  );
  const element = h("div", { class: "segments", role: "group", "aria-label": label }, ...buttons);
  const show = (value) => {
    for (const button of buttons) setAttribute(button, "aria-pressed", String(button.dataset.value === String(value)));
  };
  return { element, show };
}

/** A labelled drop-down whose options can change. */
export function select(id, label, chosen) {
  const control = h("select", { id, class: "select", title: label, on: { change: () => chosen(control.value) } });
  const element = h("label", { class: "field" }, h("span", { class: "unseen", text: label }), control);
  let known = "";
  const show = (options, value) => {
    const key = JSON.stringify(options);
    if (key !== known) {
      known = key;
      control.replaceChildren(...options.map(([option, text]) => h("option", { value: option, text })));
    }
    if (control.value !== value) control.value = value;
  };
  return { element, show, control };
}

/** Table heads that sort: `columns` [[key, text, isText]]; `sorted(key)` is called on a click. */
export function sortableHeads(columns, sorted) {
  const cells = columns.map(([key, text, isText]) => {
    const button = h("button", { type: "button", class: "sorter", on: { click: () => sorted(key) } }, text, h("span", { class: "sort-mark", "aria-hidden": "true" }));
    return h("th", { scope: "col", class: isText ? "text" : null, data: { key } }, button);
  });
  const show = (key, descending) => {
    for (const cell of cells) {
      const mine = cell.dataset.key === key;
      setAttribute(cell, "aria-sort", mine ? (descending ? "descending" : "ascending") : null);
      cell.querySelector(".sort-mark").textContent = mine ? (descending ? " ↓" : " ↑") : "";
    }
  };
  return { row: h("tr", {}, ...cells), show };
}

/** Fills a chart's legend. `items`: [[name, class of its key]]. */
export function showLegend(element, items) {
  element.replaceChildren(...items.map(([name, key]) => h("span", { class: "legend-item" }, h("span", { class: `legend-key ${key}` }), name)));
}
