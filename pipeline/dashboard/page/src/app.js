// What the page knows and shows: the address's choice, the followed day, its series, the link, the replay. No elements here.

import { readAddress, writeAddress } from "./address.js";
import { setContext } from "./format.js";
import { Replay } from "./market/replay.js";
import { getJson } from "./net/api.js";
import { openLink } from "./net/link.js";
import { appendPoints, applyChange, applyState } from "./net/merge.js";
import { Polls } from "./net/polls.js";

const RETRY_MS = 3_000;
const STALE_MS = 1_000; // an answer of the server may be a second old

export class App {
  constructor(base, workerUrl) {
    this.base = base;
    this.route = readAddress();
    this.link = { state: "connecting", since: Date.now(), offsetMs: 0, viewers: null };
    this.universes = null;
    this.dates = [];
    this.live = null;
    this.series = null;
    this.points = []; // of the stream's changes, those that the series lacks
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
      } else if (this.loadedWatch !== this.watch) {
        this.loadDay();
      } else {
        this.loadDates();
      }
    } catch (error) {
      this.failed(error);
      this.universesRetry = setTimeout(() => this.loadUniverses(), RETRY_MS);
    }
  }

  /** Follows the chosen day; what belongs to another one is dropped. */
  loadDay() {
    const { watch } = this;
    if (this.loadedWatch !== watch) {
      this.loading?.abort();
      this.loadingSeries = null;
      this.points = [];
      this.closeReplay();
      if (!this.isHeld()) this.live = this.series = null;
      this.changed("day");
    }
    this.loadedWatch = watch;
    this.follow();
    const stored = this.universes?.universes.find(({ name }) => name === this.universe)?.days;
    if (!this.live && stored && !this.route.date) this.loadFirst(watch);
    this.loadDates();
  }

  /** Whether the day on screen is the chosen one, be it followed under its date or as the newest. */
  isHeld() {
    const { universe, trade_date: date, session } = this.live ?? {};
    return universe === this.universe && Boolean(this.route.date ? this.route.date === date : session?.latest);
  }

  /** Asks for the snapshot beside the stream: the shared connection takes a moment to begin. What comes first is shown. */
  async loadFirst(watch) {
    try {
      const data = await this.get("api/v1/snapshot", { universe: this.universe });
      if (watch === this.watch && !this.live) this.receiveDay("snapshot", { ...data, watch });
    } catch {
      // The stream's own answer, or its absence, tells the viewer.
    }
  }

  /** The stored days of the universe, once it is known to have any. */
  async loadDates() {
    const { universe } = this;
    if (!this.universes?.universes.some(({ name }) => name === universe)) return;
    try {
      const { dates } = await this.get("api/v1/dates", { universe });
      if (universe !== this.universe) return;
      this.dates = dates;
      this.changed("universes");
    } catch (error) {
      this.failed(error);
    }
  }

  /** Appends the points that came in to the held series; whether it then has the polls that the snapshot speaks of. */
  extendSeries() {
    const day = this.series?.days.at(-1);
    const { trade_date: date, series } = this.live;
    const wanted = ({ trade_date: of, series: { rev } }) => of === date && rev === series.rev;
    this.points = this.points.filter((change) => wanted(change) && !appendPoints(day, change));
    return day?.trade_date === date && day.rev === series.rev && day.polls.length >= series.count;
  }

  /** Brings the series up to the snapshot, by a fetch where points are missing; it may end, for polls can come faster than it. */
  async loadSeries() {
    if (this.extendSeries()) return;
    if (!this.live.series.count) return;
    const key = `${this.watch} ${this.live.trade_date}`;
    if (key === this.loadingSeries) return;
    this.loadingSeries = key;
    clearTimeout(this.seriesRetry);
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const parameters = { universe: this.universe, date: this.live.trade_date, days: 2 };
      const series = await this.get("api/v1/series", parameters, this.loading.signal);
      if (key !== this.loadingSeries) return;
      this.series = { ...series, days: series.days.map((day) => ({ ...day, polls: new Polls(day.polls) })) };
      if (this.extendSeries()) this.loadingSeries = null;
      else this.loadSeriesIn(STALE_MS);
      this.changed("series");
      if (!this.dates.includes(series.days.at(-1)?.trade_date)) this.loadUniverses(); // a new day, or the first one
      this.resumeReplay();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.loadSeriesIn(RETRY_MS);
      this.failed(error);
    }
  }

  loadSeriesIn(pauseMs) {
    this.seriesRetry = setTimeout(() => {
      this.loadingSeries = null;
      if (this.live) this.loadSeries();
    }, pauseMs);
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
      setContext(data);
      this.loadSeries();
    } else if (!this.live) {
      return;
    } else if (event === "change") {
      applyChange(this.live, data);
      const { trade_date, series, points, reasons } = data;
      this.points.push({ trade_date, series, points, reasons });
      this.loadSeries();
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
    if (fromHistory && this.route.at !== (this.replay?.at ?? null)) {
      this.closeReplay();
      this.resumeReplay();
    }
    this.changed("route");
  }

  /** Whether the day has a poll to replay: one that counted. */
  get replayable() {
    return Boolean(this.series?.days.at(-1).polls.advances.some((count) => !Number.isNaN(count)));
  }

  /** Replays the day of the chart from `at` on. It is followed under its date, and so stays when the next one begins. */
  startReplay(at = null) {
    if (!this.replayable) return;
    const day = this.series.days.at(-1);
    const { date } = this.route;
    this.route = { ...this.route, date: day.trade_date };
    if (this.loadedWatch !== this.watch) this.loadDay();
    this.replay = new Replay(this, day, at, date);
    this.changed("replay");
  }

  /** Begins the replay that the address names, once its day is here. */
  resumeReplay() {
    if (this.route.at && !this.replay) this.startReplay(this.route.at);
  }

  closeReplay() {
    if (!this.replay) return;
    this.replay.close();
    this.replay = null;
    this.changed("replay");
    this.changed("day");
  }

  /** Ends the replay, and goes back to what was followed before it. */
  leaveReplay() {
    if (!this.replay) return;
    const { dateBefore: date } = this.replay;
    this.closeReplay();
    this.route = { ...this.route, date, at: null };
    writeAddress(this.route, true);
    if (this.loadedWatch !== this.watch) this.loadDay();
    this.changed("route");
  }
}
