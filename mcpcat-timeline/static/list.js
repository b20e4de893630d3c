// The list of sessions: newest first and live, or in any order that a column's head gives it.

import { at, get } from './api.js';
import { isLost } from './banner.js';
import { fill, h } from './dom.js';
import { filters } from './filters.js';
import { ago, count, plural, ZONE } from './format.js';
import { listenKeys } from './keys.js';
import { follow } from './live.js';
import { sessionLine } from './line.js';

/** Sessions fetched at a time. */
const PAGE = 100;
/** Columns: the name of their order in the API, their title, whether they hold numbers. */
const COLUMNS = [
  ['last', 'Last activity'], [null, 'Session'], ['actor', 'Who'], ['project', 'Project'], ['client', 'Client'], ['server', 'Server'],
  ['duration', 'Lasted', true], ['events', 'Events', true], ['tools', 'Tools', true], ['custom', 'Custom', true], ['errors', 'Failures', true],
];
/** Orders that begin with the smallest when they are chosen. */
const RISING = new Set(['actor', 'project', 'client', 'server']);

/** Shows the list in `root`; returns what ends it. */
export async function showList(root, query, { navigate, signal, failed, place }) {
  document.title = 'Sessions · mcpcat timeline';
  const rows = h('tbody');
  const status = h('p', { class: 'tally', role: 'status' });
  const empty = h('div', { class: 'empty', hidden: true });
  const more = h('div', { class: 'more-events' });
  const heads = COLUMNS.map(([name, title, number]) => h('th', { scope: 'col', class: number ? 'number' : null, 'data-column': name ?? 'story' },
    name === null ? title : h('button', { type: 'button', class: 'sort', 'data-sort': name, onclick: () => sortBy(name) }, title)));
  const panel = h('div', { class: 'list-panel', tabindex: '-1' },
    h('table', { class: 'sessions' },
      h('caption', { class: 'offscreen' }, `Sessions. Times are in ${ZONE}.`),
      h('thead', null, h('tr', null, heads)),
      rows),
    empty, more);
  let next = null;
  let loaded = [];
  let now = Date.now() * 1000;
  let clock = Date.now();

  const controls = filters(query, change);
  controls.rows[1].append(status);
  fill(root, h('h1', { class: 'offscreen' }, 'Sessions'), controls.rows, panel);

  /** Changes the address and what it says to show. */
  function change(edit) {
    edit(query);
    history.replaceState(history.state, '', at('', [...query]));
    controls.drawChips();
    refresh();
  }

  function sortBy(name) {
    change((params) => {
      const same = (params.get('sort') ?? 'last') === name;
      const rising = same ? params.get('order') !== 'asc' : RISING.has(name);
      if (name === 'last') params.delete('sort');
      else params.set('sort', name);
      if (rising) params.set('order', 'asc');
      else params.delete('order');
    });
  }

  let turn = 0;
  async function refresh({ quiet = false, size = PAGE } = {}) {
    const mine = ++turn;
    try {
      const page = await get('api/v1/sessions', [...query, ['limit', String(quiet ? Math.max(PAGE, loaded.length) : size)]], signal);
      if (mine === turn) take(page, page.sessions);
    } catch (error) {
      if (error.name === 'AbortError' || mine !== turn) return;
      // What is shown stays; whoever reads it is told why it does not change.
      if (!error.offline) status.textContent = error.message;
      failed(error);
    }
  }

  async function loadMore() {
    try {
      // The list may be read anew meanwhile, for an event that came: then the page after that one is asked for.
      for (let mine = turn - 1; mine !== turn && next !== null;) {
        mine = turn;
        const page = await get('api/v1/sessions', [...query, ['limit', String(PAGE)], ['cursor', next]], signal);
        if (mine === turn) take(page, [...loaded, ...page.sessions]);
      }
    } catch (error) {
      failed(error);
    }
  }

  function take(page, sessions) {
    next = page.next ?? null;
    loaded = sessions;
    [now, clock] = [page.now_us, Date.now()];
    draw(page);
  }

  const keyOf = (row) => `${row.project_id}/${row.session_id}`;
  function draw(page) {
    const held = new Map([...rows.children].map((line) => [line.dataset.key, line]));
    const focused = document.activeElement?.closest?.('tr')?.dataset.key;
    const lines = loaded.map((row) => {
      const text = JSON.stringify(row);
      const old = held.get(keyOf(row));
      if (old?.dataset.told === text) return old;
      const line = sessionLine(row, { key: keyOf(row), now, q: query.get('q') });
      line.dataset.told = text;
      return line;
    });
    if (lines.length !== rows.children.length || lines.some((line, n) => line !== rows.children[n])) rows.replaceChildren(...lines);
    tell();
    if (focused) rows.querySelector(`tr[data-key="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
    const shown = loaded.length < page.total ? `${count(loaded.length)} of ` : '';
    fill(status, `${shown}${plural(page.total, 'session')}${page.text_searched ? ` · events: the newest ${count(page.text_searched)} were searched` : ''}`);
    fill(more, next === null ? null : h('button', { type: 'button', onclick: loadMore }, `Load more (${count(page.total - loaded.length)} left)`));
    empty.hidden = loaded.length > 0;
    rows.parentElement.hidden = loaded.length === 0;
    if (loaded.length === 0) fill(empty, controls.active() ? nothing() : welcome());
    const [sorted, rising] = [query.get('sort') ?? 'last', query.get('order') === 'asc'];
    heads.forEach((head, n) => {
      if (COLUMNS[n][0] === sorted) head.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    });
  }

  function nothing() {
    return [h('p', null, 'No session matches these filters.'), h('button', { type: 'button', onclick: () => navigate('./') }, 'Clear filters')];
  }

  function welcome() {
    const base = at('').href.replace(/\/$/, '');
    return [h('h2', null, 'Waiting for the first event'),
      h('p', null, 'Start an MCP server that uses an MCPcat SDK with this in its environment:'),
      h('pre', null, `MCPCAT_API_URL=${base}`),
      h('p', null, 'or send one event by hand:'),
      h('pre', null, 'mcpcat-timeline publish hello --project proj_demo --session me --message "first event"')];
  }

  /** Says how long ago everything is, by the collector's clock. */
  function tell() {
    const here = now + (Date.now() - clock) * 1000;
    for (const time of rows.querySelectorAll('time[data-us]')) time.textContent = ago(Number(time.dataset.us), here);
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

  controls.drawChips();
  await refresh({ size: Math.min(10_000, Math.max(PAGE, place?.loaded ?? 0)) });
  if (place) {
    panel.scrollTop = place.top;
    if (place.key) rows.querySelector(`tr[data-key="${CSS.escape(place.key)}"] a`)?.focus({ preventScroll: true });
  }
  get('api/v1/facets', [], signal).then(controls.offer, () => {});

  let pending = null;
  const live = follow({
    params: [['ticks', '1']],
    after: 0,
    deliver: () => {
      pending ??= setTimeout(() => { pending = null; refresh({ quiet: true }); }, 150);
    },
    back: () => refresh({ quiet: true }),
  });
  const clockTick = setInterval(() => { if (!isLost()) tell(); }, 30_000);
  const stopKeys = listenKeys({
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    '/': () => controls.search.focus(),
    p: () => live.toggle(),
    Escape: () => document.activeElement?.blur?.(),
  });
  let last = null;
  rows.addEventListener('click', (event) => { last = event.target.closest('tr')?.dataset.key ?? null; });

  const end = () => {
    clearInterval(clockTick);
    clearTimeout(pending);
    controls.stop();
    stopKeys();
    live.close();
  };
  end.place = () => ({ top: panel.scrollTop, loaded: loaded.length, key: last ?? document.activeElement?.closest?.('tr')?.dataset.key ?? null });
  return end;
}
