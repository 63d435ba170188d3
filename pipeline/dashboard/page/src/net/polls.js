// The polls of a day as columns of numbers that grow: a day of a poll a second has 22,500, and plain arrays of numbers
// and nulls would be most of what a page holds. NaN stands for the API's null.

const COLUMNS = [
  "t", "outcome", "backfilled", "advances", "declines", "unchanged", "total_stocks", "adv_decl_diff", "adv_decl_ratio", "adv_pct",
  "up_volume_pct", "trin", "net_volume", "coverage", "index_ltp",
];
const ROOM = 256;

export class Polls {
  /** `columns`: of the API's series, those of `COLUMNS` at least. Each is a Float64Array of `length` here. */
  constructor(columns) {
    this.rooms = {};
    this.length = 0;
    this.append(columns);
  }

  /** Adds the polls of `columns`, the `first` and later; a column that is missing there is null in all of them. */
  append(columns, first = 0) {
    const length = this.length + Math.max(0, columns.t.length - first);
    for (const name of COLUMNS) {
      const room = roomFor(this.rooms[name], length);
      for (let i = this.length; i < length; i++) room[i] = columns[name]?.[first + i - this.length] ?? NaN;
      this.rooms[name] = room;
      this[name] = room.subarray(0, length);
    }
    this.length = length;
  }
}

/** `room`, or a larger copy of it. */
function roomFor(room, length) {
  if (room?.length >= length) return room;
  const larger = new Float64Array(length + ROOM);
  if (room) larger.set(room);
  return larger;
}
