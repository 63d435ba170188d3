// What the viewer has to know about the data, in words: one pure function from the held state to pill, banner and dimming.

import { clock, day, span, zoneName } from "./format.js";

/** The first snapshot is asked for beside the stream and may be here before it: no reason to speak of a lost connection. */
const FIRST_CONNECTION_MS = 4_000;

/** `2026-11-27T09:15:00+05:30` as `27 Nov, 09:15`, the exchange's own clock. */
export const instant = (text) => `${day(text)}, ${clock(text)}`;

const pill = (text, tone, pulse = false) => ({ text, tone, pulse });
const banner = (tone, text) => ({ tone, text });

/** `about`: {link, problem, snapshot, replayAt, now} with `now` in server milliseconds. Returns {pill, banner, dim, empty}. */
export function describe(about) {
  const { link, problem, snapshot } = about;
  if (!snapshot) return withoutData(link, problem);
  const state = snapshot.state;
  const zone = zoneName(snapshot.session?.timezone);
  const found = about.replayAt ? replayed(about.replayAt, zone) : ofServer(state, snapshot, about.now, zone);
  const since = Date.now() - link.since;
  if (link.state === "open" || (link.state === "connecting" && since < FIRST_CONNECTION_MS)) return found;
  const lost = span(since / 1000);
  const numbers = snapshot.market ? ` The numbers are those of ${clock(snapshot.market.poll_time)} ${zone}.` : "";
  return {
    ...found,
    pill: pill("Reconnecting", "warn", true),
    banner: banner("warn", `No connection to the dashboard for ${lost}; trying again.${numbers}`),
    dim: true,
  };
}

function withoutData(link, problem) {
  if (problem?.code === "database_unreachable") {
    return {
      pill: pill("Database unreachable", "bad"),
      banner: banner("bad", `The database cannot be read: ${problem.message}. Trying again.`),
      dim: false,
      empty: { title: "The database cannot be read", text: "The page fills by itself as soon as it answers." },
    };
  }
  if (problem?.code === "no_data") {
    return { pill: pill("No data yet", "info"), banner: null, dim: false, empty: { title: problem.message, text: "The page fills by itself as soon as a pipeline writes to it." } };
  }
  if (problem && problem.code !== "unreachable") {
    return { pill: pill("Nothing to show", "warn"), banner: banner("warn", problem.message), dim: false, empty: { title: problem.message, text: "Choose another universe or date above." } };
  }
  if (problem || link.state === "reconnecting") {
    return { pill: pill("Reconnecting", "warn", true), banner: banner("warn", "The dashboard does not answer; trying again."), dim: false, empty: { title: "Waiting for the dashboard", text: "Trying again by itself." } };
  }
  return { pill: pill("Connecting", "info", true), banner: null, dim: false, empty: { title: "Connecting…", text: "" } };
}

const replayed = (at, zone) => ({ pill: pill(`Replay ${clock(at)} ${zone}`, "info"), banner: null, dim: false, empty: null });

/** Seconds since the numbers were fetched; null when that is not known. */
export function age(snapshot, now) {
  const fetched = snapshot?.state?.fetched_utc ?? snapshot?.market?.fetched_utc;
  return fetched ? Math.max(0, (now - Date.parse(fetched)) / 1000) : null;
}

const STATES = {
  no_data: (state) => ({
    pill: pill("No data yet", "info"),
    banner: state.message ? banner("info", state.message) : null,
    empty: { title: "No data yet", text: noDataText(state) },
  }),
  database_unreachable: (state, about) => ({
    pill: pill("Database unreachable", "bad"),
    banner: banner("bad", `The database does not answer${state.message ? `: ${state.message}` : ""}.${about.time ? ` Shown is what was read before, of ${about.time}.` : ""}`),
    dim: true,
  }),
  pipeline_down: (state, about) => ({
    pill: pill("Pipeline down", "bad"),
    banner: banner("bad", `The pipeline is not running while the market is open. ${about.numbers}`),
    dim: true,
  }),
  stale: (state, about) => ({
    pill: pill("Stale", "warn"),
    banner: banner("warn", `No new numbers for ${about.age}: those shown are of ${about.time}.${reason(state)}`),
    dim: true,
  }),
  fruitless: (state, about) => ({ pill: pill(BROUGHT_NOTHING[state.last_poll?.outcome] ?? "No data yet", "warn"), banner: banner("warn", about.numbers) }),
  partial: (state, about) => ({ pill: pill(BROUGHT_NOTHING[state.last_poll?.outcome] ?? "Partial", "warn"), banner: banner("warn", partialText(state, about)) }),
  delayed: (state) => ({ pill: pill(`Delayed ${span(state.delay_s)}`, "info"), banner: null }),
  closed: (state, about) => ({ pill: pill(about.snapshot.session.recorded ? "Recorded" : "Closed", "plain"), banner: banner("info", closedText(state, about)) }),
  live: (state, about) => ({ pill: about.snapshot.session.recorded ? pill("Recorded, playing", "info") : pill("Live", "ok"), banner: null }),
};

function noDataText(state) {
  if (!state.timezone) return "Nothing is stored under this universe’s name. Choose another one above, or start “breadth-pipeline run” for it.";
  if (state.market === "open") return "The first numbers come with the next poll.";
  if (state.next_open) return `The first numbers come with the next open: ${instant(state.next_open)} ${zoneName(state.timezone)}.`;
  return "Nothing is stored for this day. The page fills by itself when a poll comes.";
}

const reason = (state) => (state.last_poll?.reason ? ` Last poll: ${state.last_poll.reason}.` : "");

const BROUGHT_NOTHING = { failed: "Poll failed", skipped: "Poll skipped" };

/** The states that tell of the numbers; where no poll of the day brought any, they are `fruitless`. */
const OF_NUMBERS = ["stale", "partial", "delayed", "live"];

/** A poll that brought nothing leaves the numbers of the one before; one that lacks stocks has numbers of its own. */
function partialText(state, about) {
  const { outcome, reason: why } = state.last_poll ?? {};
  if (outcome in BROUGHT_NOTHING) return `The last poll ${outcome === "failed" ? "failed" : "was skipped"}${why ? `: ${why}` : ""}. ${about.numbers}`;
  return `${about.counted} Read ratios and percentages with care.${reason(state)}`;
}

function numbersText(market, seconds, zone) {
  return `The numbers are those of ${clock(market.poll_time)} ${zone}${seconds === null ? "" : `, ${span(seconds)} old`}.`;
}

function noNumbersText(state) {
  return `${state.name === "closed" ? "No poll of this day succeeded" : "No poll of today has succeeded yet"}.${reason(state)}`;
}

function closedText(state, { snapshot, zone }) {
  const { session, trade_date: date } = snapshot;
  const close = session.close ? `, closed at ${clock(session.close)} ${zone}` : "";
  if (session.recorded && session.latest) return `Recorded session of ${day(date, true)}${close}.`;
  if (!session.latest) return `Session of ${day(date, true)}${close}. The newest stored day is a later one.`;
  const next = state.next_open ? ` Next open ${instant(state.next_open)} ${zone}.` : "";
  return `The market is closed. Last session ${day(date, true)}${close}.${next}`;
}

function ofServer(state, snapshot, now, zone) {
  const { market } = snapshot;
  const seconds = age(snapshot, now);
  const about = {
    snapshot,
    zone,
    time: market ? `${clock(market.poll_time)} ${zone}` : null,
    age: span(seconds),
    numbers: market ? numbersText(market, seconds, zone) : noNumbersText(state),
    counted: market ? `Only ${market.total_stocks} of ${market.universe_size} stocks are counted.` : "",
  };
  const name = !market && OF_NUMBERS.includes(state.name) ? "fruitless" : state.name;
  const found = (STATES[name] ?? STATES.live)(state, about);
  const empty = !market && state.last_poll ? { title: "No data yet", text: about.numbers } : null;
  return { dim: false, empty, ...found };
}

/** The exchange's phase for the header, `NSE open`; of a recorded day its date, of polls at any time the exchange alone. */
export function phase({ state, session, trade_date: date }) {
  const exchange = { "Asia/Kolkata": "NSE", "America/New_York": "NYSE" }[state.timezone] ?? "Market";
  if (session?.recorded) return `${exchange}, ${day(date, true)}`;
  if (state.market === "open" && session && !session.open && state.pipeline === "running") return exchange;
  return { open: `${exchange} open`, waiting: `${exchange} opens soon`, closed: `${exchange} closed` }[state.market] ?? exchange;
}
