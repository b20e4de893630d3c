// JSON as a tree that opens where one looks. Closed parts are not built until they are opened.

import { h } from './dom.js';
import { jsonText, Num } from './json.js';

/** Levels open at first. */
const OPEN = 4;
/** Parts with more members than this stay closed. */
const WIDE = 30;
/** Members shown at a time. */
const MEMBERS = 100;
/** Texts longer than this are cut until asked for. */
const LONG = 2000;

/** A JSON value as elements. `changed` holds the paths of what differs from another value. */
export function tree(value, changed = null) {
  const root = h('div', { class: 'tree' });
  if (isLeaf(value)) root.append(treeNode(null, value, 0, '', changed));
  else moreMembers(root, entriesOf(value), 0, '', changed);
  return root;
}

function isLeaf(value) {
  return value === null || typeof value !== 'object' || value instanceof Num;
}

function treeNode(key, value, depth, path, changed) {
  const name = key === null ? null : [h('span', { class: 'key' }, key), h('span', { class: 'punct' }, ': ')];
  const mark = changed?.has(path) ? ' is-changed' : '';
  if (isLeaf(value)) return h('div', { class: `leaf${mark}` }, name, leaf(value));
  const list = Array.isArray(value);
  const size = list ? value.length : Object.keys(value).length;
  if (size === 0) return h('div', { class: `leaf${mark}` }, name, h('span', { class: 'punct' }, list ? '[]' : '{}'));
  const summary = h('summary', { class: mark.trim() || null }, name, h('span', { class: 'size' }, list ? `[${size}]` : `{${size}}`));
  const details = h('details', null, summary);
  const body = h('div', { class: 'members' });
  details.append(body);
  let built = false;
  const build = () => {
    if (built) return;
    built = true;
    moreMembers(body, entriesOf(value), depth + 1, path, changed);
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

function moreMembers(body, entries, depth, path, changed) {
  const [now, later] = [entries.slice(0, MEMBERS), entries.slice(MEMBERS)];
  for (const [key, value] of now) body.append(treeNode(key, value, depth, path === '' ? key : `${path}.${key}`, changed));
  if (later.length > 0) {
    const button = h('button', { type: 'button', class: 'link' }, `${later.length} more`);
    button.addEventListener('click', () => {
      button.remove();
      moreMembers(body, later, depth, path, changed);
    });
    body.append(button);
  }
}

function leaf(value) {
  if (value instanceof Num) return h('span', { class: 'v-number' }, value.source);
  if (typeof value !== 'string') return h('span', { class: `v-${value === null ? 'null' : typeof value}` }, jsonText(value));
  const span = h('span', { class: 'v-string' }, value.length > LONG ? value.slice(0, LONG) : value);
  if (value.length <= LONG) return span;
  const button = h('button', { type: 'button', class: 'link' }, `… ${value.length - LONG} more characters`);
  button.addEventListener('click', () => {
    span.textContent = value;
    button.remove();
  });
  return [span, button];
}
