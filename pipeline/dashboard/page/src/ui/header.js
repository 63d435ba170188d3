// The bar on top: views, what state the data is in, universe and date, and the viewer's own settings.

import { clock, day, span, zoneName } from "../format.js";
import { effectiveTheme, onPreference, prefer, preferences } from "../prefs.js";
import { age, describe, phase } from "../status.js";
import { segments, select } from "./controls.js";
import { h, setAttribute, setClass, setText } from "./dom.js";

const PALETTES = [
  ["green-red", "Green up, red down"],
  ["blue-orange", "Blue up, orange down"],
  ["red-green", "Red up, green down"],
];

export class Header {
  constructor(app, header, banners) {
    this.app = app;
    this.banners = banners;
    this.tabs = this.makeTabs();
    this.phase = h("span", { class: "pill" });
    this.pillDot = h("span", { class: "dot", "aria-hidden": "true" });
    this.pillText = h("span");
    this.pill = h("span", { class: "pill", id: "state" }, this.pillDot, this.pillText);
    this.updated = h("span", { class: "note", id: "updated" });
    this.universe = select("universe", "Universe", (value) => app.go({ universe: value, date: null, at: null }));
    this.date = select("day", "Day", (value) => app.go({ date: value || null, at: null }));
    this.replay = h("button", { type: "button", class: "button", id: "replay-toggle", on: { click: () => (app.replay ? app.leaveReplay() : app.startReplay()) } });
    const status = h("div", { class: "header-status" }, this.phase, this.pill, this.updated);
    this.choice = h("div", { class: "header-choice" }, this.universe.element, this.date.element, this.replay);
    header.append(h("div", { class: "bar" }, h("h1", { text: "Breadth" }), this.tabs, status, this.choice, this.makeSettings()));
    this.banner = h("p", { class: "banner", hidden: true });
    banners.append(this.banner);
    onPreference(() => this.showPreferences());
    this.showPreferences();
  }

  makeTabs() {
    const button = (view, text) =>
      h("button", { type: "button", role: "tab", id: `tab-${view}`, "aria-controls": `view-${view}`, data: { view }, on: { click: () => this.app.go({ view }) }, text });
    const tabs = h("div", { class: "segments tabs", role: "tablist", "aria-label": "View" }, button("market", "Market"), button("operations", "Operations"));
    tabs.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      const view = this.app.route.view === "market" ? "operations" : "market";
      this.app.go({ view });
      tabs.querySelector(`[data-view="${view}"]`).focus();
    });
    return tabs;
  }

  makeSettings() {
    const swatch = (palette) => h("span", { class: `swatch swatch-${palette}`, "aria-hidden": "true" }, h("span"), h("span"));
    this.palette = segments("Colours", PALETTES.map(([value, text]) => [value, [swatch(value), h("span", { class: "unseen", text })], text]), (value) => prefer("palette", value));
    this.numbers = select("numbers", "Number format", (value) => prefer("numbers", value));
    this.theme = h("button", { type: "button", class: "button", id: "theme", on: { click: () => prefer("theme", effectiveTheme() === "dark" ? "light" : "dark") } }, h("span", { "aria-hidden": "true", text: "◐" }), h("span", { class: "unseen" }));
    return h("div", { class: "header-settings" }, this.numbers.element, this.palette.element, this.theme);
  }

  showPreferences() {
    const { palette, numbers } = preferences();
    const theme = effectiveTheme();
    const root = document.documentElement;
    root.dataset.theme = theme;
    root.dataset.palette = palette;
    this.palette.show(palette);
    this.numbers.show([["auto", "123 auto"], ["indian", "12,34,567"], ["international", "1,234,567"]], numbers);
    const other = theme === "dark" ? "Light theme" : "Dark theme";
    this.theme.title = other;
    setText(this.theme.lastElementChild, other);
  }

  /** Everything in the bar and the banner; called on each change and once a second, because ages grow. */
  update() {
    const { app } = this;
    const { shown, link, problem, replay } = app;
    const about = { link, problem, snapshot: shown, replayAt: replay?.snapshot?.market?.poll_time, now: app.now() };
    const state = describe(about);
    this.showState(state, shown);
    this.showChoice();
    for (const tab of this.tabs.children) {
      const mine = tab.dataset.view === app.route.view;
      setAttribute(tab, "aria-selected", String(mine));
      setAttribute(tab, "tabindex", mine ? "0" : "-1");
    }
    document.documentElement.classList.toggle("dimmed", state.dim);
    return state;
  }

  showState(state, shown) {
    setText(this.pillText, state.pill.text);
    setClass(this.pill, `pill tone-${state.pill.tone}`);
    setClass(this.pillDot, state.pill.pulse ? "dot pulse" : "dot");
    const known = shown?.state;
    this.phase.hidden = !known;
    if (known) setText(this.phase, phase(shown));
    const updated = this.updatedText(shown);
    setText(this.updated, updated);
    setAttribute(this.updated, "title", updated);
    this.banner.hidden = !state.banner;
    if (state.banner) {
      setText(this.banner, state.banner.text);
      setClass(this.banner, `banner tone-${state.banner.tone}`);
    }
  }

  updatedText(shown) {
    const { market, session } = shown ?? {};
    if (!market) return "";
    const counted = `${market.total_stocks}/${market.universe_size} stocks`;
    const date = session.recorded ? "" : day(shown.trade_date); // the phase of a recorded day is its date
    if (this.app.replay) return [date, counted].filter(Boolean).join(" · "); // the pill says when
    const running = shown.state.market === "open" && !shown.state.flags?.includes("closed") && !session.recorded;
    const seconds = age(shown, this.app.now());
    if (running && seconds !== null) return `updated ${span(seconds)} ago · ${counted}`;
    const time = `${clock(market.poll_time)} ${zoneName(session.timezone)} · ${counted}`;
    return date ? `as of ${date} ${time}` : time;
  }

  showChoice() {
    const { app } = this;
    const known = (app.universes?.universes ?? []).map(({ name }) => [name, name]);
    const { universe } = app;
    if (universe && !known.some(([name]) => name === universe)) known.push([universe, universe]);
    this.universe.show(known, universe ?? "");
    this.universe.control.disabled = known.length < 2;
    this.universe.control.title = universe ?? "";
    this.choice.hidden = Boolean(app.universes) && !known.length;
    const latest = app.dates[0] ? `Latest, ${day(app.dates[0])}` : "Latest";
    const dates = app.dates.map((date) => [date, day(date, true)]);
    if (app.route.date && !app.dates.includes(app.route.date)) dates.unshift([app.route.date, day(app.route.date, true)]);
    this.date.show([["", latest], ...dates], app.route.date ?? "");
    setClass(this.replay, app.route.view === "market" ? "button" : "button away"); // the bar's other parts stay where they are
    this.replay.disabled = !app.replay && !app.replayable;
    setText(this.replay, app.replay ? "✕ End replay" : "▶ Replay");
    setAttribute(this.replay, "aria-pressed", String(Boolean(app.replay)));
  }
}
