// What each number says, in one line: pure functions of a snapshot's values, thresholds from the literature on breadth.

import { number, percent } from "./format.js";

/** Arms Index: average volume of a decliner over that of an advancer. */
export function trin(value) {
  if (value === null || value === undefined) return "needs advances and declines with volume";
  if (value < 0.5) return "buying extreme: volume crowds into advancers";
  if (value < 0.95) return "buyers’ volume leads";
  if (value <= 1.05) return "volume is evenly spread";
  if (value <= 2) return "sellers’ volume leads";
  return value > 3 ? "panic selling: volume crowds into decliners" : "selling extreme: volume crowds into decliners";
}

/** Share of up volume in up plus down volume, percent. */
export function upVolume(value) {
  if (value === null || value === undefined) return "no volume on either side yet";
  if (value >= 90) return "90 % up-volume: a buying rush";
  if (value >= 60) return "most volume is in advancers";
  if (value > 40) return "volume is split";
  if (value > 10) return "most volume is in decliners";
  return "90 % down-volume: a selling rush";
}

/** 100·(A − D)/T. */
export function adPercent(value) {
  if (value === null || value === undefined) return "nothing has traded yet";
  if (value >= 70) return "very broad advance";
  if (value >= 35) return "broad advance";
  if (value >= 10) return "more stocks rise than fall";
  if (value > -10) return "rising and falling stocks balance";
  if (value > -35) return "more stocks fall than rise";
  return value > -70 ? "broad decline" : "very broad decline";
}

/** Who leads and by how much; the direction's name is the label's, whose bands count unchanged stocks, too. */
export function ratio(value) {
  if (value === null || value === undefined) return "no declines to divide by";
  if (value > 0.95 && value < 1.05) return "advances and declines are about even";
  const times = value >= 1 ? value : 1 / value;
  const lead = !Number.isFinite(times) ? "only declines" : `${value >= 1 ? "advances" : "declines"} lead ${number(times, 1)} to 1`;
  if (times >= 9) return `${lead}: extreme`;
  return times >= 3 ? `${lead}: strongly one-sided` : lead;
}

export function volumeRatio(value) {
  if (value === null || value === undefined) return "no down volume to divide by";
  if (value >= 9) return "nine-to-one up day";
  if (value >= 2) return "up volume dominates";
  if (value > 0.5) return "mixed";
  return value > 1 / 9 ? "down volume dominates" : "nine-to-one down day";
}

/** Ratio-adjusted net advances, 1000·(A − D)/(A + D). */
export function rana(value) {
  if (value === null || value === undefined) return "needs an advance or a decline";
  if (Math.abs(value) < 100) return "balanced";
  if (Math.abs(value) < 350) return value > 0 ? "leaning up" : "leaning down";
  return value > 0 ? "firmly up" : "firmly down";
}

export function netVolume(value) {
  if (value === null || value === undefined) return "no volume yet";
  if (value === 0) return "up and down volume are equal";
  return value > 0 ? "more shares traded in advancers" : "more shares traded in decliners";
}

/** `traded` of `size` issues; whether the market is partly missing. */
export function coverage(traded, size) {
  if (!size) return "the universe is empty";
  const share = traded / size;
  if (share >= 0.995) return "all are counted";
  if (share >= 0.95) return "nearly all are counted";
  return share >= 0.8 ? "some stocks are missing" : "partial: read with care";
}

/** `last`: the index's price; null where this poll has none. */
export function index(change, last) {
  if (last === null || last === undefined) return "no quote at this poll";
  if (change === null || change === undefined) return "no previous close to compare with";
  if (Math.abs(change) < 0.005) return "unchanged";
  return `${change > 0 ? "up" : "down"} ${percent(Math.abs(change), 2)}`;
}
