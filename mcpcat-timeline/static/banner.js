// Says that the collector does not answer: since when, what to do, and that it is tried again. What is shown stays.

import { fill, h } from './dom.js';
import { clockTime } from './format.js';

const place = () => document.getElementById('banner');
let since = null;

/** The collector does not answer. */
export function lost() {
  if (since !== null) return;
  since = Date.now();
  const node = place();
  fill(node, h('strong', null, 'The timeline does not answer'), ` since ${clockTime(since)}. What you see is what was known then. It is tried again every few seconds; if it was stopped, start `,
    h('code', null, 'mcpcat-timeline'), ' again.');
  node.hidden = false;
}

/** It answers again. */
export function found() {
  if (since === null) return;
  since = null;
  place().hidden = true;
  fill(place());
}

export const isLost = () => since !== null;
