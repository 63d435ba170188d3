// Changes of the stream applied to a held snapshot and to a held series. Both are changed in place.

const DENSE = ["ltp", "volume", "status", "traded_t"];

/** Whether `change` (or a `state` event) continues what is held. */
export const continues = (held, event) => Boolean(held) && held.seq === event.base;

/** Applies a `change` event to the snapshot it continues. */
export function applyChange(held, change) {
  held.seq = change.seq;
  held.state = change.state;
  held.series = change.series ?? held.series;
  if (change.market) held.market = change.market;
  if (change.sectors) held.sectors = change.sectors;
  if (change.stocks && held.stocks) applyStocks(held.stocks, change.stocks);
}

function applyStocks(stocks, change) {
  const { i: positions, sparse = {} } = change;
  for (const column of DENSE) {
    const values = change[column];
    if (!values) continue;
    const target = stocks[column];
    for (let k = 0; k < positions.length; k++) target[positions[k]] = values[k];
  }
  for (const [column, [where, values]] of Object.entries(sparse)) {
    for (let k = 0; k < where.length; k++) stocks[column][where[k]] = values[k];
  }
}

export function applyState(held, event) {
  held.seq = event.seq;
  held.state = event.state;
}

/** Appends those of a change's points that the day lacks; false when they do not continue it. */
export function appendPoints(day, change) {
  if (!day || day.trade_date !== change.trade_date || change.series.rev !== day.rev) return false;
  const first = change.series.count - change.points.t.length;
  const known = day.polls.length - first;
  if (known < 0) return false;
  day.polls.append(change.points, known);
  for (const [position, reason] of Object.entries(change.reasons ?? {})) day.reasons[first + Number(position)] = reason;
  return true;
}
