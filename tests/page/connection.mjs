// The browser around `net/`: its clock, its EventSource, a SharedWorker with tabs, and the stream that the test speaks.

import { mock } from "node:test";

import { openLink } from "../../pipeline/dashboard/page/src/net/link.js";

export const NOON = Date.UTC(2026, 10, 26, 6, 30);
mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: NOON });

/** Time passes, step by step: a timer that another one sets has its own instant. */
export function tick(seconds) {
  for (let step = 0; step < 10 * seconds; step++) mock.timers.tick(100);
}

/** The machine was suspended: timers that fell due meanwhile come with the next tick. */
export const sleep = (seconds) => mock.timers.setTime(Date.now() + 1000 * seconds);
/** Lets promises that are settled go on. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The open streams, newest last. */
export const streams = [];

globalThis.EventSource = class {
  constructor(url) {
    this.url = url;
    this.listeners = {};
    streams.push(this);
  }

  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }

  say(name, data = {}) {
    this.listeners[name]({ data: JSON.stringify(data) });
  }

  close() {
    streams.splice(streams.indexOf(this), 1);
  }
};

/** What the server sends first. */
export function greet(watch = "u", seq = 7) {
  const stream = streams.at(-1);
  const server_time_utc = new Date().toISOString();
  stream.say("hello", { server_time_utc });
  stream.say("snapshot", { watch, seq, state: { name: "live" }, series: { count: 1, rev: 0 }, stocks: { ltp: [10, 20] } });
  return stream;
}

globalThis.self = globalThis;
globalThis.location = { href: "http://127.0.0.1:8321/static/worker.js" };
const listeners = {};
globalThis.addEventListener = (name, listener) => (listeners[name] = listener);

/** Two ends of a channel; what is said at one is heard at the other at once. */
function channel() {
  const end = () => ({
    start() {},
    addEventListener(_, listener) {
      this.hear = listener;
    },
    postMessage(data) {
      this.other.hear?.({ data: structuredClone(data) });
    },
  });
  const [one, other] = [end(), end()];
  [one.other, other.other] = [other, one];
  return [one, other];
}

globalThis.SharedWorker = class {
  constructor() {
    const [port, inside] = channel();
    this.port = port;
    listeners.connect({ ports: [inside] });
  }
};

await import("../../pipeline/dashboard/page/src/net/worker.js");

/** A tab that follows `watch`: `heard` are its messages but for the link's, newest last. */
export function tab(watch = "u") {
  const heard = [];
  const link = openLink("http://127.0.0.1:8321/", "worker.js", (message) => message.event !== "link" && heard.push(message));
  link.follow(watch, false);
  return { heard };
}
