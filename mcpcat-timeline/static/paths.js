// Where the time of a session went: how many calls ran at once, when nothing did, and which ones decided its length.

/** A pause worth a mark, microseconds. */
const PAUSE = 30_000_000;

/** What was worked out for a session as it is now; it is thrown away when events come. */
const known = new WeakMap();

/** The critical path of a whole session. */
export function sessionPath(outline) {
  const held = known.get(outline);
  if (held?.total === outline.total) return held.path;
  const path = criticalPath(outline);
  known.set(outline, { total: outline.total, path });
  return path;
}

/** The events that the end had to wait for: from the last to end, each time the one that ended last before the next began. */
export function criticalPath(outline, list = outline.roots) {
  const path = new Set();
  const stack = [[list, Infinity]];
  while (stack.length > 0) {
    const [events, until] = stack.pop();
    const timed = events.filter((at) => (outline.took[at] ?? 0) > 0).sort((a, b) => outline.end(b) - outline.end(a));
    let cursor = until;
    for (const at of timed) {
      // Rounded to milliseconds, neighbours may overlap by one.
      if (outline.end(at) > cursor + 1000) continue;
      path.add(at);
      cursor = outline.at[at];
      const children = outline.children[at];
      if (children) stack.push([children, outline.end(at) + 1000]);
    }
  }
  return path;
}

/** Calls that ran at the same time, as the largest number in each of `buckets` equal parts, and over all. */
export function concurrency(outline, buckets, from = 0, to = outline.length) {
  const changes = [];
  for (const at of outline.roots) {
    if ((outline.took[at] ?? 0) <= 0) continue;
    changes.push([outline.at[at], 1], [outline.end(at), -1]);
  }
  changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const most = new Array(buckets).fill(0);
  const size = Math.max(1, to - from) / buckets;
  const place = (time) => Math.floor((time - from) / size);
  let now = 0;
  let peak = 0;
  let since = -Infinity;
  for (const [time, step] of changes) {
    if (now > 0) {
      const last = Math.min(buckets - 1, place(time));
      for (let n = Math.max(0, place(since)); n <= last; n += 1) most[n] = Math.max(most[n], now);
    }
    now += step;
    peak = Math.max(peak, now);
    since = time;
  }
  return { most, peak };
}

/** Times in which nothing ran, longest first: `[from, to]` in microseconds since the start. */
export function idle(outline) {
  const found = [];
  let quiet = null;
  for (const at of outline.roots) {
    if (quiet !== null && outline.at[at] - quiet > PAUSE) found.push([quiet, outline.at[at]]);
    quiet = Math.max(quiet ?? -Infinity, outline.end(at));
  }
  return found.sort((a, b) => (b[1] - b[0]) - (a[1] - a[0]));
}
