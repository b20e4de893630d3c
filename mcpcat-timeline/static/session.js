// The page of one session: loads it, keeps it live, keeps its state in the address.

import { at, get, send } from './api.js';
import { copyButton, fill, h } from './dom.js';
import { plural } from './format.js';
import { listenKeys } from './keys.js';
import { follow } from './live.js';
import { timeline } from './timeline.js';

/** Events fetched at a time. */
const PAGE = 500;

/** Shows a session in `root`; returns what ends it. */
export async function showSession(root, id, query, { about, navigate, signal }) {
  const path = `api/v1/sessions/${encodeURIComponent(id)}`;
  const project = query.get('project');
  const scope = project ? [['project', project]] : [];
  const [{ sessions }, first] = await Promise.all([
    get(path, [], signal),
    get(`${path}/events`, [...scope, ['limit', String(PAGE)]], signal),
  ]);
  const session = sessions.find((row) => row.project_id === project) ?? sessions[0];
  document.title = `${session.actor_name ?? session.session_id} · mcpcat timeline`;

  const here = (state) => {
    const url = at(`sessions/${encodeURIComponent(id)}`, scope);
    if (state.event) url.searchParams.set('event', state.event);
    if (state.q) url.searchParams.set('q', state.q);
    for (const name of ['errors', 'custom', 'noise']) if (state[name]) url.searchParams.set(name, '1');
    return url;
  };
  let current = {
    event: query.get('event'),
    q: query.get('q') ?? '',
    errors: query.get('errors') === '1',
    custom: query.get('custom') === '1',
    noise: query.get('noise') === '1',
  };
  const bare = here({ ...current, event: null });
  const prefix = `${bare.href}${bare.search === '' ? '?' : '&'}event=`;
  const more = h('div', { class: 'more-events' });
  const view = timeline(root, {
    session,
    events: first.events,
    state: current,
    traceUrl: about.trace_url,
    actions: actions(),
    href: (event) => prefix + encodeURIComponent(event),
    tagHref: (key, value) => at('', [['tag', `${key}=${value}`]]).href,
    changed: (state) => {
      current = state;
      history.replaceState(null, '', here(state));
    },
  });
  root.querySelector('.events-panel').append(more);

  let next = first.next ?? null;
  let loading = false;
  async function load() {
    if (next === null || loading) return;
    loading = true;
    try {
      const page = await get(`${path}/events`, [...scope, ['limit', String(PAGE)], ['cursor', next]], signal);
      next = page.next ?? null;
      view.add(page.events);
    } finally {
      loading = false;
      showMore();
    }
  }
  function showMore() {
    const left = session.event_count - view.count();
    fill(more, next === null ? null : h('button', { type: 'button', onclick: load }, left > 0 ? `Load more (${plural(left, 'event')} left)` : 'Load more'));
  }
  showMore();
  const watcher = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) load();
  }, { root: root.querySelector('.events-panel'), rootMargin: '600px' });
  watcher.observe(more);
  // A linked event may be on a later page.
  while (current.event && next !== null && !root.querySelector('[aria-current]')) await load();

  const live = follow({
    params: [['session', id], ...scope],
    after: first.last_seq,
    deliver: (messages) => view.add(messages.flatMap((message) => message.events ?? []).map((stored) => stored.event)),
  });
  const stopKeys = listenKeys({ p: () => live.toggle() });

  function actions() {
    const file = (name, label, params) => h('a', { class: 'button', href: at(name, params).href, download: '' }, label);
    const mine = [['session', id], ...scope];
    const link = copyButton(() => location.href, 'Copy link to this view', 'Copy link');
    link.classList.add('button');
    const list = [
      link,
      file(`${path}/export.html`, 'HTML', []),
      file('api/v1/export.ndjson', 'NDJSON', mine),
      file('api/v1/export.csv', 'CSV', mine),
    ];
    if (!about.read_only) {
      list.push(h('button', { type: 'button', class: 'danger', onclick: remove }, 'Delete'));
    }
    return list;
  }

  async function remove() {
    if (!confirm(`Delete all events of this session (${session.event_count})? This cannot be undone.`)) return;
    try {
      await send('DELETE', path);
      navigate('./');
    } catch (error) {
      alert(error.message);
    }
  }

  return () => {
    watcher.disconnect();
    stopKeys();
    live.close();
    view.destroy();
  };
}
