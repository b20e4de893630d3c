// One call and what was raised inside it, on a ruler of its own.

import { ruler } from './axis.js';
import { h } from './dom.js';
import { duration } from './format.js';
import { criticalPath } from './paths.js';

/** Most bars drawn. */
const MOST_BARS = 60;

/** The bars of a call, or nothing when it has nothing inside. */
export function callAxis(outline, at, open) {
  const inside = outline.within(at);
  if (inside.length < 2) return null;
  const from = inside.reduce((least, one) => Math.min(least, outline.at[one]), Infinity);
  const to = inside.reduce((most, one) => Math.max(most, outline.end(one)), from + 1);
  const critical = criticalPath(outline, [at]);
  const bars = inside.slice(0, MOST_BARS).map((one) => {
    const bar = h('i', { class: `w-${outline.error[one] ? 'error' : outline.kind[one]}${critical.has(one) ? ' is-critical' : ''}` });
    bar.style.setProperty('--x', String((outline.at[one] - from) / (to - from)));
    bar.style.setProperty('--w', String((outline.end(one) - outline.at[one]) / (to - from)));
    const name = h('button', { type: 'button', class: 'link' }, outline.label[one]);
    name.style.setProperty('--depth', String(Math.min(8, outline.depth[one] - outline.depth[at])));
    name.addEventListener('click', () => open(outline.id[one]));
    return h('li', null, name, h('span', { class: 'lane', 'aria-hidden': 'true' }, bar),
      h('span', { class: 'number' }, outline.took[one] === null ? '' : duration(outline.took[one] / 1000)));
  });
  return h('section', { class: 'part call-axis' }, h('h3', null, 'Raised inside'),
    h('div', { class: 'ruler-line' }, ruler(0, to - from, 4)), h('ol', null, bars),
    inside.length > MOST_BARS ? h('p', { class: 'quiet' }, `and ${inside.length - MOST_BARS} more`) : null);
}
