// Replay of a stored day: a position among its polls, the snapshot there, and a clock that moves it.

import { clock } from "../format.js";
import { writeAddress } from "../address.js";

const KEPT = 240;
export const SPEEDS = [1, 2, 5, 10];

const seconds = (text) => {
  const [h, m, s = 0] = text.split(":").map(Number);
  return h * 3600 + m * 60 + s;
};

export const timeOfDay = (t) => {
  const pad = (value) => String(Math.floor(value)).padStart(2, "0");
  const text = `${pad(t / 3600)}:${pad((t / 60) % 60)}`;
  return t % 60 ? `${text}:${pad(t % 60)}` : text;
};

export class Replay {
  /** `day`: of the series; `at`: `10:10` where to begin, else the first poll; `dateBefore`: the address's, to go back to. */
  constructor(app, day, at, dateBefore) {
    this.app = app;
    this.dateBefore = dateBefore;
    this.date = day.trade_date;
    this.times = Array.from(day.polls.t).filter((_, i) => !Number.isNaN(day.polls.advances[i]));
    this.kept = new Map();
    this.speed = SPEEDS[1];
    this.playing = false;
    this.snapshot = null;
    const start = at ? this.times.findLastIndex((t) => t <= seconds(at)) : 0;
    this.position = Math.max(0, start);
    this.seek(this.position);
  }

  get t() {
    return this.times[this.position];
  }

  /** This position as the address has it. */
  get at() {
    return timeOfDay(this.t);
  }

  /** Goes to a poll; the snapshot follows when it is here. A newer wish overtakes an older one. */
  async seek(position) {
    this.position = Math.min(this.times.length - 1, Math.max(0, position));
    const { t } = this;
    this.app.changed("replay");
    try {
      const snapshot = await this.load(t);
      if (this.closed || this.t !== t) return;
      this.snapshot = snapshot;
      this.app.route = { ...this.app.route, at: this.at };
      if (!this.playing) writeAddress(this.app.route, true);
      this.app.changed("day");
      this.app.changed("replay");
    } catch (error) {
      this.pause();
      if (!this.closed) this.app.failed(error);
    }
  }

  load(t) {
    if (!this.kept.has(t)) {
      if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
      const wanted = this.fetch(t);
      wanted.catch(() => this.kept.delete(t));
      this.kept.set(t, wanted);
    }
    return this.kept.get(t);
  }

  async fetch(t) {
    const { app } = this;
    const parameters = { universe: app.universe, date: this.date, t };
    const lean = await app.get("api/v1/snapshot", { ...parameters, static: 0 });
    const { live } = app;
    if (lean.members !== live?.members || (lean.stocks && !live.stocks)) return app.get("api/v1/snapshot", parameters);
    const { symbol, name, sector } = live.stocks ?? {};
    return { ...lean, sector_names: live.sector_names, stocks: lean.stocks && { symbol, name, sector, ...lean.stocks } };
  }

  play() {
    if (this.position >= this.times.length - 1) this.position = 0;
    this.playing = true;
    this.step();
    this.app.changed("replay");
  }

  /** One step of playing: the next poll, at the chosen pace, never ahead of what has arrived. */
  async step() {
    clearTimeout(this.timer);
    if (!this.playing || this.closed) return;
    const began = performance.now();
    await this.seek(this.position);
    if (!this.playing || this.closed) return;
    if (this.position >= this.times.length - 1) return this.pause();
    const next = this.position + 1;
    this.load(this.times[next]).catch(() => {});
    this.timer = setTimeout(() => {
      this.position = next;
      this.step();
    }, Math.max(0, 1000 / this.speed - (performance.now() - began)));
  }

  pause() {
    clearTimeout(this.timer);
    this.playing = false;
    if (!this.closed) writeAddress(this.app.route, true);
    this.app.changed("replay");
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** What a screen reader says at this position. */
  spoken() {
    return `${clock(`${this.date} ${this.at.padEnd(8, ":00")}`)}, poll ${this.position + 1} of ${this.times.length}`;
  }
}
