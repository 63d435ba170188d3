// The page's beginning: makes the app, the bar and the views, and draws what changed once a frame.

import { App } from "./app.js";
import { MarketView } from "./market/view.js";
import { OperationsView } from "./ops/view.js";
import { onPreference } from "./prefs.js";
import { oncePerFrame } from "./ui/dom.js";
import { Header } from "./ui/header.js";

const workerName = document.querySelector('meta[name="breadth-worker"]').content;
const base = new URL(".", location.href);
const app = new App(base, new URL(workerName, base));
app.start(); // the answers travel while the views are made
const header = new Header(app, document.getElementById("header"), document.getElementById("banners"));
const main = document.getElementById("main");
const views = { market: new MarketView(app), operations: new OperationsView(app) };
const topics = new Set();

const draw = oncePerFrame(() => {
  const changed = new Set(topics);
  topics.clear();
  const state = header.update();
  const view = views[app.route.view];
  if (main.firstElementChild !== view.element) {
    main.replaceChildren(view.element);
    for (const topic of ["route", "day", "series", "operations", "preferences"]) changed.add(topic);
  }
  view.update(changed, state);
  document.title = titleOf();
});

function titleOf() {
  const { market, universe } = app.shown ?? {};
  if (app.route.view === "operations") return `Operations · Breadth`;
  return market ? `${market.advances}▲ ${market.declines}▼ ${universe} · Breadth` : "Breadth";
}

function ask(topic) {
  topics.add(topic);
  draw();
}

for (const [name, view] of Object.entries(views)) {
  view.element.id = `view-${name}`;
  view.element.setAttribute("role", "tabpanel");
  view.element.setAttribute("aria-labelledby", `tab-${name}`);
}
app.listen(ask);
onPreference(() => ask("preferences"));
setInterval(() => ask("clock"), 1000);
ask("route");
