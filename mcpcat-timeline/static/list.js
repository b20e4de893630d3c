// The list of sessions. Its filters live in the address, so that a view can be sent to somebody.

import { at, get } from './api.js';
import { bolt, fill, h } from './dom.js';
import { ago, count, dateTime, duration, plural } from './format.js';
import { listenKeys } from './keys.js';
import { follow } from './live.js';

/** Sessions fetched at a time. */
const PAGE = 100;
/** Filters that hold several values, positive and negative. */
const TERMS = { tag: 'Tag', tool: 'Tool', event: 'Event', actor: 'Actor', client: 'Client', server: 'Server', type: 'Type' };
const PERIODS = [['', 'any time'], ['15m', 'last 15 minutes'], ['1h', 'last hour'], ['24h', 'last 24 hours'], ['7d', 'last 7 days'], ['30d', 'last 30 days']];
const SORTS = [['last', 'last activity'], ['start', 'start'], ['duration', 'duration'], ['events', 'events'], ['errors', 'errors']];

/** Shows the list in `root`; returns what ends it. */
export async function showList(root, query, { navigate, signal }) {
  document.title = 'Sessions · mcpcat timeline';
  const rows = h('tbody');
  const status = h('p', { class: 'tally', role: 'status' });
  const chips = h('ul', { class: 'tags chips', 'aria-label': 'Active filters' });
  const empty = h('div', { class: 'empty', hidden: true });
  const more = h('div', { class: 'more-events' });
  let next = null;
  let loaded = [];
  let facets = {};

  const search = h('input', { type: 'search', name: 'q', placeholder: 'Search sessions and events', 'aria-label': 'Search sessions and events', value: query.get('q') ?? '' });
  const since = choice('since', 'Active in', PERIODS);
  const sort = choice('sort', 'Sorted by', SORTS, 'last');
  const project = choice('project', 'Project', [['', 'all projects']]);
  const flags = [flag('errors', 'Errors'), flag('custom', 'Custom events'), flag('identified', 'Identified')];
  const range = h('details', { class: 'range' }, h('summary', null, 'dates'),
    h('div', { class: 'popup' }, day('since', 'From'), day('until', 'Until')));

  const kind = h('select', { 'aria-label': 'What to filter by' }, Object.entries(TERMS).map(([value, label]) => h('option', { value }, label)));
  const not = h('select', { 'aria-label': 'Include or exclude' }, h('option', { value: '' }, 'is'), h('option', { value: 'not_' }, 'is not'));
  const values = h('datalist', { id: 'filter-values' });
  const value = h('input', { list: 'filter-values', placeholder: 'value', 'aria-label': 'Value', autocomplete: 'off' });
  const adder = h('form', { class: 'adder' }, kind, not, value, values, h('button', { type: 'submit' }, 'Add filter'));
  const offer = () => {
    const known = facets[{ tag: 'tags', tool: 'tools', event: 'events', actor: 'actors', client: 'clients', server: 'servers' }[kind.value]] ?? [];
    value.placeholder = kind.value === 'tag' ? 'key=value, or key' : 'value';
    fill(values, known.map((item) => h('option', { value: item })));
  };
  kind.addEventListener('change', offer);
  adder.addEventListener('submit', (event) => {
    event.preventDefault();
    if (value.value.trim() === '') return value.focus();
    change((params) => params.append(`${not.value}${kind.value}`, value.value.trim()));
    value.value = '';
  });

  fill(root,
    h('h1', { class: 'offscreen' }, 'Sessions'),
    h('div', { class: 'tools list-tools' }, search, since, range, project, sort, flags),
    h('div', { class: 'tools filter-tools' }, adder, chips, status),
    h('div', { class: 'list-panel' },
      h('table', { class: 'sessions' },
        h('caption', { class: 'offscreen' }, 'Sessions'),
        h('thead', null, h('tr', null, ['Last activity', 'Session', 'Who', 'Client → server', 'Lasted', 'Events', 'Tools', 'Custom', 'Errors']
          .map((name, at) => h('th', { scope: 'col', class: at > 3 ? 'number' : null }, name)))),
        rows),
      empty, more));

  function choice(name, label, options, standard = '') {
    const select = h('select', { name, 'aria-label': label }, options.map(([option, text]) => h('option', { value: option }, text)));
    select.value = query.get(name) ?? standard;
    if (select.selectedIndex < 0) {
      select.append(h('option', { value: query.get(name) }, query.get(name)));
      select.value = query.get(name);
    }
    select.addEventListener('change', () => change((params) => {
      if (select.value === standard) params.delete(name);
      else params.set(name, select.value);
    }));
    return select;
  }

  function flag(name, label) {
    const button = h('button', { type: 'button', class: 'toggle', 'aria-pressed': String(query.get(name) === '1') }, label);
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(on));
      change((params) => (on ? params.set(name, '1') : params.delete(name)));
    });
    return button;
  }

  function day(name, label) {
    const held = query.get(name) ?? '';
    const input = h('input', { type: 'datetime-local', value: /^\d{4}-/.test(held) ? local(held) : '' });
    input.addEventListener('change', () => change((params) => {
      const date = new Date(input.value);
      if (Number.isNaN(date.getTime())) params.delete(name);
      else params.set(name, date.toISOString());
    }));
    return h('label', null, `${label} `, input);
  }

  let typing;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => change((params) => (search.value === '' ? params.delete('q') : params.set('q', search.value))), 200);
  });

  /** Changes the address and what it says to show. */
  function change(edit) {
    edit(query);
    history.replaceState(null, '', at('', [...query]));
    drawChips();
    refresh();
  }

  function drawChips() {
    const items = [];
    for (const [name, held] of query) {
      const negative = name.startsWith('not_');
      const label = TERMS[negative ? name.slice(4) : name];
      if (!label) continue;
      const remove = h('button', { type: 'button', class: 'chip-remove', 'aria-label': `Remove filter ${label} ${held}` }, '×');
      remove.addEventListener('click', () => change((params) => {
        const rest = [...params].filter(([key, other]) => !(key === name && other === held));
        for (const key of new Set(params.keys())) params.delete(key);
        for (const [key, other] of rest) params.append(key, other);
      }));
      items.push(h('li', null, h('span', { class: `chip${negative ? ' is-negative' : ''}` }, `${label} ${negative ? 'is not' : 'is'} `, h('b', null, held), remove)));
    }
    fill(chips, items);
  }

  let turn = 0;
  async function refresh(quiet = false) {
    const mine = ++turn;
    try {
      const size = quiet ? Math.max(PAGE, loaded.length) : PAGE;
      const page = await get('api/v1/sessions', [...query, ['limit', String(size)]], signal);
      if (mine !== turn) return;
      next = page.next ?? null;
      loaded = page.sessions;
      draw(page.text_searched);
    } catch (error) {
      if (error.name === 'AbortError' || mine !== turn) return;
      loaded = [];
      draw();
      status.textContent = error.message;
    }
  }

  async function loadMore() {
    const page = await get('api/v1/sessions', [...query, ['limit', String(PAGE)], ['cursor', next]], signal);
    next = page.next ?? null;
    loaded = [...loaded, ...page.sessions];
    draw();
  }

  function draw(searched) {
    const focused = document.activeElement?.closest?.('tr')?.dataset.key;
    rows.replaceChildren(...loaded.map(line));
    if (focused) rows.querySelector(`tr[data-key="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
    status.textContent = `${plural(loaded.length, 'session')}${next === null ? '' : '+'}${searched ? ` · text searched in the newest ${count(searched)} events` : ''}`;
    fill(more, next === null ? null : h('button', { type: 'button', onclick: loadMore }, 'Load more'));
    const filtered = [...query.keys()].some((name) => name !== 'sort' && name !== 'order');
    empty.hidden = loaded.length > 0;
    if (loaded.length === 0) fill(empty, filtered ? nothing() : welcome());
  }

  function nothing() {
    return [h('p', null, 'No session matches these filters.'),
      h('button', { type: 'button', onclick: () => navigate('./') }, 'Clear filters')];
  }

  function welcome() {
    const base = at('').href.replace(/\/$/, '');
    return [h('h2', null, 'Waiting for the first event'),
      h('p', null, 'Start an MCP server that uses an MCPcat SDK with this in its environment:'),
      h('pre', null, `MCPCAT_API_URL=${base}`),
      h('p', null, 'or send one event by hand:'),
      h('pre', null, 'mcpcat-timeline publish hello --project proj_demo --session me --message "first event"')];
  }

  function line(row) {
    const href = at(`sessions/${encodeURIComponent(row.session_id)}`, [['project', row.project_id]]).href;
    const who = row.actor_name ?? row.actor_id;
    const cell = (...children) => h('td', null, ...children);
    const number = (value, extra) => h('td', { class: `number${value === 0 ? ' zero' : ''}${extra ? ` ${extra}` : ''}` }, count(value));
    return h('tr', { class: row.error_count > 0 ? 'is-error' : null, 'data-key': `${row.project_id}/${row.session_id}` },
      cell(h('time', { datetime: row.last_event_at, title: dateTime(row.last_event_at) }, ago(row.last_event_at)),
        h('span', { class: 'preview' }, 'started ', h('time', { datetime: row.started_at, title: dateTime(row.started_at) }, ago(row.started_at)))),
      cell(h('a', { href, 'data-nav': true, class: 'session-link' }, row.stateless ? h('i', null, 'without a session') : h('code', null, row.session_id)),
        h('span', { class: 'preview' }, row.last_label)),
      cell(who ? h('span', { title: row.actor_id }, who) : h('span', { class: 'quiet' }, 'anonymous')),
      cell(row.client_name ?? h('span', { class: 'quiet' }, '–'), ' → ', row.server_name ?? h('span', { class: 'quiet' }, '–')),
      h('td', { class: 'number' }, duration(row.duration_ms)),
      number(row.event_count),
      number(row.tool_call_count),
      h('td', { class: `number${row.custom_event_count === 0 ? ' zero' : ''}` }, row.custom_event_count > 0 ? bolt() : null, count(row.custom_event_count)),
      number(row.error_count, row.error_count > 0 ? 'bad' : ''));
  }

  rows.addEventListener('click', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest('a') || String(getSelection()) !== '') return;
    target.closest('tr')?.querySelector('a')?.click();
  });

  function step(direction) {
    const links = [...rows.querySelectorAll('a.session-link')];
    const here = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, here + direction))]?.focus();
  }

  drawChips();
  await refresh();
  get('api/v1/facets', [], signal).then((known) => {
    facets = known;
    offer();
    for (const name of known.projects) {
      if (![...project.options].some((option) => option.value === name)) project.append(h('option', { value: name }, name));
    }
  }, () => {});

  let pending = null;
  const live = follow({
    params: [['ticks', '1']],
    after: 0,
    deliver: () => {
      pending ??= setTimeout(() => { pending = null; refresh(true); }, 150);
    },
  });
  const clockTick = setInterval(() => {
    for (const time of rows.querySelectorAll('time')) time.textContent = ago(time.getAttribute('datetime'));
  }, 30_000);
  const stopKeys = listenKeys({
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    '/': () => search.focus(),
    p: () => live.toggle(),
    Escape: () => document.activeElement?.blur?.(),
  });

  return () => {
    clearInterval(clockTick);
    clearTimeout(pending);
    clearTimeout(typing);
    stopKeys();
    live.close();
  };
}

function local(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
