// What went wrong, with what caused it, and where.

import { h } from './dom.js';
import { jsonText } from './json.js';
import { tree } from './tree.js';

/** The part of the details that tells a failure; `cause` leads to the deepest failure inside. */
export function failure(event, cause) {
  const error = event.error;
  if (!event.is_error && (error === undefined || error === null)) return null;
  const box = h('section', { class: 'part failure', 'aria-label': 'Error' });
  if (typeof error === 'string') box.append(h('p', { class: 'failure-message' }, error));
  if (error === undefined || error === null) box.append(h('p', { class: 'failure-message' }, 'Marked as an error, without details.'));
  if (error !== null && typeof error === 'object') {
    const { type, message, stack, chained_errors: chained, frames, platform, ...rest } = error;
    box.append(h('p', { class: 'failure-message' },
      type ? h('code', { class: 'failure-type' }, String(type)) : null,
      typeof message === 'string' ? message : jsonText(message ?? error)));
    if (Array.isArray(chained) && chained.length > 0) {
      box.append(h('h3', null, 'Caused by'), h('ol', { class: 'chain' }, chained.map((link) => h('li', null,
        link?.type ? h('code', { class: 'failure-type' }, String(link.type)) : null,
        String(link?.message ?? (typeof link === 'string' ? link : jsonText(link))),
        typeof link?.stack === 'string' ? fold('Stack', h('pre', null, link.stack)) : null,
      ))));
    }
    if (Object.keys(rest).length > 0) box.append(tree(rest));
    if (typeof stack === 'string' && stack !== '') box.append(fold('Stack', h('pre', null, stack)));
    if (Array.isArray(frames) && frames.length > 0) box.append(fold(`Frames (${frames.length})`, tree(frames)));
    if (platform) box.append(h('p', { class: 'quiet' }, `reported by ${String(platform)}`));
  }
  if (cause) box.append(h('p', { class: 'deepest' }, 'It failed because of ', cause));
  return box;
}

export function fold(title, ...children) {
  return h('details', { class: 'more' }, h('summary', null, title), ...children);
}
