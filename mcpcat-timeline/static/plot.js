// Events over time as columns: an axis with numbers, what a column holds on hover or focus, and each a link to its sessions.

import { at } from './api.js';
import { h, svg } from './dom.js';
import { count, dateTime, duration, plural, ZONE } from './format.js';

const [WIDTH, LINE, HEIGHT] = [1000, 150, 190];

/** A number at or above `top` that reads well, for the end of an axis. */
export function niceTop(top) {
  if (top <= 10) return [4, 6, 8, 10].find((value) => value >= top);
  const unit = 10 ** Math.floor(Math.log10(top));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * unit).find((value) => value >= top) ?? 10 * unit;
}

/** @param {any} data what `/overview` answers @param {[string, string][]} scope */
export function plot({ slots, slot_ms: step }, scope) {
  const peak = slots.reduce((most, slot) => Math.max(most, slot.events), 0);
  const top = niceTop(peak);
  const worst = slots.reduce((most, slot) => Math.max(most, slot.errors), 0);
  const total = slots.reduce((sum, slot) => sum + slot.events, 0);
  const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'plot', 'aria-hidden': 'true' });
  for (const share of [0.5, 1]) drawing.append(svg('rect', { x: 0, y: LINE - share * (LINE - 6), width: WIDTH, height: 0.6, class: 's-line' }));
  drawing.append(svg('rect', { x: 0, y: LINE, width: WIDTH, height: 1, class: 's-line' }));
  const wide = WIDTH / Math.max(1, slots.length);
  const links = h('div', { class: 'plot-links' });
  const tip = h('output', { class: 'plot-tip' }, 'Point at a column, or go to one with Tab, to see its numbers.');
  slots.forEach((slot, place) => {
    if (slot.events === 0) return;
    let y = LINE;
    const stack = (value, kind) => {
      if (value <= 0) return;
      const tall = (value / top) * (LINE - 6);
      y -= tall;
      drawing.append(svg('rect', { x: (place * wide + wide * 0.1).toFixed(2), y: y.toFixed(2), width: (wide * 0.8).toFixed(2), height: tall.toFixed(2), class: `s-${kind}` }));
    };
    stack(slot.tools, 'tool');
    stack(slot.custom, 'custom');
    stack(slot.events - slot.tools - slot.custom, 'other');
    // Errors hang below the line, so that they do not hide what they are part of.
    if (slot.errors > 0) {
      const tall = Math.max(3, (slot.errors / worst) * (HEIGHT - LINE - 2));
      drawing.append(svg('rect', { x: (place * wide + wide * 0.1).toFixed(2), y: LINE + 2, width: (wide * 0.8).toFixed(2), height: tall.toFixed(2), class: 's-error' }));
    }
    const words = `${dateTime(slot.at * 1000)}, ${duration(step)}: ${plural(slot.events, 'event')}, ${plural(slot.tools, 'tool call')}, ${plural(slot.custom, 'custom event')}, ${plural(slot.errors, 'error')}`;
    const link = h('a', {
      href: at('', [...scope, ['since', new Date(slot.at).toISOString()], ['until', new Date(slot.at + step).toISOString()]]).href, 'data-nav': true, 'aria-label': words,
    });
    link.style.setProperty('--x', String(place / slots.length));
    link.style.setProperty('--w', String(1 / slots.length));
    for (const name of ['pointerenter', 'focus']) link.addEventListener(name, () => { tip.textContent = words; });
    links.append(link);
  });
  const first = slots[0];
  const last = slots[slots.length - 1];
  return h('figure', { class: 'plot-figure', 'aria-label': `${plural(total, 'event')} over time, at most ${count(peak)} in ${duration(step)}` },
    h('div', { class: 'plot-axis', 'aria-hidden': 'true' }, h('span', null, count(top)), h('span', null, count(top / 2)), h('span', null, '0'), h('span', null, worst > 0 ? `${count(worst)} err` : '')),
    h('div', { class: 'plot-area' }, drawing, links),
    h('figcaption', null, h('span', null, first ? dateTime(first.at * 1000) : ''), tip, h('span', null, last ? `${dateTime((last.at + step) * 1000)} ${ZONE}` : '')));
}
