// What each number says, in one line: pure functions of a snapshot's values, thresholds from the literature on breadth.

import { number, percent } from "./format.js";

const missing = (value) => value === null || value === undefined;

/** Arms Index: average volume of a decliner over that of an advancer; says nothing about which side trades more in all. */
export function trin(value) {
  if (missing(value)) return "needs advances and declines with volume";
  if (value < 0.5) return "advancers trade far heavier: a buying extreme";
  if (value < 0.95) return "advancers trade heavier";
  if (value <= 1.05) return "both sides trade alike";
  if (value <= 2) return "decliners trade heavier";
  return `decliners trade far heavier: ${value > 3 ? "panic selling" : "a selling extreme"}`;
}

/** Five bands of the share of up volume, percent: 60 % up is a ratio of 1.5, 90 % one of 9. */
const volumeBand = (share) => [10, 40, 60, 90].filter((bound) => (bound > 50 ? share >= bound : share > bound)).length;
const NO_VOLUME = "no volume on either side yet";
const UP_VOLUME = ["90 % down: a selling rush", "most volume is in decliners", "volume is split", "most volume is in advancers", "90 % up: a buying rush"];
const VOLUME_RATIO = ["nine-to-one down day", "down volume leads", "mixed", "up volume leads", "nine-to-one up day"];

/** `share` of up volume in up plus down volume, percent. */
export const upVolume = (share) => (missing(share) ? NO_VOLUME : UP_VOLUME[volumeBand(share)]);

/** `quotient` of up and down volume, null without down volume; `share` as above. */
export function volumeRatio(quotient, share) {
  if (missing(share)) return NO_VOLUME;
  return missing(quotient) ? "only up volume" : VOLUME_RATIO[volumeBand(share)];
}

/** 100·(A − D)/T. */
export function adPercent(value) {
  if (missing(value)) return "nothing has traded yet";
  if (value >= 70) return "very broad advance";
  if (value >= 35) return "broad advance";
  if (value >= 10) return "more stocks rise than fall";
  if (value > -10) return "rises and falls balance";
  if (value > -35) return "more stocks fall than rise";
  return value > -70 ? "broad decline" : "very broad decline";
}

/** Who leads and by how much; the direction's name is the label's, whose bands count unchanged stocks, too. */
export function ratio({ advances, declines, total_stocks: traded }) {
  if (!traded) return "nothing has traded yet";
  if (!advances && !declines) return "all that traded are unchanged";
  const value = advances / declines;
  if (value > 0.95 && value < 1.05) return "advances and declines are about even";
  const times = Math.max(value, 1 / value);
  const leader = value > 1 ? "advances" : "declines";
  const lead = Number.isFinite(times) ? `${leader} lead ${number(times, 1)} to 1` : `only ${leader}`;
  if (times >= 9) return `${lead}: extreme`;
  return times >= 3 ? `${lead}: strongly one-sided` : lead;
}

/** Ratio-adjusted net advances, 1000·(A − D)/(A + D). */
export function rana(value) {
  if (missing(value)) return "needs an advance or a decline";
  if (Math.abs(value) < 100) return "balanced";
  if (Math.abs(value) < 350) return value > 0 ? "leaning up" : "leaning down";
  return value > 0 ? "firmly up" : "firmly down";
}

/** `traded` of `size` issues; whether the market is partly missing. */
export function coverage(traded, size) {
  if (!size) return "the universe is empty";
  if (!traded) return "nothing has traded yet";
  if (traded === size) return "all are counted";
  const share = traded / size;
  if (share >= 0.95) return "nearly all are counted";
  return share >= 0.8 ? "some stocks are missing" : "partial: read with care";
}

/** `last`: the index's price; null where this poll has none. */
export function index(change, last) {
  if (missing(last)) return "no quote at this poll";
  if (missing(change)) return "no previous close to compare with";
  if (Math.abs(change) < 0.005) return "unchanged";
  return `${change > 0 ? "up" : "down"} ${percent(Math.abs(change), 2)}`;
}
