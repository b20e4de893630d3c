// One session as a list of events on a time axis beside the details of one of them. Fed by a server or by an exported file.

import { ruler } from './axis.js';
import { fill, h } from './dom.js';
import { count, plural } from './format.js';
import { sessionHead } from './head.js';
import { listenKeys } from './keys.js';
import { linesOf } from './lines.js';
import { detailPane } from './pane.js';
import { sessionPath } from './paths.js';
import { rowWindow } from './rows.js';
import { wordSearch } from './search.js';
import { strip } from './strip.js';

/** What an address can say of a session's view. */
export const FRESH = { event: null, q: '', errors: false, custom: false, noise: false, flat: false, from: 0, to: Infinity };

/**
 * Builds the view in `root`.
 * @param {HTMLElement} root
 * @param {{session: any, outline: any, source: any, state: any, traceUrl: string | null, actions?: Node[], href: (id: string) => string, tagHref: any, changed: (state: any) => void, failed: (error: Error) => void}} options
 */
export function timeline(root, options) {
  const { session, outline, source } = options;
  const state = { ...FRESH, ...options.state };
  const view = { found: null, open: new Set() };
  let suspectFrom = -1;

  const search = h('input', { type: 'search', placeholder: 'Search in this session', 'aria-label': 'Search in this session', value: state.q });
  const tally = h('span', { class: 'tally', role: 'status' });
  const empty = h('div', { class: 'empty', hidden: true });
  const axis = h('div', { class: 'axis-line' });
  const scroller = h('div', { class: 'events-scroller', tabindex: '-1' });
  const toggles = {
    errors: toggle('errors', 'Errors only'),
    custom: toggle('custom', 'Custom only'),
    noise: toggle('noise', 'Listing calls', 'Show tools/list and other listing calls (t)'),
    flat: toggle('flat', 'Flat list', 'Every event by time, nothing nested or folded (f)'),
  };
  const errorButton = (name, text, title, direction) => h('button', { type: 'button', 'aria-label': name, title, onclick: () => nextError(direction) }, text);
  const previous = errorButton('Previous error', '‹ error', 'Previous error (E)', -1);
  const next = errorButton('Next error', 'error ›', 'Next error (e)', 1);

  const failed = options.failed;
  const rows = rowWindow({ scroller, outline, source, href: options.href, words: () => (view.found ? state.q.trim() : ''), critical: () => sessionPath(outline), failed });
  const pane = detailPane({ outline, source, traceUrl: options.traceUrl, tagHref: options.tagHref, open: (id) => select(id, { focus: true }), close: () => select(null, { focus: true }), failed });
  const head = sessionHead({ session, outline, actions: options.actions ?? [], suspects: nextSuspect });
  const brush = strip({ outline, zoomed: (from, to) => set({ from, to }) });
  const looking = wordSearch({ source, failed, found(seqs, words) {
    const changed = view.found !== null || seqs !== null;
    view.found = seqs;
    if (changed) list({ words: true });
    if (seqs !== null && seqs.size > 0 && state.event === null && words !== '') rows.goTo(rows.line(0)?.key ?? null);
  } });

  search.addEventListener('input', () => {
    state.q = search.value;
    options.changed({ ...state });
    looking.soon(state.q);
  });
  rows.list.addEventListener('click', (click) => {
    const row = click.target.closest('.row');
    if (!row || click.metaKey || click.ctrlKey || click.shiftKey || String(getSelection()) !== '') return;
    click.preventDefault();
    const line = rows.line(rows.place(row.dataset.key));
    // A key press on a link is a click without a pointer: it goes on to the details.
    if (line?.run || line?.open) fold(line);
    else select(row.dataset.id, { focus: true }).then(() => { if (click.detail === 0) pane.root.focus(); });
  });
  fill(root, head.root, brush.box,
    h('div', { class: 'tools' }, search, Object.values(toggles), h('span', { class: 'pair' }, previous, next), tally),
    h('div', { class: 'split' }, h('div', { class: 'events-panel' }, axis, empty, scroller), pane.root));

  function toggle(name, label, title) {
    const button = h('button', { type: 'button', class: 'toggle', 'aria-pressed': String(state[name]), title: title ?? label, 'data-toggle': name }, label);
    button.addEventListener('click', () => {
      set({ [name]: !state[name] });
      button.setAttribute('aria-pressed', String(state[name]));
    });
    return button;
  }

  function set(change) {
    Object.assign(state, change);
    list();
    options.changed({ ...state });
  }

  /** Works the lines out again and shows them; with `keep` the reader stays where he is. */
  function list({ keep = false, words = false } = {}) {
    const lines = linesOf(outline, { ...state, found: view.found, open: view.open });
    rows.show(lines, { keep, words, key: state.event });
    scale();
    const shown = lines.reduce((sum, line) => sum + (line.run ? line.run.length : line.open ? 0 : 1), 0);
    const all = outline.size;
    tally.textContent = shown === all ? plural(all, 'event') : `${count(shown)} of ${plural(all, 'event')}`;
    // The chosen event stays in the list although the words are not in it.
    const nothing = lines.length === 0 || view.found?.size === 0;
    empty.hidden = !nothing;
    if (nothing) fill(empty, h('p', null, all === 0 ? 'This session has no event yet.' : 'No event of this session matches.'), all === 0 ? null : h('button', { type: 'button', onclick: clear }, 'Show all events'));
    previous.disabled = outline.counts.errors === 0;
    next.disabled = outline.counts.errors === 0;
    if (!keep && state.event !== null) rows.goTo(state.event, { block: 'center' });
  }

  function clear() {
    search.value = '';
    view.found = null;
    Object.assign(state, { q: '', errors: false, custom: false, from: 0, to: Infinity });
    for (const [name, button] of Object.entries(toggles)) button.setAttribute('aria-pressed', String(state[name]));
    brush.set(0, Infinity);
  }

  function scale() {
    const [from, to] = brush.range();
    const length = Math.max(1, to - from);
    scroller.style.setProperty('--from', String(from / 1000));
    scroller.style.setProperty('--per', String(100_000 / length));
    // One name for about every eighty pixels.
    fill(axis, ruler(from, to, Math.max(2, Math.floor((axis.clientWidth * 0.3) / 80))));
  }

  /** Chooses an event, whatever the filters say. Resolves when its details stand. */
  async function select(id, { focus = false } = {}) {
    const was = state.event;
    state.event = id;
    const beside = root.classList.contains('has-detail');
    root.classList.toggle('has-detail', id !== null && outline.byId.has(id));
    if (beside !== root.classList.contains('has-detail')) scale();
    if (id !== null && rows.place(id) < 0 && outline.byId.has(id)) {
      const at = outline.at[outline.byId.get(id)];
      if (at > state.to || outline.end(outline.byId.get(id)) < state.from) {
        Object.assign(state, { from: 0, to: Infinity });
        brush.set(0, Infinity, false);
      }
      list({ keep: true });
    }
    const link = id === null ? rows.goTo(null) : rows.goTo(id, { focus });
    if (id === null && focus && was !== null) rows.list.querySelector('a[tabindex="0"]')?.focus({ preventScroll: true });
    options.changed({ ...state });
    const at = id === null ? undefined : outline.byId.get(id);
    await pane.show(at === undefined ? null : at);
    return link;
  }

  function fold(line) {
    if (view.open.has(line.key)) view.open.delete(line.key);
    else view.open.add(line.key);
    list({ keep: true });
    rows.goTo(line.key, { focus: true });
  }

  /** The line with the focus, or the chosen one. */
  function here() {
    const row = document.activeElement?.closest?.('.row');
    return rows.place(row?.dataset.key ?? state.event ?? '');
  }

  function step(direction) {
    const from = here();
    const to = from < 0 ? (direction > 0 ? 0 : rows.size - 1) : from + direction;
    goToLine(Math.max(0, Math.min(rows.size - 1, to)));
  }

  function goToLine(n) {
    const line = rows.line(n);
    if (!line) return;
    if (line.run || line.open) {
      if (state.event !== null) select(null);
      rows.goTo(line.key, { focus: true });
    } else select(outline.id[line.at], { focus: true });
  }

  /** The next failure of the session, loaded or not. */
  function nextError(direction) {
    nextWhere((at) => outline.error[at] === 1, direction);
  }

  function nextSuspect() {
    suspectFrom = nextWhere((at) => outline.doubt[at] !== 0, 1, suspectFrom);
  }

  function nextWhere(wanted, direction, from = -1) {
    const order = state.flat ? outline.order : outline.walk();
    const candidates = order.map((at, n) => [at, n]).filter(([at]) => wanted(at));
    if (candidates.length === 0) return -1;
    const chosen = outline.byId.get(state.event);
    const place = chosen === undefined ? from : order.indexOf(chosen);
    let found;
    if (place < 0) found = direction > 0 ? candidates[0] : candidates[candidates.length - 1];
    else if (direction > 0) found = candidates.find(([, n]) => n > place);
    else found = candidates.findLast(([, n]) => n < place);
    if (!found) return place;
    select(outline.id[found[0]], { focus: true });
    return found[1];
  }

  function zoom(factor) {
    const [from, to] = brush.range();
    const chosen = outline.byId.get(state.event);
    const middle = chosen === undefined ? (from + to) / 2 : outline.at[chosen];
    const half = Math.max(500, ((to - from) * factor) / 2);
    brush.set(middle - half, middle + half);
  }

  const stopKeys = listenKeys({
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    Home: () => goToLine(0), End: () => goToLine(rows.size - 1),
    ArrowRight: () => { const line = rows.line(here()); if (line?.run) fold(line); },
    ArrowLeft: () => {
      const line = rows.line(here());
      if (line?.open) fold(line);
      else if (line && !state.flat && outline.above[line.at] >= 0) select(outline.id[outline.above[line.at]], { focus: true });
    },
    e: () => nextError(1), E: () => nextError(-1),
    '/': () => search.focus(),
    t: () => toggles.noise.click(), f: () => toggles.flat.click(),
    '+': () => zoom(0.5), '-': () => zoom(2), 0: () => brush.set(0, Infinity),
    Enter: () => { if (state.event) pane.root.focus(); else step(1); },
    Escape: () => {
      if (document.activeElement === search) search.blur();
      else if (pane.root.contains(document.activeElement) && rows.place(state.event ?? '') >= 0) rows.goTo(state.event, { focus: true });
      else if (state.event) select(null, { focus: true });
    },
  });
  const printing = () => { rows.all(); };
  window.addEventListener('beforeprint', printing);

  list();
  brush.set(state.from, state.to, false);
  scale();
  if (state.from > 0 || state.to < Infinity) list();
  const ready = Promise.all([
    state.q === '' ? null : looking.now(state.q),
    state.event === null ? null : select(state.event).then(() => rows.goTo(state.event, { block: 'center' })),
  ]);

  return {
    ready,
    /** Adds events of the live tail; stays at the end when the reader is there. */
    add(messages) {
      const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
      source.put(messages);
      rows.put(messages);
      if (outline.add(messages) === 0) return;
      list({ keep: true });
      head.draw();
      brush.draw();
      scale();
      if (view.found) looking.soon(state.q);
      if (atEnd && !state.event) scroller.scrollTop = scroller.scrollHeight;
      if (state.event !== null && pane.root.dataset.id === undefined) select(state.event);
    },
    destroy() {
      stopKeys();
      looking.stop();
      pane.stop();
      rows.destroy();
      window.removeEventListener('beforeprint', printing);
    },
  };
}
