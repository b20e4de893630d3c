// Two sequences of calls side by side: which call of one stands for which of the other. No document in here.
//
// First the calls that are the same with the same arguments are matched (the shortest edit script, Myers 1986), then what is left
// between two matches is matched by name alone, so that a call with other arguments is a change and not a loss and a gain.

/** More edits than this are not looked for; what is beyond is shown as left alone and right alone. */
const MOST = 4000;

/**
 * Pairs of places that hold equal keys, rising in both.
 * @param {string[]} a @param {string[]} b @returns {[number, number][]}
 */
export function longestCommon(a, b) {
  const most = Math.min(MOST, a.length + b.length);
  const trace = [];
  let furthest = new Map([[1, 0]]);
  for (let edits = 0; edits <= most; edits += 1) {
    const next = new Map();
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1));
      let x = down ? furthest.get(k + 1) ?? 0 : (furthest.get(k - 1) ?? 0) + 1;
      if (x > a.length) x = a.length;
      let y = x - k;
      while (x < a.length && y < b.length && y >= 0 && a[x] === b[y]) {
        x += 1;
        y += 1;
      }
      next.set(k, x);
      if (x >= a.length && y >= b.length) {
        trace.push(next);
        return backtrack(trace, a, b, k);
      }
    }
    trace.push(next);
    furthest = next;
  }
  return [];
}

function backtrack(trace, a, b, lastK) {
  const pairs = [];
  let k = lastK;
  let x = trace[trace.length - 1].get(k);
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const before = edits === 0 ? new Map([[1, 0]]) : trace[edits - 1];
    const down = k === -edits || (k !== edits && (before.get(k - 1) ?? -1) < (before.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const start = down ? before.get(from) ?? 0 : (before.get(from) ?? 0) + 1;
    for (let at = x - 1; at >= start; at -= 1) if (at - k >= 0 && at < a.length && at - k < b.length && a[at] === b[at - k]) pairs.push([at, at - k]);
    x = before.get(from) ?? 0;
    k = from;
  }
  return pairs.reverse();
}

/**
 * Lines of a comparison: `[left, right]`, -1 where a side has nothing.
 * @param {{label: string, args: string}[]} a @param {{label: string, args: string}[]} b
 */
export function align(a, b) {
  const strong = (call) => `${call.label}\n${call.args}`;
  const lines = [];
  let [left, right] = [0, 0];
  for (const [x, y] of [...longestCommon(a.map(strong), b.map(strong)), [a.length, b.length]]) {
    const [ours, theirs] = [a.slice(left, x), b.slice(right, y)];
    let [i, j] = [0, 0];
    for (const [m, n] of [...longestCommon(ours.map((call) => call.label), theirs.map((call) => call.label)), [ours.length, theirs.length]]) {
      while (i < m) lines.push([left + i++, -1]);
      while (j < n) lines.push([-1, right + j++]);
      if (m < ours.length) {
        lines.push([left + m, right + n]);
        [i, j] = [m + 1, n + 1];
      }
    }
    if (x < a.length) lines.push([x, y]);
    [left, right] = [x + 1, y + 1];
  }
  return lines;
}

/** A call that took this many times longer, and by this many milliseconds, is a difference. */
const SLOWER = { times: 2, by: 20 };

/** What is not the same in two calls that stand for each other. */
export function differs(a, b) {
  const out = [];
  if (a.args !== b.args) out.push('arguments');
  if (a.failed !== b.failed) out.push('failure');
  const [short, long] = a.ms < b.ms ? [a.ms, b.ms] : [b.ms, a.ms];
  if (a.ms !== null && b.ms !== null && long - short >= SLOWER.by && long >= short * SLOWER.times) out.push('duration');
  return out;
}
