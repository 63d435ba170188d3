// A snapshot's stocks as rows, and how a change becomes a step of colour. Pure.

const STATUS = ["NO_QUOTE", "ADVANCE", "DECLINE", "UNCHANGED", "NOT_TRADED", "NO_REFERENCE"];
const STATUS_WORDS = ["no quote", "advancing", "declining", "unchanged", "not traded", "no previous close"];
const STEPS = [0.05, 1, 2, 3]; // percent: from here on colour step 1, 2, 3, 4

export const statusName = (status) => STATUS[status] ?? "";
export const statusWords = (status) => STATUS_WORDS[status] ?? "";

/** Change of a stock in percent; null where a price or the previous close is. Only traded stocks have one. */
export function changeOf(stocks, i) {
  const last = stocks.ltp[i];
  const before = stocks.prev_close[i];
  const status = stocks.status[i];
  if (last === null || !before || status < 1 || status > 3) return null;
  return (100 * (last - before)) / before;
}

/** −4…4: the colour step of a change. */
export function colourStep(change) {
  if (change === null) return 0;
  const size = Math.abs(change);
  const step = STEPS.filter((least) => size >= least).length;
  return change < 0 ? -step : step;
}

/** The CSS class of a tile's colour step. */
export const stepClass = (step) => (step === 0 ? "step-flat" : step > 0 ? `step-up-${step}` : `step-down-${-step}`);

/** All stocks as objects, in the snapshot's order. */
export function stockRows(snapshot) {
  const { stocks, sector_names: names } = snapshot;
  if (!stocks) return [];
  return stocks.symbol.map((symbol, i) => ({
    i,
    symbol,
    name: stocks.name[i],
    sector: names[stocks.sector[i]],
    last: stocks.ltp[i],
    before: stocks.prev_close[i],
    change: changeOf(stocks, i),
    volume: stocks.volume[i],
    status: stocks.status[i],
  }));
}

/** `RELIANCE.NS` as people say it; the exchange's suffix is the source's business. */
export const shortSymbol = (symbol) => symbol.replace(/\.(NS|BO)$/, "");
