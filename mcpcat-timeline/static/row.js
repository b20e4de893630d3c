// One line of a session's list.

import { bolt, h } from './dom.js';
import { count, duration, isoTime, offset, plural, preciseTime } from './format.js';
import { badgeOf, errorLine, previewOf } from './model.js';
import { DOUBTS } from './outline.js';

/** What is doubtful about an event, in words. */
export function doubtsOf(bits) {
  return DOUBTS.filter(([bit]) => (bits & bit) !== 0).map(([, words]) => words);
}

/** All that the looks of a line depend on; two lines of the same signature are the same element. */
export function signature(outline, line, row, critical) {
  const { at } = line;
  return [line.depth, line.pause, line.run?.length ?? 0, line.open ? 1 : 0, outline.doubt[at], outline.missingBefore.get(at) ?? 0, row ? 1 : 0,
    row?.hit ? row.hit.join('') : '', critical ? 1 : 0, outline.children[at]?.length ?? 0, outline.error[at] ? outline.causeOf(at) : '', outline.failedAbove(at) ? 1 : 0].join('|');
}

/** A line as an element. `row` is the event when it is loaded already. */
export function drawLine(outline, line, row, { href, critical, causeRow }) {
  const { at } = line;
  const kind = outline.kind[at];
  const failed = outline.error[at] === 1;
  const nested = failed && outline.failedAbove(at);
  const last = line.run ? line.run[line.run.length - 1] : at;
  const bar = h('i', { class: critical ? 'is-critical' : null });
  bar.style.setProperty('--a', String(outline.at[at] / 1000));
  bar.style.setProperty('--w', String(Math.max(0, outline.end(last) - outline.at[at]) / 1000));
  const doubts = doubtsOf(outline.doubt[at]);
  const missing = outline.missingBefore.get(at);
  const folded = Boolean(line.run);
  const cause = failed ? outline.causeOf(at) : at;
  const words = row ? previewOf(row.event, kind) + (cause !== at && causeRow ? ` · because ${outline.label[cause]}: ${errorLine(causeRow.event)}` : '') : '';
  const preview = row?.hit
    ? h('span', { class: 'preview hit' }, '…', row.hit[0], h('mark', null, row.hit[1]), row.hit[2], '…')
    : words !== '' && !folded && !line.open ? h('span', { class: 'preview' }, words) : null;
  const started = outline.start + outline.at[at];
  const link = h('a', {
    href: href(outline.id[at]), role: 'treeitem', tabindex: '-1', 'aria-level': String(line.depth + 1), 'aria-selected': 'false',
    'aria-expanded': folded ? 'false' : line.open ? 'true' : null,
  },
  line.pause > 0 ? h('span', { class: 'gap' }, h('span', null, `${duration(line.pause / 1000)} pause`)) : null,
  missing ? h('span', { class: 'gap is-missing' }, h('span', null, `${plural(missing, 'event')} missing here`)) : null,
  h('time', { class: 'offset', datetime: isoTime(started), title: preciseTime(started) }, offset(outline.at[at])),
  h('span', { class: `badge b-${kind}` }, badgeOf(kind, row?.event.event_type)),
  h('span', { class: 'what' },
    h('span', { class: 'label' }, kind === 'custom' ? bolt() : null, outline.label[at], folded || line.open ? ` × ${count(line.run?.length ?? line.length)}` : null),
    failed ? h('span', { class: nested ? 'failed is-cause' : 'failed' }, nested ? 'cause' : 'failed') : null,
    doubts.length > 0 ? h('span', { class: 'doubt', title: doubts.join('; ') }, 'suspect') : null,
    folded ? h('span', { class: 'preview' }, `over ${duration((outline.end(last) - outline.at[at]) / 1000)}`) : preview),
  h('span', { class: 'lane', 'aria-hidden': 'true' }, bar),
  h('span', { class: 'took' }, folded || outline.took[at] === null ? '' : duration(outline.took[at] / 1000)));
  const node = h('li', {
    class: `row k-${kind}${failed && !nested ? ' is-error' : ''}${nested ? ' is-cause-row' : ''}${line.depth > 0 ? ' is-nested' : ''}${folded ? ' is-run' : ''}`,
    role: 'none', 'data-id': outline.id[at], 'data-key': line.key,
  }, link);
  node.style.setProperty('--depth', String(Math.min(line.depth, 12)));
  return node;
}
