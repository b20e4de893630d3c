// What a call was given and what it answered, as a reader wants it: text as text, JSON in a text as a tree, images as images.

import { copyButton, h } from './dom.js';
import { parseJson, prettyJson } from './json.js';
import { tree } from './tree.js';

/** Images that are shown; only data that came with the event, never an address. */
const IMAGES = /^image\/(png|jpeg|gif|webp|avif)$/;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;
/** Longer texts are cut until asked for. */
const SHOWN = 4000;

export function isEmpty(value) {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

/** A part of the details with a heading and a button that copies the value. */
export function payload(title, value, body) {
  if (isEmpty(value)) return null;
  return h('section', { class: 'part' },
    h('div', { class: 'part-head' }, h('h3', null, title),
      copyButton(() => (typeof value === 'string' ? value : prettyJson(value)), `Copy ${title.toLowerCase()}`)),
    body ?? tree(value));
}

/** The answer of a call without its wrapping; what is not content stays as it is. */
export function answer(value) {
  if (isEmpty(value)) return null;
  if (typeof value !== 'object') return payload('Result', value, words(String(value)));
  const content = Array.isArray(value.content) ? value.content : null;
  if (content === null) return payload('Result', value);
  const structured = value.structuredContent ?? value.structured_content;
  const rest = Object.fromEntries(Object.entries(value).filter(([key, member]) => !['content', 'structuredContent', 'structured_content', 'isError', 'is_error'].includes(key) && member !== null));
  return h('section', { class: 'part' },
    h('div', { class: 'part-head' }, h('h3', null, 'Result'), copyButton(() => prettyJson(value), 'Copy result')),
    content.map(block),
    isEmpty(structured) ? null : [h('h4', null, 'Structured content'), tree(structured)],
    isEmpty(rest) ? null : [h('h4', null, 'Beside the content'), tree(rest)]);
}

function block(item) {
  if (item?.type === 'text' && typeof item.text === 'string') return words(item.text);
  if (item?.type === 'image' && IMAGES.test(item.mimeType ?? item.mime_type ?? '') && typeof item.data === 'string' && BASE64.test(item.data)) {
    const media = item.mimeType ?? item.mime_type;
    return h('figure', { class: 'image' }, h('img', { src: `data:${media};base64,${item.data.replace(/\s/g, '')}`, alt: `Image of the result, ${media}` }));
  }
  if (item?.type === 'resource' && typeof item.resource?.text === 'string') return [h('p', { class: 'quiet' }, String(item.resource.uri ?? '')), words(item.resource.text)];
  return tree(item);
}

/** A text; when it is JSON, the tree of it and the text one click away. */
export function words(text) {
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) {
    try {
      return h('div', { class: 'block' }, tree(parseJson(trimmed)), h('details', { class: 'more' }, h('summary', null, 'As text'), h('pre', null, text)));
    } catch {
      // It only looks like JSON.
    }
  }
  const shown = h('p', { class: 'said' }, text.slice(0, SHOWN));
  if (text.length <= SHOWN) return h('div', { class: 'block' }, shown);
  const button = h('button', { type: 'button', class: 'link' }, `… ${text.length - SHOWN} more characters`);
  button.addEventListener('click', () => {
    shown.textContent = text;
    button.remove();
  });
  return h('div', { class: 'block' }, shown, button);
}
