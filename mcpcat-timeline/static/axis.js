// The ruler that session, rows and calls share: which moment stands where.

import { h } from './dom.js';
import { duration } from './format.js';

/** Steps that read well, microseconds. */
const STEPS = [1, 2, 5].flatMap((n) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((unit) => n * unit))
  .concat([10e6, 15e6, 30e6, 60e6, 120e6, 300e6, 600e6, 900e6, 1800e6, 3600e6, 7200e6, 21600e6, 43200e6, 86400e6]).sort((a, b) => a - b);

/** Moments to name between two others, at most `most` of them. */
export function ticks(from, to, most = 6) {
  const wanted = (to - from) / most;
  const step = STEPS.find((size) => size >= wanted) ?? Math.ceil(wanted / 86400e6) * 86400e6;
  const out = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(at);
  return out;
}

/** A ruler from one moment to another, both in microseconds since its zero. */
export function ruler(from, to, most) {
  const length = Math.max(1, to - from);
  return h('div', { class: 'ruler', 'aria-hidden': 'true' }, ticks(from, to, most).map((at) => {
    const share = (at - from) / length;
    const tick = h('span', { class: share > 0.85 ? 'is-late' : null }, at === 0 ? '0' : duration(at / 1000));
    tick.style.setProperty('--x', String(share));
    return tick;
  }));
}
