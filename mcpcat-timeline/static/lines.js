// What stands in the list of a session: events in order, runs of like ones folded into one line, pauses before a line.

/** Fewer than this many like rows are shown one by one. */
const RUN = 4;
/** Pauses longer than this are marked, microseconds. */
const QUIET = 30_000_000;

/**
 * The lines of a view.
 * @param {import('./outline.js').Outline} outline
 * @param {{noise: boolean, errors: boolean, custom: boolean, flat: boolean, found: Set<number> | null, from: number, to: number, open: Set<string>, event: string | null}} view
 * @returns {{at: number, key: string, depth: number, pause: number, run: number[] | null}[]}
 */
export function linesOf(outline, view) {
  const order = view.flat ? outline.order : outline.walk();
  const shown = order.filter((at) => outline.id[at] === view.event || passes(outline, view, at));
  const lines = [];
  for (let n = 0; n < shown.length; n += 1) {
    const at = shown[n];
    const run = view.flat || view.found ? 1 : runFrom(outline, shown, n);
    const held = run >= RUN ? shown.slice(n, n + run) : null;
    const depth = view.flat ? 0 : outline.depth[at];
    const key = `run:${outline.id[at]}`;
    if (held && !view.open.has(key) && !held.some((one) => outline.id[one] === view.event)) {
      lines.push({ at, key, depth, pause: 0, run: held });
    } else if (held) {
      lines.push({ at, key, depth, pause: 0, run: null, open: true, length: held.length });
      for (const one of held) lines.push({ at: one, key: outline.id[one], depth: depth + 1, pause: 0, run: null });
    } else {
      lines.push({ at, key: outline.id[at], depth, pause: 0, run: null });
    }
    if (held) n += held.length - 1;
  }
  markPauses(outline, lines);
  return lines;
}

function passes(outline, view, at) {
  const failed = outline.error[at] === 1;
  if (!view.noise && outline.kind[at] === 'list' && !failed) return false;
  if (view.errors && !failed) return false;
  if (view.custom && outline.kind[at] !== 'custom') return false;
  if (view.found && !view.found.has(outline.seq[at])) return false;
  return outline.at[at] <= view.to && outline.end(at) >= view.from;
}

/** How many rows from here on are like the first: the same thing, on the same level, without anything inside, gone well. */
function runFrom(outline, shown, from) {
  const first = shown[from];
  const plain = (at) => !outline.children[at] && !outline.error[at] && outline.doubt[at] === 0 && !outline.missingBefore.has(at);
  if (!plain(first)) return 1;
  let to = from + 1;
  while (to < shown.length) {
    const at = shown[to];
    const like = outline.label[at] === outline.label[first] && outline.kind[at] === outline.kind[first] && outline.above[at] === outline.above[first];
    if (!like || !plain(at) || outline.at[at] - outline.end(shown[to - 1]) > QUIET) break;
    to += 1;
  }
  return to - from;
}

function markPauses(outline, lines) {
  let quiet = null;
  for (const line of lines) {
    if (line.depth === 0 && quiet !== null && outline.at[line.at] - quiet > QUIET) line.pause = outline.at[line.at] - quiet;
    for (const at of line.run ?? [line.at]) quiet = Math.max(quiet ?? -Infinity, outline.end(at));
  }
}
