// The one connection to the server that all tabs of a browser share: lives in the SharedWorker, or in the page where
// there is none. Holds the merged state of each watched day, so that a tab that joins is served at once.

import { getJson } from "./api.js";
import { applyChange, applyState, continues } from "./merge.js";

const WATCHES_PER_STREAM = 8;
const SILENCE_MS = 25_000;
const RETRY_FIRST_MS = 400;
const RETRY_MOST_MS = 8_000;
const TAB_SILENT_MS = 200_000; // browsers wake a hidden tab once a minute
const EVENTS = ["hello", "snapshot", "change", "state", "operations", "heartbeat", "bye"];

export class Hub {
  /** `base`: address of the page's folder; `EventSource` as the browser's. */
  constructor(base) {
    this.base = base;
    this.tabs = new Map();
    this.held = new Map();
    this.operations = null;
    this.streams = [];
    this.link = { state: "connecting", since: Date.now(), viewers: null };
    this.retryMs = RETRY_FIRST_MS;
  }

  /**
   * A tab joins, changes what it follows, or says again that it is there. `send`: function that delivers a message to it.
   * Tabs that have been silent for long are taken for closed; one that only slept (a suspended machine) says so again.
   */
  follow(tab, send, watch, ops) {
    const before = this.tabs.get(tab);
    this.tabs.set(tab, { send, watch, ops, seen: Date.now() });
    send({ event: "link", data: this.link });
    if (watch && before?.watch !== watch && this.held.has(watch)) send({ event: "snapshot", data: this.held.get(watch) });
    if (ops && !before?.ops && this.operations) send({ event: "operations", data: this.operations });
    for (const [key, { seen }] of this.tabs) if (Date.now() - seen > TAB_SILENT_MS) this.tabs.delete(key);
    this.arrange();
  }

  leave(tab) {
    if (this.tabs.delete(tab)) this.arrange();
  }

  /** Opens streams for what the tabs follow now, unless the present ones are for exactly that. */
  arrange() {
    clearTimeout(this.arranging);
    this.arranging = setTimeout(() => {
      const all = [...this.tabs.values()];
      const watches = [...new Set(all.map((tab) => tab.watch).filter(Boolean))].sort();
      const ops = all.some((tab) => tab.ops);
      const wanted = JSON.stringify([watches, ops]);
      if (wanted === this.wanted) return;
      this.wanted = wanted;
      for (const watch of this.held.keys()) if (!watches.includes(watch)) this.held.delete(watch);
      if (!ops) this.operations = null;
      this.open(watches, ops);
    }, 10);
  }

  open(watches, ops) {
    this.close();
    if (!watches.length && ops) this.streams.push(this.stream([], true));
    for (let first = 0; first < watches.length; first += WATCHES_PER_STREAM) {
      this.streams.push(this.stream(watches.slice(first, first + WATCHES_PER_STREAM), ops && first === 0));
    }
  }

  stream(watches, ops) {
    const url = new URL("api/v1/stream", this.base);
    for (const watch of watches) url.searchParams.append("watch", watch);
    if (ops) url.searchParams.set("ops", "1");
    const source = new EventSource(url);
    const stream = { source, silence: null };
    const heard = () => {
      clearTimeout(stream.silence);
      stream.silence = setTimeout(() => this.lost(), SILENCE_MS);
    };
    heard();
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        heard();
        this.receive(name, JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => this.lost());
    return stream;
  }

  close() {
    for (const { source, silence } of this.streams) {
      clearTimeout(silence);
      source.close();
    }
    this.streams = [];
    clearTimeout(this.retry);
  }

  /** The connection broke or fell silent: says so, and tries again with growing, jittered pauses. */
  lost() {
    this.close();
    this.tell(this.link.everOpen ? "reconnecting" : "connecting");
    const pause = this.retryMs * (0.7 + 0.6 * Math.random());
    this.retryMs = Math.min(RETRY_MOST_MS, this.retryMs * 2);
    this.retry = setTimeout(() => {
      const [watches, ops] = JSON.parse(this.wanted ?? "[[],false]");
      this.open(watches, ops);
    }, pause);
  }

  /** Network is back, or the viewer asks: tries at once. */
  hurry() {
    if (this.link.state === "open" || !this.wanted) return;
    this.retryMs = RETRY_FIRST_MS;
    this.open(...JSON.parse(this.wanted));
  }

  tell(state, extra = {}) {
    const since = state === this.link.state ? this.link.since : Date.now();
    this.link = { ...this.link, ...extra, state, since, everOpen: this.link.everOpen || state === "open" };
    this.broadcast({ event: "link", data: this.link }, () => true);
  }

  broadcast(message, wants) {
    for (const tab of this.tabs.values()) if (wants(tab)) tab.send(message);
  }

  receive(name, data) {
    if (name === "hello" || name === "heartbeat") {
      this.retryMs = RETRY_FIRST_MS;
      this.tell("open", { offsetMs: Date.parse(data.server_time_utc) - Date.now(), viewers: data.viewers ?? this.link.viewers });
    } else if (name === "operations") {
      this.operations = data;
      this.broadcast({ event: name, data }, (tab) => tab.ops);
    } else if (name === "bye") {
      this.lost();
    } else {
      this.receiveDay(name, data);
    }
  }

  receiveDay(name, data) {
    const { watch } = data;
    const held = this.held.get(watch);
    if (name === "snapshot") this.held.set(watch, data);
    else if (!continues(held, data)) return void this.resync(watch);
    else if (name === "change") applyChange(held, data);
    else applyState(held, data);
    this.broadcast({ event: name, data }, (tab) => tab.watch === watch);
  }

  /** Something was missed: asks for the whole, as the API says. */
  async resync(watch) {
    if (this.resyncing === watch) return;
    this.resyncing = watch;
    const [universe, date] = watch.split("@");
    try {
      const data = { ...(await getJson(this.base, "api/v1/snapshot", { universe, date })), watch };
      this.held.set(watch, data);
      this.broadcast({ event: "snapshot", data }, (tab) => tab.watch === watch);
    } catch {
      this.lost();
    } finally {
      this.resyncing = null;
    }
  }
}
