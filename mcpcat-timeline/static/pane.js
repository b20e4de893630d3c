// The pane beside the list: shows one event whole, and the call before it for comparison.

import { fill, h } from './dom.js';
import { detail } from './detail.js';

/** @param {{outline: any, source: any, traceUrl: string | null, tagHref: any, open: (id: string) => void, close: () => void, failed: (error: Error) => void}} options */
export function detailPane({ outline, source, traceUrl, tagHref, open, close, failed }) {
  const root = h('aside', { class: 'detail', tabindex: '-1', 'aria-label': 'Event details' });
  let turn = 0;
  const empty = () => fill(root, h('p', { class: 'empty' }, 'Choose an event to see its arguments, result and errors.'));
  empty();

  async function show(at) {
    const mine = ++turn;
    if (at === null) {
      delete root.dataset.id;
      empty();
      return;
    }
    root.dataset.id = outline.id[at];
    const beforeAt = outline.kind[at] === 'tool' ? outline.previousLike(at) : -1;
    try {
      const [row, before] = await Promise.all([
        source.whole(outline.seq[at]),
        beforeAt < 0 ? null : source.whole(outline.seq[beforeAt]),
      ]);
      if (mine !== turn) return;
      const shut = h('button', { type: 'button', class: 'close', 'aria-label': 'Close details', onclick: close }, '×');
      fill(root, shut, row === null
        ? h('p', { class: 'empty' }, 'This event is no longer kept.')
        : detail(row, { outline, at, before, beforeAt, traceUrl, tagHref, open }));
      root.scrollTop = 0;
    } catch (error) {
      if (mine === turn && error.name !== 'AbortError') failed(error);
    }
  }
  return { root, show, stop: () => { turn += 1; } };
}
