// One session as a list of events beside the details of one of them. Fed by a server or by an exported file.

import { bolt, fill, h, svg } from './dom.js';
import { count, dateTime, duration, micros, offset, plural } from './format.js';
import { arrange, badgeOf, countsOf, pauses, previewOf, visible } from './model.js';
import { detail } from './detail.js';
import { listenKeys } from './keys.js';

/** Rows drawn before the rest, so that a reader of a long session sees its beginning at once. */
const FIRST = 100;

/**
 * Builds the view in `root`.
 * @param {HTMLElement} root
 * @param {{session: any, events: any[], state: any, traceUrl: string | null, actions?: Node[], href: (id: string) => string, tagHref: ((key: string, value: string) => string) | null, changed: (state: any) => void}} options
 */
export function timeline(root, options) {
  const { session } = options;
  const state = { event: null, q: '', errors: false, custom: false, noise: false, ...options.state };
  let events = new Map(options.events.map((event) => [event.id, event]));
  let rows = [];
  let shown = [];
  let marked = null;
  let later = 0;
  const items = new Map();

  const facts = h('dl', { class: 'facts session-facts' });
  const strip = h('div', { class: 'strip' });
  const list = h('ol', { class: 'events', 'aria-label': 'Events' });
  const empty = h('p', { class: 'empty', hidden: true }, 'No event matches.');
  const scroller = h('div', { class: 'events-panel' }, list, empty);
  const pane = h('aside', { class: 'detail', tabindex: '-1', 'aria-label': 'Event details' });
  const search = h('input', { type: 'search', placeholder: 'Search in this session', 'aria-label': 'Search in this session', value: state.q });
  const tally = h('span', { class: 'tally', role: 'status' });
  const toggles = [
    toggle('errors', 'Errors only'), toggle('custom', 'Custom only'), toggle('noise', 'Listing calls', 'Show tools/list and other listing calls'),
  ];
  const previous = h('button', { type: 'button', title: 'Previous error (E)', onclick: () => step(-1, true) }, '‹ error');
  const next = h('button', { type: 'button', title: 'Next error (e)', onclick: () => step(1, true) }, 'error ›');
  previous.setAttribute('aria-label', 'Previous error');
  next.setAttribute('aria-label', 'Next error');

  search.addEventListener('input', () => set({ q: search.value }));
  list.addEventListener('click', (click) => {
    const id = click.target.closest('.row a')?.parentElement.dataset.id;
    if (id === undefined || click.metaKey || click.ctrlKey || click.shiftKey) return;
    click.preventDefault();
    select(id, true);
  });
  list.addEventListener('mouseover', ({ target }) => {
    const time = target.closest('time');
    if (time && time.title === '') time.title = dateTime(time.dateTime);
  });
  fill(root,
    h('section', { class: 'session-head' },
      h('div', { class: 'session-title' },
        h('h1', null, session.stateless ? 'Events without a session' : h('code', null, session.session_id)),
        h('div', { class: 'actions' }, options.actions ?? [])),
      facts, strip),
    h('div', { class: 'tools' }, search, toggles, h('span', { class: 'pair' }, previous, next), tally),
    h('div', { class: 'split' }, scroller, pane));

  function toggle(name, label, title) {
    const button = h('button', { type: 'button', class: 'toggle', 'aria-pressed': String(state[name]), title: title ?? label }, label);
    button.addEventListener('click', () => {
      set({ [name]: !state[name] });
      button.setAttribute('aria-pressed', String(state[name]));
    });
    button.dataset.toggle = name;
    return button;
  }

  function set(change) {
    Object.assign(state, change);
    render();
    options.changed({ ...state });
  }

  function render() {
    const all = [...events.values()];
    rows = arrange(all);
    shown = visible(rows, { noise: state.noise, text: state.q, errors: state.errors, custom: state.custom });
    // A deep link is shown whatever the filters say.
    if (state.event && !shown.some((row) => row.event.id === state.event)) {
      shown = rows.filter((row) => row.event.id === state.event || shown.includes(row));
    }
    const longest = rows.reduce((most, row) => Math.max(most, Number(row.event.duration) || 0), 0);
    const held = document.activeElement;
    const heldRow = held instanceof HTMLElement ? held.closest('li[data-id]') : null;
    const top = scroller.scrollTop;
    const gaps = pauses(shown);
    const lines = (from, to) => shown.slice(from, to).flatMap((row, at) => {
      const gap = gaps[from + at];
      const line = item(row, longest);
      return gap > 0 ? [h('li', { class: 'gap' }, h('span', null, `${duration(gap)} pause`)), line] : [line];
    });
    clearTimeout(later);
    if (items.size === 0 && !state.event && shown.length > FIRST) {
      list.replaceChildren(...lines(0, FIRST));
      later = setTimeout(() => list.append(...lines(FIRST)));
    } else {
      list.replaceChildren(...lines(0));
    }
    empty.hidden = shown.length > 0;
    scroller.scrollTop = top;
    if (heldRow) items.get(heldRow.dataset.id)?.node.querySelector('a')?.focus({ preventScroll: true });
    const hidden = rows.length - shown.length;
    tally.textContent = hidden > 0 ? `${count(shown.length)} of ${plural(rows.length, 'event')}` : plural(rows.length, 'event');
    const errors = rows.some((row) => row.event.is_error);
    previous.disabled = !errors;
    next.disabled = !errors;
    head(all);
    mark();
  }

  function item(row, longest) {
    const { event, depth } = row;
    const key = `${depth}|${row.offset}|${longest}`;
    const held = items.get(event.id);
    if (held && held.key === key && held.event === event) return held.node;
    const kind = event.kind;
    const bar = h('span', { class: 'bar', 'aria-hidden': 'true' }, h('i'));
    const share = longest > 0 && event.duration > 0 ? Math.log1p(event.duration) / Math.log1p(longest) : 0;
    bar.firstChild.style.setProperty('--share', String(Math.max(share, event.duration > 0 ? 0.04 : 0)));
    const preview = previewOf(event);
    const link = h('a', { href: options.href(event.id) },
      h('time', { class: 'offset', datetime: event.timestamp }, offset(row.offset)),
      h('span', { class: `badge b-${kind}` }, badgeOf(event)),
      h('span', { class: 'what' },
        h('span', { class: 'label' }, kind === 'custom' ? bolt() : null, event.label),
        event.is_error ? h('span', { class: 'failed' }, 'failed') : null,
        preview ? h('span', { class: 'preview' }, preview) : null),
      h('span', { class: 'took' }, bar, h('span', null, duration(event.duration))));
    const node = h('li', { 'data-id': event.id, class: `row k-${kind}${event.is_error ? ' is-error' : ''}${depth > 0 ? ' is-nested' : ''}` }, link);
    node.style.setProperty('--depth', String(Math.min(depth, 12)));
    items.set(event.id, { key, event, node });
    return node;
  }

  function head(all) {
    const counts = countsOf(all);
    const start = rows.reduce((least, row) => Math.min(least, row.at), Infinity);
    const end = rows.reduce((most, row) => Math.max(most, row.at + (Number(row.event.duration) || 0) * 1000), -Infinity);
    const took = rows.length > 0 ? (end - start) / 1000 : 0;
    const pair = (name, value) => (value ? h('div', null, h('dt', null, name), h('dd', null, value)) : null);
    const named = [session.actor_name, session.actor_id].filter(Boolean);
    const version = (name, number) => (name ? [name, number ? h('span', { class: 'quiet' }, ` ${number}`) : null] : null);
    fill(facts,
      pair('Who', named.length > 0 ? [named[0], named[1] && named[1] !== named[0] ? h('span', { class: 'quiet' }, ` ${named[1]}`) : null] : 'anonymous'),
      pair('Client', version(session.client_name, session.client_version)),
      pair('Server', version(session.server_name, session.server_version)),
      pair('Project', session.project_id),
      pair('Started', rows.length > 0 ? dateTime(rows[0].event.timestamp) : ''),
      pair('Lasted', rows.length > 0 ? duration(took) : ''),
      pair('Tool calls', count(counts.tools)),
      pair('Custom', [bolt(), count(counts.custom)]),
      pair('Errors', counts.errors > 0 ? h('strong', { class: 'bad' }, count(counts.errors)) : '0'));
    drawStrip(start, Math.max(took * 1000, 1));
  }

  /** The whole session at a glance: one mark an event, errors taller. */
  function drawStrip(start, length) {
    const drawing = svg('svg', { viewBox: '0 0 1000 28', preserveAspectRatio: 'none', role: 'img', 'aria-label': 'Events over the time of the session' });
    const step = Math.max(1, Math.ceil(rows.length / 2000));
    // One path a kind: a rectangle an event would cost more than the list beneath.
    const paths = new Map();
    rows.forEach((row, at) => {
      if (at % step !== 0 && !row.event.is_error) return;
      const x = ((row.at - start) / length) * 994;
      const width = Math.max(2, (((Number(row.event.duration) || 0) * 1000) / length) * 994);
      const kind = row.event.is_error ? 'error' : row.event.kind;
      const tall = row.event.is_error ? 28 : kind === 'custom' ? 22 : 14;
      const w = Math.min(width, 997 - x).toFixed(2);
      paths.set(kind, `${paths.get(kind) ?? ''}M${x.toFixed(2)} ${28 - tall}h${w}v${tall}h-${w}z`);
    });
    for (const kind of ['other', 'list', 'protocol', 'identify', 'tool', 'custom', 'error']) {
      if (paths.has(kind)) drawing.append(svg('path', { d: paths.get(kind), class: `s-${kind}` }));
    }
    fill(strip, drawing);
  }

  /** Shows which event is chosen, and its details. */
  function mark() {
    marked?.removeAttribute('aria-current');
    marked = null;
    const row = rows.find(({ event }) => event.id === state.event);
    root.classList.toggle('has-detail', Boolean(row));
    if (!row) {
      if (pane.dataset.id !== '') fill(pane, h('p', { class: 'empty' }, 'Choose an event to see its parameters, response and errors.'));
      pane.dataset.id = '';
      return;
    }
    marked = items.get(row.event.id)?.node.querySelector('a') ?? null;
    marked?.setAttribute('aria-current', 'true');
    if (pane.dataset.id === row.event.id && pane.shownEvent === row.event) return;
    pane.dataset.id = row.event.id;
    pane.shownEvent = row.event;
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close details', onclick: () => select(null) }, '×');
    fill(pane, close, detail(row.event, {
      start: rows[0].at,
      traceUrl: options.traceUrl,
      parent: events.get(row.event.parent_id) ?? null,
      children: rows.filter((other) => other.event.parent_id === row.event.id).map((other) => other.event),
      open: (id) => select(id, true),
      tagHref: options.tagHref,
    }));
    pane.scrollTop = 0;
  }

  function select(id, focus = false) {
    state.event = id;
    render();
    options.changed({ ...state });
    const link = id === null ? null : items.get(id)?.node.querySelector('a');
    link?.scrollIntoView({ block: 'nearest' });
    if (focus) link?.focus({ preventScroll: true });
  }

  /** Moves the choice down or up, to the next error if asked. */
  function step(direction, error = false) {
    const candidates = error ? rows.filter((row) => row.event.is_error) : shown;
    if (candidates.length === 0) return;
    const order = error ? rows : shown;
    const place = new Map(order.map((row, at) => [row.event.id, at]));
    const here = place.get(state.event) ?? -1;
    let target;
    if (here < 0) target = direction > 0 ? candidates[0] : candidates[candidates.length - 1];
    else if (direction > 0) target = candidates.find((row) => place.get(row.event.id) > here);
    else target = candidates.findLast((row) => place.get(row.event.id) < here);
    if (target) select(target.event.id, true);
  }

  const stopKeys = listenKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    e: () => step(1, true),
    E: () => step(-1, true),
    '/': () => search.focus(),
    t: () => toggles[2].click(),
    Enter: () => { if (state.event) pane.focus(); else step(1); },
    Escape: () => {
      if (document.activeElement === search) search.blur();
      else if (state.event) select(null);
    },
  });

  render();
  if (state.event) items.get(state.event)?.node.scrollIntoView({ block: 'center' });

  return {
    /** Adds events that have arrived; stays at the end when the reader is there. */
    add(more) {
      const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
      for (const event of more) events.set(event.id, event);
      render();
      if (atEnd && !state.event) scroller.scrollTop = scroller.scrollHeight;
    },
    count: () => events.size,
    destroy() {
      stopKeys();
      clearTimeout(later);
      events = new Map();
    },
  };
}

/** The whole page of an exported file. */
export function showExport(data) {
  const root = document.getElementById('main');
  document.title = `MCP session ${data.session.session_id}`;
  const events = data.events;
  timeline(root, {
    session: data.session,
    events,
    state: { event: location.hash.slice(1) || null },
    traceUrl: data.trace_url,
    actions: [h('span', { class: 'quiet' }, data.cut ? 'exported; the last events are cut' : 'exported')],
    href: (id) => `#${id}`,
    tagHref: null,
    changed: () => {},
  });
}
