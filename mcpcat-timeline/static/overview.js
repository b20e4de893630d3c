// What happened lately, in a few small plots.

import { at, get } from './api.js';
import { bolt, fill, h, svg } from './dom.js';
import { count, dateTime, duration, plural } from './format.js';
import { follow } from './live.js';

const PERIODS = [['1h', '1 hour'], ['24h', '24 hours'], ['7d', '7 days'], ['30d', '30 days']];

/** Shows the overview in `root`; returns what ends it. */
export async function showOverview(root, query, { signal }) {
  document.title = 'Overview · mcpcat timeline';
  const body = h('div', { class: 'overview' });
  const project = h('select', { 'aria-label': 'Project' }, h('option', { value: '' }, 'all projects'));
  const periods = h('div', { class: 'pair', role: 'group', 'aria-label': 'Period' });
  fill(root, h('h1', { class: 'offscreen' }, 'Overview'), h('div', { class: 'tools' }, periods, project), body);

  function change(name, value) {
    if (value === '') query.delete(name);
    else query.set(name, value);
    history.replaceState(null, '', at('overview', [...query]));
    draw();
  }
  project.addEventListener('change', () => change('project', project.value));

  async function draw() {
    const since = query.get('since') ?? '24h';
    fill(periods, PERIODS.map(([value, label]) => h('button', {
      type: 'button', class: 'toggle', 'aria-pressed': String(value === since), onclick: () => change('since', value),
    }, label)));
    let data;
    try {
      data = await get('api/v1/overview', [['since', since], ...(query.get('project') ? [['project', query.get('project')]] : [])], signal);
    } catch (error) {
      if (error.name !== 'AbortError') fill(body, h('p', { class: 'empty' }, error.message));
      return;
    }
    const of = (kind) => data.names.filter((row) => row.kind === kind);
    const failing = data.names.filter((row) => row.errors > 0).sort((a, b) => b.errors / b.events - a.errors / a.events || b.errors - a.errors);
    const slow = data.names.filter((row) => row.mean_ms !== null && row.mean_ms > 0).sort((a, b) => b.mean_ms - a.mean_ms);
    const rate = data.events > 0 ? `${((100 * data.errors) / data.events).toFixed(1)} %` : '–';
    fill(body,
      h('dl', { class: 'figures' }, figure('Sessions', count(data.sessions)), figure('Events', count(data.events)),
        figure('Errors', count(data.errors), data.errors > 0), figure('Error rate', rate, data.errors > 0)),
      h('section', { class: 'card wide' }, h('h2', null, 'Events over time'), plot(data),
        h('ul', { class: 'legend' }, [['tool', 'tool calls'], ['custom', 'custom events'], ['other', 'other'], ['error', 'errors, below the line']]
          .map(([kind, label]) => h('li', null, h('i', { class: `swatch w-${kind}`, 'aria-hidden': 'true' }), label)))),
      card('Busiest tools', of('tool'), (row) => row.events, (row) => count(row.events), 'tool'),
      card('Busiest custom events', of('custom'), (row) => row.events, (row) => count(row.events), 'event'),
      card('Slowest, by mean', slow, (row) => row.mean_ms, (row) => `${duration(row.mean_ms)} · max ${duration(row.max_ms)}`, null),
      card('Failing most', failing, (row) => row.errors / row.events, (row) => `${Math.round((100 * row.errors) / row.events)} % · ${row.errors} of ${row.events}`, null));
  }

  await draw();
  get('api/v1/facets', [], signal).then((known) => {
    for (const name of known.projects) project.append(h('option', { value: name }, name));
    project.value = query.get('project') ?? '';
  }, () => {});
  let pending = null;
  const live = follow({ params: [['ticks', '1']], after: 0, deliver: () => { pending ??= setTimeout(() => { pending = null; draw(); }, 1000); } });
  return () => {
    clearTimeout(pending);
    live.close();
  };
}

function figure(name, value, bad = false) {
  return h('div', { class: bad ? 'bad' : null }, h('dt', null, name), h('dd', null, value));
}

function plot({ slots, slot_ms: step }) {
  // Errors hang below the line, so that they do not hide what they are part of.
  const [width, line, height] = [1000, 130, 160];
  const top = slots.reduce((most, slot) => Math.max(most, slot.events), 0);
  const worst = slots.reduce((most, slot) => Math.max(most, slot.errors), 0);
  const total = slots.reduce((sum, slot) => sum + slot.events, 0);
  const drawing = svg('svg', {
    viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', class: 'plot',
    'aria-label': `${plural(total, 'event')} over time, at most ${count(top)} in ${duration(step)}`,
  });
  drawing.append(svg('rect', { x: 0, y: line, width, height: 1, class: 's-line' }));
  const wide = width / Math.max(1, slots.length);
  slots.forEach((slot, at) => {
    let y = line;
    const stack = (value, kind) => {
      if (value <= 0) return;
      const tall = (value / top) * (line - 4);
      y -= tall;
      drawing.append(svg('rect', { x: (at * wide + wide * 0.1).toFixed(2), y: y.toFixed(2), width: (wide * 0.8).toFixed(2), height: tall.toFixed(2), class: `s-${kind}` }));
    };
    stack(slot.tools, 'tool');
    stack(slot.custom, 'custom');
    stack(slot.events - slot.tools - slot.custom, 'other');
    if (slot.errors > 0) {
      const tall = Math.max(3, (slot.errors / worst) * (height - line - 2));
      drawing.append(svg('rect', { x: (at * wide + wide * 0.1).toFixed(2), y: line + 2, width: (wide * 0.8).toFixed(2), height: tall.toFixed(2), class: 's-error' }));
    }
  });
  const first = slots[0];
  const last = slots[slots.length - 1];
  return h('figure', null, drawing, h('figcaption', null,
    h('span', null, first ? dateTime(new Date(first.at).toISOString()) : ''), h('span', null, top > 0 ? `peak ${count(top)} in ${duration(step)}` : 'nothing yet'),
    h('span', null, last ? dateTime(new Date(last.at + step).toISOString()) : '')));
}

function card(title, rows, size, text, filter) {
  const top = rows.reduce((most, row) => Math.max(most, size(row)), 0);
  return h('section', { class: 'card' }, h('h2', null, title), rows.length === 0 ? h('p', { class: 'quiet' }, 'none') : h('ol', { class: 'bars' }, rows.slice(0, 8).map((row) => {
    const bar = h('i', { class: `w-${row.kind}`, 'aria-hidden': 'true' });
    bar.style.setProperty('--share', String(top > 0 ? size(row) / top : 0));
    const name = [row.kind === 'custom' ? bolt() : null, row.name];
    return h('li', null,
      filter ? h('a', { href: at('', [[filter, row.name]]).href, 'data-nav': true }, name) : h('span', null, name),
      h('span', { class: 'quiet' }, text(row)), bar);
  })));
}
