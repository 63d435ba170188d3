// What the page knows and shows: the address's choice, the followed day, its series, the link, the replay. No elements here.

import { readAddress, writeAddress } from "./address.js";
import { setMarket } from "./format.js";
import { Replay } from "./market/replay.js";
import { getJson } from "./net/api.js";
import { openLink } from "./net/link.js";
import { appendPoints, applyChange, applyState } from "./net/merge.js";

const RETRY_MS = 3_000;

export class App {
  constructor(base, workerUrl) {
    this.base = base;
    this.route = readAddress();
    this.link = { state: "connecting", since: Date.now(), offsetMs: 0, viewers: null };
    this.universes = null;
    this.dates = [];
    this.live = null;
    this.series = null;
    this.operations = null;
    this.problem = null;
    this.replay = null;
    this.listeners = new Set();
    this.connection = openLink(base, workerUrl, (message) => this.receive(message));
    addEventListener("popstate", () => this.go(readAddress(), true));
  }

  /** Calls `listener(topic)` on every change: route, link, day, series, operations, replay, universes. */
  listen(listener) {
    this.listeners.add(listener);
  }

  changed(topic) {
    for (const listener of this.listeners) listener(topic);
  }

  /** The server's clock now, milliseconds. */
  now() {
    return Date.now() + (this.link.offsetMs ?? 0);
  }

  /** The snapshot on screen: the replayed one, else the live one. */
  get shown() {
    return this.replay?.snapshot ?? this.live;
  }

  get universe() {
    return this.route.universe ?? this.universes?.default ?? null;
  }

  get watch() {
    if (!this.universe) return null;
    return this.route.date ? `${this.universe}@${this.route.date}` : this.universe;
  }

  get(path, parameters, signal) {
    return getJson(this.base, path, parameters, signal);
  }

  start() {
    this.loadUniverses();
    if (this.route.universe) this.loadDay();
    else this.follow();
  }

  follow() {
    this.connection.follow(this.watch, this.route.view === "operations");
  }

  async loadUniverses() {
    clearTimeout(this.universesRetry);
    try {
      this.universes = await this.get("api/v1/universes");
      this.changed("universes");
      if (!this.universe) {
        this.problem = { code: "no_data", message: "No universe is stored in this database yet" };
        this.changed("link");
        this.universesRetry = setTimeout(() => this.loadUniverses(), RETRY_MS);
      } else if (!this.route.universe && this.loadedWatch !== this.watch) {
        this.loadDay();
      }
    } catch (error) {
      this.failed(error);
      this.universesRetry = setTimeout(() => this.loadUniverses(), RETRY_MS);
    }
  }

  /** Follows the chosen day and fetches its series; what belongs to another day is dropped. */
  async loadDay() {
    this.loading?.abort();
    clearTimeout(this.dayRetry);
    this.loading = new AbortController();
    const { signal } = this.loading;
    const { watch, universe } = this;
    if (this.loadedWatch !== watch) {
      this.leaveReplay();
      this.live = this.live?.watch === watch ? this.live : null;
      this.series = null;
      this.changed("day");
    }
    this.loadedWatch = watch;
    this.follow();
    try {
      const parameters = { universe, date: this.route.date, days: 2 };
      const [series, dates] = await Promise.all([
        this.get("api/v1/series", parameters, signal),
        this.get("api/v1/dates", { universe }, signal),
      ]);
      this.series = series;
      this.dates = dates.dates;
      this.problem = null;
      this.changed("series");
      if (this.route.at && !this.replay) this.startReplay(this.route.at);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.failed(error);
      this.dayRetry = setTimeout(() => this.loadDay(), RETRY_MS);
    }
  }

  failed(error) {
    if (!error.code) throw error;
    this.problem = error;
    this.changed("link");
  }

  receive({ event, data }) {
    if (event === "link") this.receiveLink(data);
    else if (event === "operations") {
      this.operations = data;
      this.changed("operations");
    } else if (data.watch === this.watch) this.receiveDay(event, data);
  }

  receiveLink(link) {
    const reopened = link.state === "open" && this.link.state !== "open" && this.link.everOpen;
    this.link = link;
    if (reopened) this.loadUniverses();
    this.changed("link");
  }

  receiveDay(event, data) {
    if (event === "snapshot") {
      this.live = data;
      this.problem = null;
      if (data.session?.timezone) setMarket(data.session.timezone === "Asia/Kolkata" ? "NSE" : "US");
      const last = this.series?.days.at(-1);
      if (this.series && (last?.trade_date !== data.trade_date || last?.rev !== data.series?.rev || last?.polls.t.length !== data.series?.count)) this.loadDay();
    } else if (!this.live) {
      return;
    } else if (event === "change") {
      applyChange(this.live, data);
      if (this.series && !appendPoints(this.series.days.at(-1), data)) this.loadDay();
      else this.changed("series");
    } else {
      applyState(this.live, data);
    }
    this.changed("day");
  }

  /** Moves to another view, universe, date or instant; what is not named stays. */
  go(change, fromHistory = false) {
    const before = this.watch;
    const viewBefore = this.route.view;
    this.route = { ...this.route, ...change };
    if (!fromHistory) writeAddress(this.route);
    if (this.watch !== before) this.loadDay();
    else if (viewBefore !== this.route.view) this.follow();
    if (fromHistory && !this.route.at) this.leaveReplay();
    this.changed("route");
  }

  startReplay(at = null) {
    const day = this.series?.days.at(-1);
    if (!day) return;
    this.replay = new Replay(this, day, at);
    if (!this.replay.times.length) this.replay = null;
    this.changed("replay");
  }

  leaveReplay() {
    if (!this.replay) return;
    this.replay.close();
    this.replay = null;
    this.route = { ...this.route, at: null };
    writeAddress(this.route, true);
    this.changed("replay");
    this.changed("day");
  }
}
