// The address keeps what the page shows (view, universe, date, replayed instant), so that a link shows the same.

const VIEWS = ["market", "operations"];

/** `{view, universe, date, at}` of the address; null where the address says nothing usable. */
export function readAddress(search = location.search) {
  const parameters = new URLSearchParams(search);
  const date = parameters.get("date");
  const at = parameters.get("at");
  const view = parameters.get("view");
  return {
    view: VIEWS.includes(view) ? view : "market",
    universe: parameters.get("universe") || null,
    date: isDay(date ?? "") ? date : null,
    at: /^\d\d:\d\d(:\d\d)?$/.test(at ?? "") ? at : null,
  };
}

/** Whether a calendar has this day: 30 February is none. */
const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00Z`).toJSON()?.startsWith(text);

/** The query text for a state; the defaults are left out. */
export function addressOf({ view, universe, date, at }) {
  const parameters = new URLSearchParams();
  if (view && view !== "market") parameters.set("view", view);
  if (universe) parameters.set("universe", universe);
  if (date) parameters.set("date", date);
  if (at) parameters.set("at", at);
  const text = parameters.toString();
  return text ? `?${text}` : location.pathname;
}

/** Puts the state into the address; `replace` where the step is no place to come back to. */
export function writeAddress(state, replace = false) {
  const address = addressOf(state);
  if (address === location.search || (address === location.pathname && location.search === "")) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}
