// Numbers and times as text. A null is an en dash, a negative number has a true minus sign.
// Times that come from the tables ("2026-11-26 09:20:00") are the exchange's wall clock and are shown as they are.

import { preferences } from "./prefs.js";

export const NOTHING = "–";
const MINUS = "−";
const formatters = new Map();
let session = { timezone: "Asia/Kolkata", currency: "INR", price_decimals: 2 };
let year = String(new Date().getFullYear());

/** The session decides the number format where the viewer did not, the server's clock which dates need no year. */
export function setContext({ session: shown, state }) {
  if (shown?.timezone) session = shown;
  year = state.server_time_utc.slice(0, 4);
}

export function isIndian() {
  const { numbers } = preferences();
  return numbers === "indian" || (numbers === "auto" && session.timezone === "Asia/Kolkata");
}

function formatter(options) {
  const locale = isIndian() ? "en-IN" : "en-US";
  const key = locale + JSON.stringify(options);
  let found = formatters.get(key);
  if (!found) formatters.set(key, (found = new Intl.NumberFormat(locale, options)));
  return found;
}

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** A number with exactly `decimals` decimals, grouped. */
export function number(value, decimals = 0) {
  if (missing(value)) return NOTHING;
  const text = formatter({ minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** As `number`, with a plus sign before what is above zero. */
export function signed(value, decimals = 0) {
  if (missing(value)) return NOTHING;
  const text = number(value, decimals);
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

export function percent(value, decimals = 1) {
  return missing(value) ? NOTHING : `${number(value, decimals)}%`;
}

export function signedPercent(value, decimals = 2) {
  return missing(value) ? NOTHING : `${signed(value, decimals)}%`;
}

/** A price with the session's decimals, or four below one dollar (US issues trade in 0.0001 there). */
export function price(value) {
  const small = session.currency === "USD" && value !== 0 && Math.abs(value) < 1;
  return number(value, small ? 4 : session.price_decimals);
}

const INDIAN_STEPS = [[1e7, "Cr"], [1e5, "L"], [1e3, "K"]];
const OTHER_STEPS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];

/** A large count in short: 13.6L or 1.36M. */
export function short(value) {
  if (missing(value)) return NOTHING;
  for (const [size, unit] of isIndian() ? INDIAN_STEPS : OTHER_STEPS) {
    if (Math.abs(value) >= size) {
      const scaled = value / size;
      return number(scaled, Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2) + unit;
    }
  }
  return number(value, 0);
}

export function signedShort(value) {
  if (missing(value)) return NOTHING;
  return value > 0 ? `+${short(value)}` : short(value);
}

export function bytes(value) {
  if (missing(value)) return NOTHING;
  for (const [size, unit] of [[2 ** 30, "GB"], [2 ** 20, "MB"], [2 ** 10, "KB"]]) {
    if (value >= size) return `${number(value / size, 1)} ${unit}`;
  }
  return `${number(value)} B`;
}

/** A span of time in words: `0.4 s`, `12 s`, `3 min`, `2 h 5 min`. */
export function span(seconds) {
  if (missing(seconds)) return NOTHING;
  if (seconds < 1) return "<1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} days`;
}

export function milliseconds(value) {
  if (missing(value)) return NOTHING;
  return value < 1000 ? `${number(value)} ms` : `${number(value / 1000, value < 10_000 ? 2 : 1)} s`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `2026-11-26…` as `26 Nov`, with the year on request and where it is not the present one. */
export function day(text, withYear = false) {
  if (!text) return NOTHING;
  const [of, month, date] = text.slice(0, 10).split("-");
  return `${Number(date)} ${MONTHS[month - 1]}${withYear || of !== year ? ` ${of}` : ""}`;
}

/** `2026-11-26 09:20:00` (blank or T) as `09:20`, with seconds only where they say something. */
export function clock(text) {
  if (!text) return NOTHING;
  const time = text.slice(11, 19);
  return time.endsWith(":00") ? time.slice(0, 5) : time;
}

/** Wall clock of an epoch time in a named zone, `16:28:14`. */
export function clockOf(epochSeconds, zone, withSeconds = true) {
  const key = `clock ${zone} ${withSeconds}`;
  let found = formatters.get(key);
  if (!found) {
    const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
    if (withSeconds) options.second = "2-digit";
    formatters.set(key, (found = new Intl.DateTimeFormat("en-GB", options)));
  }
  return found.format(epochSeconds * 1000);
}

const ZONE_NAMES = { "Asia/Kolkata": "IST", "America/New_York": "ET" };

/** The short name people use for an exchange's time. */
export const zoneName = (zone) => ZONE_NAMES[zone] ?? zone ?? "";

/** -1, 0 or 1: of what is left of a value at the decimals that are shown. */
const sign = (value, decimals) => (missing(value) ? 0 : Math.sign(value.toFixed(decimals)));
export const arrow = (value, decimals = 2) => ["▼", "■", "▲"][sign(value, decimals) + 1];
export const direction = (value, decimals = 2) => ["down", "flat", "up"][sign(value, decimals) + 1];
