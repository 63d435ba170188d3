// Axis arithmetic: pure functions.

/** The next 1, 2, 2.5 or 5 times a power of ten at or above `value`. */
export function niceCeil(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]) if (step * power >= value * 0.999999) return step * power;
  return 10 * power;
}

/** How many decimals tell the multiples of `interval` apart. */
const decimalsOf = (interval) => (String(Number(interval.toPrecision(3))).split(".")[1] ?? "").length;

/** `{min, max, interval, decimals}` around values that need no zero, in four nice steps; `decimals`: of the steps. */
export function rangeAround(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return { min: 0, max: 1, interval: 0.25, decimals: 2 };
  if (low === high) {
    const pad = Math.abs(low) * 0.001 || 1;
    low -= pad;
    high += pad;
  }
  let interval = niceCeil((high - low) / 4);
  let min = Math.floor(low / interval) * interval;
  while (min + 4 * interval < high) {
    interval = niceCeil(interval * 1.01);
    min = Math.floor(low / interval) * interval;
  }
  return { min, max: min + 4 * interval, interval, decimals: decimalsOf(interval) };
}

/** `{min, max, interval}` from zero to a nice number above every value; `least` keeps a flat line off the top. */
export function rangeFromZero(values, least = 1) {
  let high = least;
  for (const value of values) if (value > high) high = value;
  const interval = niceCeil(high / 4);
  return { min: 0, max: 4 * interval, interval };
}

/** `{min, max, interval}` symmetrical around zero. */
export function rangeBothSides(values, least = 4) {
  let high = least;
  for (const value of values) if (value !== null && Math.abs(value) > high) high = Math.abs(value);
  const interval = Math.ceil(niceCeil(high / 2));
  return { min: -2 * interval, max: 2 * interval, interval };
}

/** Index of the entry of ascending `sorted` nearest to `x`; -1 when empty. */
export function nearest(sorted, x) {
  let low = 0;
  let high = sorted.length - 1;
  if (high < 0) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= x) low = middle;
    else high = middle;
  }
  return Math.abs(sorted[low] - x) <= Math.abs(sorted[high] - x) ? low : high;
}

/** Round clock steps, in seconds, for axis ticks. */
const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600];

/** The smallest round step that gives at most `most` ticks over `seconds`. */
export function clockStep(seconds, most) {
  return STEPS.find((step) => seconds / step <= most) ?? STEPS.at(-1);
}
