// The whole session at a glance, and the brush that narrows list and ruler to a part of it.

import { fill, h, svg } from './dom.js';
import { duration, offset, plural } from './format.js';
import { concurrency, idle } from './paths.js';

/** Columns of the drawing. */
const COLUMNS = 500;
const HEIGHT = 46;
const KINDS = ['other', 'list', 'protocol', 'identify', 'tool', 'custom', 'error'];

/** What the colours of strip and bars mean. */
const LEGEND = [['w-tool', 'tool call'], ['w-custom', 'custom event'], ['w-error', 'failure'], ['w-other', 'other'], ['w-busy', 'calls at work'], ['is-critical', 'critical path']];

/** @param {{outline: any, zoomed: (from: number, to: number) => void}} options */
export function strip({ outline, zoomed }) {
  let [from, to] = [0, Infinity];
  let columns = [];
  const picture = h('div', { class: 'strip-picture' });
  const shade = h('div', { class: 'strip-shade', 'aria-hidden': 'true', hidden: true });
  const tip = h('output', { class: 'strip-tip', hidden: true });
  const handle = (name) => h('input', { type: 'range', min: '0', max: '1000', step: '1', class: 'strip-handle', 'aria-label': name });
  const [left, right] = [handle('Shown from'), handle('Shown until')];
  const summary = h('p', { class: 'strip-summary' });
  const whole = h('button', { type: 'button', class: 'link', hidden: true, onclick: () => set(0, Infinity) }, 'Show the whole session');
  const root = h('div', { class: 'strip', role: 'group', 'aria-label': 'Time of the session' }, picture, shade, left, right, tip);
  const box = h('div', { class: 'strip-box' }, root, h('div', { class: 'strip-below' }, summary, whole, h('ul', { class: 'strip-legend', 'aria-label': 'Colours' }, LEGEND.map(([mark, words]) => h('li', null, h('i', { class: `swatch ${mark}`, 'aria-hidden': 'true' }), words)))));
  const length = () => Math.max(1, outline.length);

  function set(a, b, tell = true) {
    from = Math.max(0, a);
    to = b >= length() ? Infinity : Math.max(b, from + 1);
    if (from === 0 && to === Infinity) shade.hidden = true;
    else {
      shade.hidden = false;
      shade.style.setProperty('--x', String(from / length()));
      shade.style.setProperty('--w', String((Math.min(to, length()) - from) / length()));
    }
    whole.hidden = shade.hidden;
    left.value = String(Math.round((from / length()) * 1000));
    right.value = String(Math.round((Math.min(to, length()) / length()) * 1000));
    for (const [input, at] of [[left, from], [right, Math.min(to, length())]]) input.setAttribute('aria-valuetext', offset(at));
    if (tell) zoomed(from, to);
  }
  left.addEventListener('input', () => set(Math.min((Number(left.value) / 1000) * length(), Math.min(to, length()) - 1), to));
  right.addEventListener('input', () => set(from, Math.max((Number(right.value) / 1000) * length(), from + 1)));

  let start = null;
  const share = (event) => {
    const box = picture.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  picture.addEventListener('pointerdown', (event) => {
    start = share(event);
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener('pointermove', (event) => {
    const here = share(event);
    hover(here);
    if (start !== null && Math.abs(here - start) > 0.004) set(Math.min(start, here) * length(), Math.max(start, here) * length(), false);
  });
  picture.addEventListener('pointerup', (event) => {
    const here = share(event);
    if (start !== null && Math.abs(here - start) > 0.004) set(Math.min(start, here) * length(), Math.max(start, here) * length());
    start = null;
  });
  picture.addEventListener('pointerleave', () => { tip.hidden = true; });
  picture.addEventListener('dblclick', () => set(0, Infinity));

  function hover(here) {
    const column = columns[Math.min(COLUMNS - 1, Math.floor(here * COLUMNS))];
    if (!column) return;
    const parts = [offset(here * length()), plural(column.events, 'event')];
    if (column.error > 0) parts.push(plural(column.error, 'failure'));
    if (column.most > 0) parts.push(`${plural(column.most, 'call')} at once`);
    tip.textContent = parts.join(' · ');
    tip.hidden = false;
    tip.style.setProperty('--x', String(here));
    tip.classList.toggle('is-late', here > 0.6);
  }

  function draw() {
    const { most, peak } = concurrency(outline, COLUMNS, 0, length());
    columns = most.map((calls) => ({ most: calls, events: 0, error: 0, kinds: {} }));
    for (let at = 0; at < outline.size; at += 1) {
      const column = columns[Math.min(COLUMNS - 1, Math.max(0, Math.floor((outline.at[at] / length()) * COLUMNS)))];
      const kind = outline.error[at] ? 'error' : outline.kind[at];
      column.events += 1;
      column.error += outline.error[at];
      column.kinds[kind] = (column.kinds[kind] ?? 0) + 1;
    }
    const drawing = svg('svg', { viewBox: `0 0 ${COLUMNS} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'Events over the time of the session, and how many calls ran at once' });
    const busiest = Math.log1p(columns.reduce((top, column) => Math.max(top, column.events), 1));
    // One path a kind: a rectangle an event would cost more than the list beneath.
    const paths = new Map();
    columns.forEach((column, x) => {
      if (column.events === 0) return;
      let y = 30;
      const tall = Math.max(3, (Math.log1p(column.events) / busiest) * 28);
      for (const kind of KINDS) {
        const part = column.kinds[kind];
        if (!part) continue;
        const size = Math.max(kind === 'error' ? 4 : 1, (part / column.events) * tall);
        y -= size;
        paths.set(kind, `${paths.get(kind) ?? ''}M${x} ${Math.max(0, y).toFixed(1)}h1.4v${size.toFixed(1)}h-1.4z`);
      }
    });
    for (const kind of KINDS) if (paths.has(kind)) drawing.append(svg('path', { d: paths.get(kind), class: `s-${kind}` }));
    if (peak > 0) {
      const step = 14 / peak;
      drawing.append(svg('path', { d: most.map((calls, x) => (calls > 0 ? `M${x} ${HEIGHT}v-${(calls * step).toFixed(2)}h1.05v${(calls * step).toFixed(2)}z` : '')).join(''), class: 's-busy' }));
    }
    fill(picture, drawing);
    const quiet = idle(outline);
    const still = quiet.reduce((sum, [a, b]) => sum + b - a, 0);
    fill(summary,
      peak > 1 ? `At most ${plural(peak, 'call')} at once. ` : null,
      quiet.length > 0 ? `${plural(quiet.length, 'pause')} of more than 30 s, ${duration(still / 1000)} in all; the longest ${duration((quiet[0][1] - quiet[0][0]) / 1000)}.` : null);
    set(from, to, false);
  }

  draw();
  return { box, draw, set, range: () => [from, Math.min(to, length())] };
}
