// JSON as a tree that opens where one looks. Closed parts are not built until they are opened.

import { h } from './dom.js';

/** Levels open at first. */
const OPEN = 4;
/** Parts with more members than this stay closed. */
const WIDE = 30;
/** Members shown at a time. */
const MEMBERS = 100;

/** A JSON value as elements. */
export function tree(value) {
  const root = h('div', { class: 'tree' });
  if (value === null || typeof value !== 'object') root.append(node(null, value, 0));
  else more(root, entriesOf(value), 0);
  return root;
}

function node(key, value, depth) {
  const name = key === null ? null : [h('span', { class: 'key' }, key), h('span', { class: 'punct' }, ': ')];
  if (value === null || typeof value !== 'object') return h('div', { class: 'leaf' }, name, leaf(value));
  const list = Array.isArray(value);
  const size = list ? value.length : Object.keys(value).length;
  if (size === 0) return h('div', { class: 'leaf' }, name, h('span', { class: 'punct' }, list ? '[]' : '{}'));
  const summary = h('summary', null, name, h('span', { class: 'size' }, list ? `[${size}]` : `{${size}}`));
  const details = h('details', null, summary);
  const body = h('div', { class: 'members' });
  details.append(body);
  let built = false;
  const build = () => {
    if (built) return;
    built = true;
    more(body, entriesOf(value), depth + 1);
  };
  details.addEventListener('toggle', () => { if (details.open) build(); });
  if (depth < OPEN && size <= WIDE) {
    details.open = true;
    build();
  }
  return details;
}

function entriesOf(value) {
  return Array.isArray(value) ? value.map((item, at) => [String(at), item]) : Object.entries(value);
}

function more(body, entries, depth) {
  const [now, later] = [entries.slice(0, MEMBERS), entries.slice(MEMBERS)];
  for (const [key, value] of now) body.append(node(key, value, depth));
  if (later.length > 0) {
    const button = h('button', { type: 'button', class: 'link' }, `${later.length} more`);
    button.addEventListener('click', () => {
      button.remove();
      more(body, later, depth);
    });
    body.append(button);
  }
}

/** Texts longer than this are cut until asked for. */
const LONG = 2000;

function leaf(value) {
  if (typeof value !== 'string') return h('span', { class: `v-${value === null ? 'null' : typeof value}` }, String(value));
  const span = h('span', { class: 'v-string' }, value.length > LONG ? value.slice(0, LONG) : value);
  if (value.length <= LONG) return span;
  const button = h('button', { type: 'button', class: 'link' }, `… ${value.length - LONG} more characters`);
  button.addEventListener('click', () => {
    span.textContent = value;
    button.remove();
  });
  return [span, button];
}
