// Where each stock's tile lies: a squarified treemap, sector by sector. Pure but for d3's own arithmetic.

import { hierarchy, treemap, treemapSquarify } from "d3-hierarchy";

const HEAD = 17;
const HEADED = { width: 30, height: 36 }; // least size of a sector with a heading
const LEAST_SIDE = 2;
const LEAST_SHARE = 0.0004; // of the whole, so that a stock without trades still has a tile

/**
 * `{groups: [{sector, headed, x, y, width}], tiles: [{i, x, y, width, height}]}` for a stage of the given size;
 * `headed`: the sector has room for its heading.
 * `weights`: one number a stock; `sectors`: position of its sector; `names`: the sectors' names.
 */
export function layOut(width, height, weights, sectors, names) {
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  const children = names.map((name, sector) => ({ name, sector, children: [] }));
  weights.forEach((weight, i) => children[sectors[i]].children.push({ i, weight: Math.max(weight, total * LEAST_SHARE) }));
  const root = hierarchy({ children: children.filter((group) => group.children.length) })
    .sum((node) => node.weight ?? 0)
    .sort((a, b) => b.value - a.value);
  const headed = new Set();
  treemap()
    .tile(treemapSquarify.ratio(1.25))
    .size([width, height])
    .paddingTop((node) => (node.depth === 1 && hasRoom(node) && headed.add(node.data.sector) ? HEAD : 0))
    .paddingInner((node) => (node.depth === 0 ? 4 : 1))
    .round(true)(root);
  const side = (from, to) => Math.max(LEAST_SIDE, to - from);
  const groups = (root.children ?? []).map((node) => ({ sector: node.data.sector, headed: headed.has(node.data.sector), x: node.x0, y: node.y0, width: node.x1 - node.x0 }));
  const tiles = root.leaves().filter((leaf) => leaf.data.i !== undefined)
    .map(({ data, x0, x1, y0, y1 }) => ({ i: data.i, x: x0, y: y0, width: side(x0, x1), height: side(y0, y1) }));
  return { groups, tiles };
}

const hasRoom = ({ x0, x1, y0, y1 }) => x1 - x0 >= HEADED.width && y1 - y0 >= HEADED.height;

/** Weights of a snapshot's stocks: traded value so far, or the same for all (also when nothing has traded). */
export function weightsOf(stocks, area) {
  const values = stocks.ltp.map((last, i) => (last ?? 0) * (stocks.volume[i] ?? 0));
  return area === "equal" || !values.some((value) => value > 0) ? values.map(() => 1) : values;
}

/** The tile to which an arrow key leads from `from`: the nearest in that direction, or null. */
export function neighbour(tiles, from, key) {
  const centre = (tile) => [tile.x + tile.width / 2, tile.y + tile.height / 2];
  const [x, y] = centre(from);
  let best = null;
  let least = Infinity;
  for (const tile of tiles) {
    if (tile === from) continue;
    const [tx, ty] = centre(tile);
    const [along, across] = { ArrowRight: [tx - x, ty - y], ArrowLeft: [x - tx, ty - y], ArrowDown: [ty - y, tx - x], ArrowUp: [y - ty, tx - x] }[key];
    if (along <= 0.5) continue;
    const distance = along + 2.5 * Math.abs(across);
    if (distance < least) [best, least] = [tile, distance];
  }
  return best;
}
