// The page of one session: loads it, keeps it live, keeps its state in the address.

import { at, get, send } from './api.js';
import { copyButton, h } from './dom.js';
import { plural } from './format.js';
import { storyOf } from './head.js';
import { listenKeys } from './keys.js';
import { follow } from './live.js';
import { Outline } from './outline.js';
import { serverSource } from './source.js';
import { timeline } from './timeline.js';

const FLAGS = ['errors', 'custom', 'noise', 'flat'];

/** Shows a session in `root`; returns what ends it. */
export async function showSession(root, id, query, { about: asked, navigate, signal, failed }) {
  const path = `api/v1/sessions/${encodeURIComponent(id)}`;
  const project = query.get('project');
  const scope = project ? [['project', project]] : [];
  const [about, { sessions }, data] = await Promise.all([asked, get(path, [], signal), get(`${path}/outline`, scope, signal)]);
  const session = sessions.find((row) => row.project_id === project) ?? sessions[0];
  const outline = new Outline(data);
  document.title = `${storyOf(session, outline).slice(0, 80)} · mcpcat timeline`;

  const [from, to] = (query.get('range') ?? '').split('-').map((ms) => Number(ms) * 1000);
  const state = {
    event: query.get('event'),
    q: query.get('q') ?? '',
    from: Number.isFinite(from) && query.has('range') ? from : 0,
    to: Number.isFinite(to) && to > 0 ? to : Infinity,
    ...Object.fromEntries(FLAGS.map((name) => [name, query.get(name) === '1'])),
  };
  const here = (current) => {
    const url = at(`sessions/${encodeURIComponent(id)}`, scope);
    if (current.event) url.searchParams.set('event', current.event);
    if (current.q) url.searchParams.set('q', current.q);
    for (const name of FLAGS) if (current[name]) url.searchParams.set(name, '1');
    if (current.from > 0 || current.to < Infinity) url.searchParams.set('range', `${Math.round(current.from / 1000)}-${Math.round(Math.min(current.to, outline.length) / 1000)}`);
    return url;
  };
  const bare = at(`sessions/${encodeURIComponent(id)}`, scope);
  const prefix = `${bare.href}${bare.search === '' ? '?' : '&'}event=`;
  let written = 0;
  const view = timeline(root, {
    session, outline, state, failed,
    source: serverSource(path, scope, signal),
    traceUrl: about.trace_url,
    actions: actions(),
    href: (event) => prefix + encodeURIComponent(event),
    tagHref: (key, value) => at('', [['tag', `${key}=${value}`]]).href,
    changed(current) {
      // A held key must not be slowed down, nor stopped by the browser's limit, through writing every step of it.
      cancelAnimationFrame(written);
      const url = here(current);
      written = requestAnimationFrame(() => history.replaceState(history.state, '', url));
    },
  });
  await view.ready;

  const live = follow({
    params: [['session', id], ...scope],
    after: data.last_seq,
    deliver: (messages) => view.add(messages.flatMap((message) => message.events ?? [])),
  });
  const stopKeys = listenKeys({ p: () => live.toggle() });

  function actions() {
    const file = (name, label, params) => h('a', { class: 'button', href: at(name, params).href, download: '' }, label);
    const mine = [['session', id], ...scope];
    const link = copyButton(() => location.href, 'Copy link to this view', 'Copy link');
    link.classList.add('button');
    const list = [
      link,
      h('a', { class: 'button', 'data-nav': true, href: at('compare', [['a', id], ...(project ? [['a_project', project]] : [])]).href }, 'Compare…'),
      file(`${path}/export.html`, 'HTML', scope),
      file('api/v1/export.ndjson', 'NDJSON', mine),
      file('api/v1/export.csv', 'CSV', mine),
    ];
    if (!about.read_only) list.push(h('button', { type: 'button', class: 'danger', onclick: remove }, 'Delete'));
    return list;
  }

  async function remove() {
    if (!confirm(`Delete all events of this session (${plural(outline.total, 'event')})? This cannot be undone.`)) return;
    try {
      await send('DELETE', `${path}?project=${encodeURIComponent(session.project_id)}`);
      navigate('./');
    } catch (error) {
      failed(error);
    }
  }

  return () => {
    stopKeys();
    cancelAnimationFrame(written);
    live.close();
    view.destroy();
  };
}
