// What happened lately: how much, how fast by percentiles, how often it failed, who asked for it.

import { at, get } from './api.js';
import { bolt, fill, h } from './dom.js';
import { count, duration, percent, plural } from './format.js';
import { follow } from './live.js';
import { plot } from './plot.js';

const PERIODS = [['1h', '1 hour'], ['24h', '24 hours'], ['7d', '7 days'], ['30d', '30 days']];
/** Rows of a table before the rest is asked for. */
const SHOWN = 12;

/** Shows the overview in `root`; returns what ends it. */
export async function showOverview(root, query, { signal, failed }) {
  document.title = 'Overview · mcpcat timeline';
  const body = h('div', { class: 'overview', tabindex: '-1' });
  const project = h('select', { 'aria-label': 'Project' }, h('option', { value: '' }, 'all projects'));
  const periods = h('div', { class: 'pair', role: 'group', 'aria-label': 'Period' });
  fill(root, h('h1', { class: 'offscreen' }, 'Overview'), h('div', { class: 'tools' }, periods, project), body);
  const open = new Set();

  function change(name, value) {
    if (value === '') query.delete(name);
    else query.set(name, value);
    history.replaceState(history.state, '', at('overview', [...query]));
    draw();
  }
  project.addEventListener('change', () => change('project', project.value));

  async function draw() {
    const since = query.get('since') ?? '24h';
    fill(periods, PERIODS.map(([value, label]) => h('button', {
      type: 'button', class: 'toggle', 'aria-pressed': String(value === since), onclick: () => change('since', value),
    }, label)));
    const scope = query.get('project') ? [['project', query.get('project')]] : [];
    try {
      const data = await get('api/v1/overview', [['since', since], ...scope], signal);
      show(data, [['since', since], ...scope], scope);
    } catch (error) {
      failed(error);
    }
  }

  function show(data, range, scope) {
    const link = (params, ...children) => h('a', { href: at('', [...range, ...params]).href, 'data-nav': true }, ...children);
    const of = (kind) => data.names.filter((row) => row.kind === kind);
    const sampled = data.sampled_sessions > 0;
    const slow = data.names.filter((row) => row.p95_ms !== null).sort((a, b) => b.p95_ms - a.p95_ms);
    fill(body,
      h('dl', { class: 'figures' },
        figure('Sessions', link([], count(data.sessions))),
        figure('Events', link([], count(data.events)), sampled ? `about ${count(Math.round(data.weighted_events))} without sampling` : null),
        figure('Errors', data.errors > 0 ? link([['errors', '1']], count(data.errors)) : '0'),
        figure('Error rate', data.events > 0 ? `${((100 * data.errors) / data.events).toFixed(1)} %` : '–')),
      sampled || data.removed_by_retention > 0 ? h('ul', { class: 'notes wide' },
        sampled ? h('li', null, `${plural(data.sampled_sessions, 'session')} of ${count(data.sessions)} come from senders that keep only a share of theirs; both counts are shown.`) : null,
        data.removed_by_retention > 0 ? h('li', null, `${plural(data.removed_by_retention, 'event')} of these sessions have been removed by age or size.`) : null) : null,
      h('section', { class: 'card wide' }, h('h2', null, 'Events over time'), plot(data, scope),
        h('ul', { class: 'legend' }, [['tool', 'tool calls'], ['custom', 'custom events'], ['other', 'other'], ['error', 'errors, below the line']]
          .map(([kind, label]) => h('li', null, h('i', { class: `swatch w-${kind}`, 'aria-hidden': 'true' }), label)))),
      names('Busiest tools', of('tool'), 'tool', sampled, link),
      names('Busiest custom events', of('custom'), 'event', sampled, link),
      bars('Slowest, by p95', slow, (row) => row.p95_ms, (row) => `${duration(row.p95_ms)} · p50 ${duration(row.p50_ms)} · max ${duration(row.max_ms)}`, link),
      bars('Failing most', data.names.filter((row) => row.errors > 0).sort((a, b) => b.errors / b.events - a.errors / a.events || b.errors - a.errors),
        (row) => row.errors / row.events, (row) => `${percent(row.errors / row.events)} · ${count(row.errors)} of ${count(row.events)}`, link, [['errors', '1']]),
      versions('Clients', data.clients, 'client', link),
      versions('Servers', data.servers, 'server', link));
  }

  function table(title, heads, rows, cells) {
    const all = open.has(title);
    return h('section', { class: 'card' }, h('h2', null, title), rows.length === 0 ? h('p', { class: 'quiet' }, 'none') : [
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, h('table', { class: 'small' },
        h('thead', null, h('tr', null, heads.map((head, n) => h('th', { scope: 'col', class: n > 0 ? 'number' : null }, head)))),
        h('tbody', null, rows.slice(0, all ? rows.length : SHOWN).map((row) => h('tr', null, cells(row).map((cell, n) => (n === 0 ? h('th', { scope: 'row' }, cell) : h('td', { class: 'number' }, cell)))))))),
      rows.length > SHOWN && !all ? h('button', { type: 'button', class: 'link', onclick: () => { open.add(title); draw(); } }, `${count(rows.length - SHOWN)} more`) : null,
    ]);
  }

  function names(title, rows, filter, sampled, link) {
    return table(title, ['Name', 'Count', ...(sampled ? ['≈ all'] : []), 'Errors', 'p50', 'p95', 'p99'], rows, (row) => [
      link([[filter, row.name]], row.kind === 'custom' ? bolt() : null, row.name),
      count(row.events), ...(sampled ? [count(Math.round(row.weighted))] : []),
      row.errors > 0 ? link([[filter, row.name], ['errors', '1']], h('span', { class: 'bad' }, count(row.errors))) : '0',
      ...[row.p50_ms, row.p95_ms, row.p99_ms].map((ms) => (ms === null ? '–' : duration(ms))),
    ]);
  }

  function versions(title, rows, filter, link) {
    return table(title, [title.slice(0, -1), 'Version', 'Sessions', 'Events', 'Errors'], rows, (row) => [
      link([[filter, row.name]], row.name), row.version ?? '–', count(row.sessions), count(row.events), count(row.errors)]);
  }

  function bars(title, rows, size, text, link, more = []) {
    const top = rows.reduce((most, row) => Math.max(most, size(row)), 0);
    const filterOf = { tool: 'tool', custom: 'event' };
    return h('section', { class: 'card' }, h('h2', null, title), rows.length === 0 ? h('p', { class: 'quiet' }, 'none') : h('ol', { class: 'bars' }, rows.slice(0, 8).map((row) => {
      const bar = h('i', { class: `w-${row.kind}`, 'aria-hidden': 'true' });
      bar.style.setProperty('--share', String(top > 0 ? size(row) / top : 0));
      const filter = filterOf[row.kind];
      return h('li', null, link([...(filter ? [[filter, row.name]] : [['q', row.name]]), ...more], row.kind === 'custom' ? bolt() : null, row.name),
        h('span', { class: 'quiet' }, text(row)), bar);
    })));
  }

  await draw();
  get('api/v1/facets', [], signal).then((known) => {
    for (const name of known.projects) project.append(h('option', { value: name }, name));
    project.value = query.get('project') ?? '';
  }, () => {});
  let pending = null;
  const live = follow({ params: [['ticks', '1']], after: 0, deliver: () => { pending ??= setTimeout(() => { pending = null; draw(); }, 1000); }, back: draw });
  return () => {
    clearTimeout(pending);
    live.close();
  };
}

function figure(name, value, note = null) {
  return h('div', null, h('dt', null, name), h('dd', null, value), note ? h('dd', { class: 'note' }, note) : null);
}
