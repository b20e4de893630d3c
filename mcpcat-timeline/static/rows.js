// The part of a session's list that stands in the document. It grows at both ends as the reader comes near, jumps to where it
// is sent, and draws only what has changed. Lines that are loaded stay real elements, so that the browser's own search finds
// them and screen readers can walk them. They stand in blocks: the browser passes over a block that is out of sight as a whole,
// where it would look at each of thousands of rows in every frame.

import { fill, h } from './dom.js';
import { count } from './format.js';
import { drawLine, signature } from './row.js';

/** Lines added at a time. */
const CHUNK = 500;
/** Lines of a block. */
const BLOCK = 50;
/** Lines drawn before the rest, so that the first screen does not wait for them. */
const FIRST = 80;

/**
 * @param {{scroller: HTMLElement, outline: any, source: any, href: (id: string) => string, words: () => string, critical: () => Set<number>, failed: (error: Error) => void}} options
 */
export function rowWindow({ scroller, outline, source, href, words, critical, failed }) {
  const list = h('div', { class: 'events', role: 'tree', 'aria-label': 'Events' });
  let blocks = new Map();
  const before = h('button', { type: 'button', class: 'more-rows', onclick: () => grow(-1) });
  const after = h('button', { type: 'button', class: 'more-rows', onclick: () => grow(1) });
  const [head, foot] = [h('div', { class: 'more-events', hidden: true }, before), h('div', { class: 'more-events', hidden: true }, after)];
  fill(scroller, head, list, foot);
  let lines = [];
  let place = new Map();
  let [from, to] = [0, 0];
  let drawn = new Map();
  let current = null;
  let tabbed = null;
  let turn = 0;

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) grow(entry.target === head ? -1 : 1);
    // Seen from the window: on small screens the page scrolls and not the list.
  }, { rootMargin: '600px', scrollMargin: '600px' });
  near.observe(head);
  near.observe(foot);

  const loaded = new Map();
  function element(line) {
    const row = line.run ? undefined : loaded.get(outline.seq[line.at]);
    const cause = outline.error[line.at] ? outline.causeOf(line.at) : line.at;
    const causeRow = cause === line.at ? row : loaded.get(outline.seq[cause]);
    const onPath = critical().has(line.at);
    const mark = `${signature(outline, line, row, onPath)}|${causeRow ? 1 : 0}`;
    const held = drawn.get(line.key);
    if (held && held.mark === mark) return held.node;
    const node = drawLine(outline, line, row, { href, critical: onPath, causeRow });
    if (held?.node.isConnected) {
      // The focus must not fall out of a row that is drawn again.
      const focused = held.node.contains(document.activeElement);
      held.node.replaceWith(node);
      if (tabbed === held.node.firstChild || held.node.querySelector('a') === tabbed) tabbed = null;
      drawn.set(line.key, { mark, node });
      if (focused) node.querySelector('a').focus({ preventScroll: true });
      if (current === line.key) choose(line.key);
      return node;
    }
    drawn.set(line.key, { mark, node });
    return node;
  }

  /** Brings the document in step with the lines from `from` to `to`. */
  function draw() {
    const focused = document.activeElement?.closest?.('.row')?.dataset.key;
    const held = blocks;
    blocks = new Map();
    const keep = new Set();
    for (let n = from; n < to; n += 1) {
      const number = Math.floor(n / BLOCK);
      if (!blocks.has(number)) blocks.set(number, { box: held.get(number)?.box ?? h('ol', { class: 'block', role: 'none' }), nodes: new Set() });
      blocks.get(number).nodes.add(element(lines[n]));
      keep.add(lines[n].key);
    }
    inStep(list, new Set([...blocks.values()].map(({ box }) => box)));
    for (const { box, nodes } of blocks.values()) inStep(box, nodes);
    if (drawn.size > keep.size) for (const key of drawn.keys()) if (!keep.has(key)) drawn.delete(key);
    // A row that goes on to the next block loses the focus on the way.
    if (focused !== undefined && drawn.has(focused) && !list.contains(document.activeElement)) drawn.get(focused).node.querySelector('a').focus({ preventScroll: true });
    head.hidden = from === 0;
    foot.hidden = to >= lines.length;
    before.textContent = `${count(from)} earlier`;
    after.textContent = `${count(lines.length - to)} more`;
    tab();
  }

  /** One stop for the Tab key: the chosen line, else the first. */
  function tab() {
    const line = current !== null && drawn.has(current) ? drawn.get(current).node : list.querySelector('.row');
    const link = line?.querySelector('a') ?? null;
    if (link === tabbed) return;
    tabbed?.setAttribute('tabindex', '-1');
    tabbed = link;
    tabbed?.setAttribute('tabindex', '0');
  }

  /** Fetches what the rows from `a` to `b` say, and draws it into them. */
  async function load(a = from, b = to) {
    const mine = turn;
    const wanted = new Set();
    for (const line of lines.slice(a, b)) {
      if (line.run) continue;
      wanted.add(outline.seq[line.at]);
      if (outline.error[line.at]) wanted.add(outline.seq[outline.causeOf(line.at)]);
    }
    const missing = [...wanted].filter((seq) => !loaded.has(seq));
    if (missing.length === 0) return;
    try {
      const held = await source.rows(missing, words());
      if (mine !== turn) return;
      for (const seq of missing) if (held.has(seq)) loaded.set(seq, held.get(seq));
      for (const line of lines.slice(Math.max(a, from), Math.min(b, to))) if (drawn.has(line.key)) element(line);
      tab();
    } catch (error) {
      if (error.name !== 'AbortError') failed(error);
    }
  }

  let growing = false;
  async function grow(direction) {
    if (growing || (direction < 0 ? from === 0 : to >= lines.length)) return;
    growing = true;
    const [a, b] = direction < 0 ? [Math.max(0, from - CHUNK), from] : [to, Math.min(lines.length, to + CHUNK)];
    if (direction < 0) {
      const height = scroller.scrollHeight - scroller.scrollTop;
      from = a;
      draw();
      scroller.scrollTop = scroller.scrollHeight - height;
    } else {
      to = b;
      draw();
    }
    load(a, b);
    // One chunk a frame, so that what is in sight is drawn between two of them.
    await new Promise((done) => requestAnimationFrame(done));
    growing = false;
    // A short chunk may leave the end in sight, which is no new event for the observer.
    near.unobserve(direction < 0 ? head : foot);
    near.observe(direction < 0 ? head : foot);
  }

  function choose(key) {
    const was = current === null ? null : drawn.get(current)?.node.querySelector('a');
    was?.removeAttribute('aria-current');
    was?.setAttribute('aria-selected', 'false');
    current = key;
    const link = key === null ? null : drawn.get(key)?.node.querySelector('a') ?? null;
    link?.setAttribute('aria-current', 'true');
    link?.setAttribute('aria-selected', 'true');
    tab();
    return link;
  }

  return {
    list,
    /** Shows other lines, from the first or around the one of `key`; `keep` leaves the reader where he is. */
    show(next, { keep = false, words: changed = false, key = null } = {}) {
      turn += 1;
      if (changed) loaded.clear();
      const size = to - from;
      const atEnd = to >= lines.length;
      lines = next;
      place = new Map(lines.map((line, n) => [line.key, n]));
      if (keep) {
        from = Math.min(from, Math.max(0, lines.length - 1));
        to = Math.min(lines.length, from + (atEnd ? Math.max(size + CHUNK, CHUNK) : Math.max(size, CHUNK)));
        draw();
        load();
        return;
      }
      const wanted = key === null ? 0 : place.get(key) ?? 0;
      if (wanted >= FIRST) {
        [from, to] = [wanted - FIRST, Math.min(lines.length, wanted + FIRST)];
        draw();
        load();
        return;
      }
      [from, to] = [0, Math.min(lines.length, FIRST)];
      draw();
      scroller.scrollTop = 0;
      const mine = turn;
      load().then(() => requestAnimationFrame(() => {
        if (mine !== turn || from !== 0 || to !== Math.min(lines.length, FIRST)) return;
        to = Math.min(lines.length, CHUNK);
        draw();
        load();
      }));
    },
    /** Chooses a line, brings it into the document and into sight; `null` chooses none. Returns its link. */
    goTo(key, { focus = false, block = 'nearest' } = {}) {
      const n = key === null ? undefined : place.get(key);
      if (n === undefined) return choose(null);
      if (n < from || n >= to) {
        if (n >= to && n < to + CHUNK) to = Math.min(lines.length, n + CHUNK);
        else if (n < from && n >= from - CHUNK) from = Math.max(0, n - CHUNK);
        else [from, to] = [Math.max(0, n - FIRST), Math.min(lines.length, n + FIRST)];
        draw();
        load();
      }
      const link = choose(key);
      link?.scrollIntoView({ block });
      if (focus) link?.focus({ preventScroll: true });
      return link;
    },
    place: (key) => place.get(key) ?? -1,
    line: (n) => lines[n],
    get size() { return lines.length; },
    get drawn() { return to - from; },
    put(rows) { for (const row of rows) loaded.set(row.seq, row); },
    redraw: draw,
    /** Draws every line, for print. */
    async all() {
      [from, to] = [0, lines.length];
      draw();
      await load();
    },
    destroy() { near.disconnect(); turn += 1; },
  };
}

/** Makes `wanted` the children of `parent`, in order, with as few moves as may be. */
function inStep(parent, wanted) {
  let here = parent.firstElementChild;
  const skip = () => {
    while (here && !wanted.has(here)) {
      const gone = here;
      here = here.nextElementSibling;
      gone.remove();
    }
  };
  for (const node of wanted) {
    skip();
    if (node === here) here = here.nextElementSibling;
    else parent.insertBefore(node, here);
  }
  while (here) {
    const gone = here;
    here = here.nextElementSibling;
    gone.remove();
  }
}
