// Everything known of one event, the most asked-for first.

import { bolt, copyButton, h } from './dom.js';
import { clock, dateTime, duration, micros, offset } from './format.js';
import { badgeOf, traceOf } from './model.js';
import { tree } from './tree.js';

/** Fields shown in a place of their own; the rest is listed under metadata. */
const PLACED = new Set([
  'parameters', 'response', 'error', 'tags', 'properties', 'identify_data', 'user_intent', 'is_error', 'duration',
  'timestamp', 'event_type', 'resource_name', 'id', 'parent_id', 'identify_actor_given_id', 'identify_actor_name', 'actor_id',
]);

/**
 * The detail pane of an event.
 * @param {any} event
 * @param {{start: number, traceUrl: string | null, parent: any, children: any[], open: (id: string) => void, tagHref: ((key: string, value: string) => string) | null}} context
 */
export function detail(event, context) {
  const kind = event.kind;
  const head = h('header', { class: 'detail-head' },
    h('div', { class: 'detail-title' },
      h('span', { class: `badge b-${kind}` }, badgeOf(event)),
      h('h2', null, kind === 'custom' ? bolt() : null, event.label),
      event.is_error ? h('span', { class: 'badge b-error' }, 'failed') : null,
    ),
    h('dl', { class: 'facts' },
      fact('Started', h('time', { datetime: event.timestamp, title: event.timestamp }, `${dateTime(event.timestamp)} (${clock(event.timestamp).slice(9)} ms)`)),
      fact('Offset', offset(micros(event.timestamp) - context.start)),
      typeof event.duration === 'number' ? fact('Took', duration(event.duration)) : null,
      fact('Type', h('code', null, event.event_type ?? '–')),
      fact('Event', h('code', null, event.id), copyButton(event.id, 'Copy event id')),
      context.parent ? fact('Raised in', jump(context.parent, context.open)) : null,
      trace(event, context.traceUrl),
    ),
  );
  const said = typeof event.user_intent === 'string' && event.user_intent !== ''
    ? section(kind === 'custom' ? 'Message' : 'Intent', h('p', { class: 'said' }, event.user_intent)) : null;
  return [
    head,
    failure(event),
    said,
    payload('Parameters', argumentsOf(event)),
    payload('Response', event.response),
    tags(event, context.tagHref),
    payload('Properties', emptyAsNone(event.properties)),
    identity(event),
    context.children.length > 0
      ? section('Raised inside', h('ul', { class: 'jumps' }, context.children.map((child) => h('li', null, jump(child, context.open))))) : null,
    payload('Metadata', Object.fromEntries(Object.entries(event).filter(([name]) => !PLACED.has(name)))),
    raw(event),
  ];
}

function fact(name, ...value) {
  return h('div', null, h('dt', null, name), h('dd', null, ...value));
}

function section(title, ...children) {
  return h('section', { class: 'part' }, h('h3', null, title), ...children);
}

function jump(event, open) {
  const button = h('button', { type: 'button', class: 'link' }, event.label);
  button.addEventListener('click', () => open(event.id));
  return button;
}

function trace(event, template) {
  const id = traceOf(event);
  if (id === null) return null;
  const text = h('code', null, id);
  const safe = typeof template === 'string' && /^https?:\/\//.test(template);
  return fact('Trace', safe
    ? h('a', { href: template.replaceAll('{trace_id}', encodeURIComponent(id)), rel: 'noreferrer', target: '_blank' }, text)
    : text);
}

/** A tool call wraps its arguments in the request; the wrapping is one click further. */
function argumentsOf(event) {
  return emptyAsNone(event.parameters);
}

function emptyAsNone(value) {
  const bare = value !== null && typeof value === 'object' && Object.keys(value).length === 0;
  return bare ? undefined : value;
}

function payload(title, value) {
  if (value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)) return null;
  return h('section', { class: 'part' },
    h('div', { class: 'part-head' }, h('h3', null, title),
      copyButton(() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2)), `Copy ${title.toLowerCase()}`)),
    tree(value));
}

/** What went wrong, with what caused it, and where. */
function failure(event) {
  const error = event.error;
  if (!event.is_error && (error === undefined || error === null)) return null;
  const box = h('section', { class: 'part failure', 'aria-label': 'Error' });
  if (typeof error === 'string') box.append(h('p', { class: 'failure-message' }, error));
  if (error === undefined || error === null) box.append(h('p', { class: 'failure-message' }, 'Marked as an error, without details.'));
  if (error !== null && typeof error === 'object') {
    const { type, message, stack, chained_errors: chained, frames, platform, ...rest } = error;
    box.append(h('p', { class: 'failure-message' },
      type ? h('code', { class: 'failure-type' }, String(type)) : null,
      typeof message === 'string' ? message : JSON.stringify(message ?? error)));
    if (Array.isArray(chained) && chained.length > 0) {
      box.append(h('h3', null, 'Caused by'), h('ol', { class: 'chain' }, chained.map((link) => h('li', null,
        link?.type ? h('code', { class: 'failure-type' }, String(link.type)) : null,
        String(link?.message ?? (typeof link === 'string' ? link : JSON.stringify(link))),
        typeof link?.stack === 'string' ? fold('Stack', h('pre', null, link.stack)) : null,
      ))));
    }
    if (Object.keys(rest).length > 0) box.append(tree(rest));
    if (typeof stack === 'string' && stack !== '') box.append(fold('Stack', h('pre', null, stack)));
    if (Array.isArray(frames) && frames.length > 0) box.append(fold(`Frames (${frames.length})`, tree(frames)));
    if (platform) box.append(h('p', { class: 'quiet' }, `reported by ${String(platform)}`));
  }
  return box;
}

function fold(title, ...children) {
  return h('details', { class: 'more' }, h('summary', null, title), ...children);
}

function tags(event, href) {
  const entries = Object.entries(event.tags ?? {});
  if (entries.length === 0) return null;
  return section('Tags', h('ul', { class: 'tags' }, entries.map(([key, value]) => {
    const text = [h('span', { class: 'key' }, key), ' ', typeof value === 'string' ? value : JSON.stringify(value)];
    return h('li', null, href ? h('a', { class: 'chip', href: href(key, String(value)) }, text) : h('span', { class: 'chip' }, text));
  })));
}

function identity(event) {
  const id = event.identify_actor_given_id ?? event.actor_id;
  const data = emptyAsNone(event.identify_data);
  if (!id && !event.identify_actor_name && !data) return null;
  return section('Identity',
    h('p', null, event.identify_actor_name ? `${event.identify_actor_name} ` : null, id ? h('code', null, String(id)) : null),
    data ? tree(data) : null);
}

function raw(event) {
  const text = JSON.stringify(event, null, 2);
  return h('section', { class: 'part' },
    h('div', { class: 'part-head' }, h('h3', null, 'Raw JSON'), copyButton(text, 'Copy raw JSON')),
    fold('Show', h('pre', { class: 'raw', tabindex: '0' }, text)));
}
