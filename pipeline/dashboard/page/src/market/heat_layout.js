// Where each stock's tile lies: a squarified treemap, sector by sector. Pure but for d3's own arithmetic.

import { hierarchy, treemap, treemapSquarify } from "d3-hierarchy";

const HEAD = 17;
const LEAST_SHARE = 0.0004; // of the whole, so that a stock without trades still has a tile

/**
 * `{groups: [{sector, x, y, width, height}], tiles: [{i, x, y, width, height}]}` for a stage of the given size.
 * `weights`: one number a stock; `sectors`: position of its sector; `names`: the sectors' names.
 */
export function layOut(width, height, weights, sectors, names) {
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  const children = names.map((name, sector) => ({ name, sector, children: [] }));
  weights.forEach((weight, i) => children[sectors[i]].children.push({ i, weight: Math.max(weight, total * LEAST_SHARE) }));
  const root = hierarchy({ children: children.filter((group) => group.children.length) })
    .sum((node) => node.weight ?? 0)
    .sort((a, b) => b.value - a.value);
  treemap()
    .tile(treemapSquarify.ratio(1.25))
    .size([width, height])
    .paddingTop((node) => (node.depth === 1 ? HEAD : 0))
    .paddingInner((node) => (node.depth === 0 ? 4 : 1))
    .round(true)(root);
  const box = (node) => ({ x: node.x0, y: node.y0, width: Math.max(0, node.x1 - node.x0), height: Math.max(0, node.y1 - node.y0) });
  const groups = (root.children ?? []).map((node) => ({ sector: node.data.sector, ...box(node) }));
  const tiles = root.leaves().filter((leaf) => leaf.data.i !== undefined).map((leaf) => ({ i: leaf.data.i, ...box(leaf) }));
  return { groups, tiles };
}

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
