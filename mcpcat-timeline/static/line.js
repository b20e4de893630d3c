// One line of the list of sessions: what it was about, who took part, how it went, and where the words looked for are.

import { at } from './api.js';
import { bolt, h } from './dom.js';
import { count, dateTime, duration, isoTime, percent, plural, preciseTime } from './format.js';
import { pathOf } from './model.js';

/** @param {any} row @param {{key: string, now: number, q: string | null}} context */
export function sessionLine(row, { key, now, q }) {
  const scope = [['project', row.project_id]];
  const found = row.hits ? [['q', q], ['event', row.hits.event_id]] : q ? [['q', q]] : [];
  const href = at(`sessions/${encodeURIComponent(row.session_id)}`, [...scope, ...(row.hits ? found : [])]).href;
  const who = row.actor_name ?? row.actor_id;
  const quiet = (text) => h('span', { class: 'quiet' }, text);
  const versioned = (name, version) => h('td', { title: name ? [name, version].filter(Boolean).join(' ') : null }, name ?? quiet('–'), version && name ? [' ', h('span', { class: 'preview' }, version)] : null);
  const number = (value, extra, ...before) => h('td', { class: `number${value === 0 ? ' zero' : ''}${extra}` }, ...before, count(value));
  const future = row.started_us > now + 60e6;
  const story = row.intent ?? (pathOf(row.tool_path, 6) || row.last_label);
  return h('tr', { class: row.failure_count > 0 ? 'is-error' : null, 'data-key': key },
    h('td', null, time(row.last_event_us), ' ',
      h('span', { class: 'preview' }, 'started ', time(row.started_us), future ? h('span', { class: 'doubt', title: 'Its times are later than the collector’s clock' }, 'suspect') : null)),
    h('td', { class: 'story' }, h('a', { href, 'data-nav': true, class: 'session-link' }, row.stateless ? h('i', null, 'without a session') : story),
      row.hits ? hit(row, scope, q) : null,
      h('span', { class: 'preview' }, h('code', null, row.session_id),
        row.sample_rate ? ` · sampled at ${percent(row.sample_rate)}` : null,
        row.removed_by_retention > 0 ? ` · ${plural(row.removed_by_retention, 'older event')} removed` : null)),
    h('td', { title: who ?? null }, who ?? quiet('anonymous'), who && row.actor_id && who !== row.actor_id ? [' ', h('span', { class: 'preview' }, row.actor_id)] : null),
    h('td', { title: row.project_id }, row.project_id),
    versioned(row.client_name, row.client_version),
    versioned(row.server_name, row.server_version),
    h('td', { class: 'number' }, duration(row.duration_ms)),
    number(row.event_count, ''),
    number(row.tool_call_count, ''),
    number(row.custom_event_count, '', row.custom_event_count > 0 ? bolt() : null),
    number(row.failure_count, row.failure_count > 0 ? ' bad' : ''));
}

function time(us) {
  return h('time', { datetime: isoTime(us), title: preciseTime(us), 'data-us': String(us) }, dateTime(us));
}

/** Where the words are: the first event that has them, and how many more. */
function hit(row, scope, q) {
  const { count: hits, event_id: id, label, snippet } = row.hits;
  const first = at(`sessions/${encodeURIComponent(row.session_id)}`, [...scope, ['q', q], ['event', id]]).href;
  return h('span', { class: 'preview hit' }, h('a', { href: first, 'data-nav': true, tabindex: '-1' }, `${plural(hits, 'event')}: ${label}`), ' ',
    snippet ? ['…', snippet[0], h('mark', null, snippet[1]), snippet[2], '…'] : null);
}
