// The connection that the tabs share, when something is missed or nothing comes.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Hub } from "../../pipeline/dashboard/page/src/net/hub.js";
import { greet, settle, streams, tick } from "./connection.mjs";

let hub, heard, stream;

beforeEach(() => {
  hub?.close();
  hub = new Hub("http://127.0.0.1:8321/");
  heard = [];
  hub.follow("tab", ({ event, data }) => heard.push([event, data.seq ?? data.state]), "u", false);
  tick(1);
  stream = greet();
  heard.length = 0;
});

const change = (base) => ({ watch: "u", base, seq: base + 1, state: {}, stocks: { i: [0], ltp: [11] } });

test("a change that continues what is held goes on to the tab", () => {
  stream.say("change", change(7));
  stream.say("state", { watch: "u", base: 8, seq: 9, state: { name: "stale" } });
  assert.deepEqual(heard, [["change", 8], ["state", 9]]);
  assert.deepEqual(hub.held.get("u").stocks.ltp, [11, 20]);
});

test("a change that does not is dropped, and the whole is fetched once", async () => {
  const asked = [];
  globalThis.fetch = async (url) => {
    asked.push(`${url.pathname}${url.search}`);
    return { ok: true, json: async () => ({ seq: 12, state: {}, stocks: { ltp: [12, 22] } }) };
  };
  stream.say("change", change(9));
  stream.say("state", { watch: "u", base: 10, seq: 11, state: {} });
  await settle();
  assert.deepEqual(asked, ["/api/v1/snapshot?universe=u"]);
  assert.deepEqual(heard, [["snapshot", 12]]);
  assert.deepEqual(hub.held.get("u").stocks.ltp, [12, 22]);
  stream.say("change", change(12));
  assert.deepEqual(heard.at(-1), ["change", 13]);
});

test("when the whole cannot be had the connection begins again", async () => {
  globalThis.fetch = async () => ({ ok: false, status: 503, json: async () => ({ error: { code: "busy", message: "" } }) });
  stream.say("change", change(9));
  await settle();
  assert.deepEqual(heard.at(-1), ["link", "reconnecting"]);
  tick(1);
  assert.equal(streams.length, 1);
  assert.notEqual(streams[0], stream);
});

test("silence of 25 s is a lost connection, a heartbeat is none", () => {
  const server_time_utc = new Date().toISOString();
  tick(24);
  stream.say("heartbeat", { server_time_utc });
  tick(24);
  assert.deepEqual(streams, [stream]);
  tick(2);
  assert.deepEqual(heard.at(-1), ["link", "reconnecting"]);
  assert.notEqual(streams[0], stream);
  greet();
  assert.deepEqual(heard.at(-1), ["snapshot", 7]);
});

test("a tab that was silent for 200 s is taken for closed, and with it what it alone followed", () => {
  hub.follow("other", () => {}, "v", false);
  tick(1);
  assert.match(streams[0].url.search, /watch=u&watch=v/);
  tick(100);
  hub.follow("tab", () => {}, "u", false);
  tick(110);
  hub.follow("tab", () => {}, "u", false);
  tick(1);
  assert.deepEqual([...hub.tabs.keys()], ["tab"]);
  assert.doesNotMatch(streams[0].url.search, /watch=v/);
});
