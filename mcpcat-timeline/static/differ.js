// What is not the same in two JSON values, by the path to it. No document in here.

import { jsonText, Num, sameJson } from './json.js';

/** Most differences told. */
const MOST_DIFFERENCES = 200;

/** @returns {{path: string, before: string | null, after: string | null}[]} `null` where a side has nothing there */
export function differences(before, after) {
  const out = [];
  const walk = (a, b, path) => {
    if (out.length >= MOST_DIFFERENCES || sameJson(a, b)) return;
    const open = (value) => value !== null && typeof value === 'object' && !(value instanceof Num);
    if (!open(a) || !open(b) || Array.isArray(a) !== Array.isArray(b)) {
      out.push({ path: path === '' ? '(all)' : path, before: a === undefined ? null : jsonText(a), after: b === undefined ? null : jsonText(b) });
      return;
    }
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      walk(Object.hasOwn(a, key) ? a[key] : undefined, Object.hasOwn(b, key) ? b[key] : undefined, path === '' ? key : `${path}.${key}`);
    }
  };
  walk(before, after, '');
  return out;
}

/** Places in a value whose key or text holds the words: `{path, text}`. */
export function placesOf(value, words) {
  const needle = words.toLowerCase();
  const out = [];
  const walk = (here, path, key) => {
    if (out.length >= MOST_DIFFERENCES) return;
    if (here !== null && typeof here === 'object' && !(here instanceof Num)) {
      if (key.toLowerCase().includes(needle)) out.push({ path, text: '' });
      for (const [name, member] of Object.entries(here)) walk(member, path === '' ? name : `${path}.${name}`, name);
      return;
    }
    const text = typeof here === 'string' ? here : jsonText(here);
    const at = text.toLowerCase().indexOf(needle);
    if (at >= 0) out.push({ path, text: text.slice(Math.max(0, at - 40), at + needle.length + 60) });
    else if (key.toLowerCase().includes(needle)) out.push({ path, text: text.slice(0, 100) });
  };
  walk(value, '', '');
  return out;
}
