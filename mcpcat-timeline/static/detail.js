// Everything known of one event, the most asked-for first: what failed, what it was given, what it answered; its ids and exact
// times come last.

import { answer, isEmpty, payload } from './content.js';
import { differences, placesOf } from './differ.js';
import { bolt, copyButton, fill, h } from './dom.js';
import { failure, fold } from './failure.js';
import { duration, isoTime, offset, plural, preciseTime } from './format.js';
import { jsonText, prettyJson } from './json.js';
import { argumentsOf, badgeOf, jsonRpcOf, traceOf } from './model.js';
import { doubtsOf } from './row.js';
import { tree } from './tree.js';
import { callAxis } from './call.js';

/** Fields shown in a place of their own; the rest is listed under metadata. */
const PLACED = new Set([
  'parameters', 'response', 'error', 'tags', 'properties', 'identify_data', 'user_intent', 'is_error', 'duration',
  'timestamp', 'event_type', 'resource_name', 'id', 'parent_id', 'identify_actor_given_id', 'identify_actor_name', 'actor_id',
]);

/**
 * The detail pane of an event.
 * @param {any} row the event with what the collector knows of it
 * @param {{outline: any, at: number, before: any, traceUrl: string | null, open: (id: string) => void, tagHref: ((key: string, value: string) => string) | null}} context
 */
export function detail(row, context) {
  const { outline, at } = context;
  const event = row.event;
  const kind = outline.kind[at];
  const given = argumentsOf(event, kind);
  const was = context.before ? argumentsOf(context.before.event, kind) : undefined;
  const changes = context.before ? differences(was ?? {}, given ?? {}) : [];
  const doubts = doubtsOf(outline.doubt[at]);
  const deepest = outline.causeOf(at);
  const source = raw(event, kind);
  return [
    head(row, context, kind, source.show),
    doubts.length > 0 ? h('p', { class: 'doubts' }, h('strong', null, 'Suspect: '), `${doubts.join('; ')}. It is shown as it came.`) : null,
    failure(event, deepest === at || !outline.error[at] ? null : jump(outline, deepest, context.open)),
    typeof event.user_intent === 'string' && event.user_intent !== '' ? part(kind === 'custom' ? 'Message' : 'Intent', h('p', { class: 'said' }, event.user_intent)) : null,
    payload(kind === 'tool' ? 'Arguments' : 'Parameters', given, isEmpty(given) ? null : typeof given === 'object' ? tree(given, new Set(changes.map((change) => change.path))) : null)
      ?? (kind === 'tool' && !row.cut ? part('Arguments', h('p', { class: 'quiet' }, 'none')) : null),
    context.before ? changed(changes, context) : null,
    answer(event.response),
    callAxis(outline, at, context.open),
    tags(event, context.tagHref),
    payload('Properties', event.properties),
    identity(event),
    times(row, context),
    payload('Metadata', Object.fromEntries(Object.entries(event).filter(([name]) => !PLACED.has(name)))),
    finder(event),
    source.part,
  ];
}

function head(row, context, kind, showRaw) {
  const { outline, at } = context;
  const event = row.event;
  const started = outline.start + outline.at[at];
  const parent = outline.above[at];
  return h('header', { class: 'detail-head' },
    h('div', { class: 'detail-title' },
      h('span', { class: `badge b-${kind}` }, badgeOf(kind, event.event_type)),
      h('h2', null, kind === 'custom' ? bolt() : null, outline.label[at]),
      outline.error[at] ? h('span', { class: 'badge b-error' }, outline.failedAbove(at) ? 'cause' : 'failed') : null,
      h('button', { type: 'button', class: 'link to-raw', onclick: showRaw }, 'Raw JSON')),
    h('p', { class: 'detail-sub' },
      h('span', null, 'at ', h('time', { datetime: isoTime(started), title: preciseTime(started) }, h('b', null, offset(outline.at[at])))),
      outline.took[at] === null ? null : h('span', null, 'took ', h('b', null, duration(outline.took[at] / 1000))),
      parent >= 0 ? h('span', null, 'raised in ', jump(outline, parent, context.open)) : null));
}

/** When exactly, as whom, and where it stands. */
function times({ event }, { outline, at, open, traceUrl }) {
  const started = outline.start + outline.at[at];
  const parent = outline.above[at];
  return h('section', { class: 'part' }, h('h3', null, 'Times and ids'),
    h('dl', { class: 'facts' },
      fact('Started', h('time', { datetime: isoTime(started) }, preciseTime(started)), h('span', { class: 'quiet' }, ` ${offset(outline.at[at])}`)),
      outline.took[at] === null ? null : fact('Took', duration(outline.took[at] / 1000), jsonText(event.duration ?? null).length > 6 ? h('span', { class: 'quiet' }, ` sent as ${jsonText(event.duration)} ms`) : null),
      fact('Time as sent', h('code', null, String(event.timestamp))),
      fact('Type', h('code', null, event.event_type ?? '–')),
      fact('Event', h('code', null, event.id), copyButton(event.id, 'Copy event id')),
      parent >= 0 ? fact('Raised in', jump(outline, parent, open)) : outline.parent[at] === -2 ? fact('Raised in', h('span', { class: 'quiet' }, 'an event that is not here: ', h('code', null, String(event.parent_id)))) : null,
      trace(event, traceUrl)));
}

function fact(name, ...value) {
  return h('div', null, h('dt', null, name), h('dd', null, ...value));
}

function part(title, ...children) {
  return h('section', { class: 'part' }, h('h3', null, title), ...children);
}

function jump(outline, at, open) {
  const button = h('button', { type: 'button', class: 'link' }, outline.label[at]);
  button.addEventListener('click', () => open(outline.id[at]));
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

/** What is not as it was when the same tool was called before. */
function changed(changes, { outline, beforeAt, open }) {
  const link = h('button', { type: 'button', class: 'link' }, `the call at ${offset(outline.at[beforeAt])}`);
  link.addEventListener('click', () => open(outline.id[beforeAt]));
  if (changes.length === 0) return h('section', { class: 'part' }, h('p', { class: 'quiet' }, 'The same arguments as ', link, '.'));
  return h('section', { class: 'part changes' }, h('h3', null, 'Different from ', link), h('ul', null, changes.slice(0, 40).map(({ path, before, after }) => h('li', null,
    h('code', { class: 'key' }, path), ' ',
    before === null ? h('span', { class: 'quiet' }, 'was not there') : h('del', null, before.slice(0, 200)), ' → ',
    after === null ? h('span', { class: 'quiet' }, 'is gone') : h('ins', null, after.slice(0, 200))))));
}

function tags(event, href) {
  const entries = Object.entries(event.tags ?? {});
  if (entries.length === 0) return null;
  return part('Tags', h('ul', { class: 'tags' }, entries.map(([key, value]) => {
    const text = [h('span', { class: 'key' }, key), ' ', typeof value === 'string' ? value : jsonText(value)];
    return h('li', null, href ? h('a', { class: 'chip', href: href(key, String(value)) }, text) : h('span', { class: 'chip' }, text));
  })));
}

function identity(event) {
  const id = event.identify_actor_given_id ?? event.actor_id;
  const data = isEmpty(event.identify_data) ? null : event.identify_data;
  if (!id && !event.identify_actor_name && !data) return null;
  return part('Identity',
    h('p', null, event.identify_actor_name ? `${event.identify_actor_name} ` : null, id ? h('code', null, String(id)) : null),
    data ? tree(data) : null);
}

/** Finds words anywhere in the event, closed parts included. */
function finder(event) {
  const input = h('input', { type: 'search', placeholder: 'Find in this event', 'aria-label': 'Find in this event' });
  const found = h('div', { role: 'status' });
  input.addEventListener('input', () => {
    const words = input.value.trim();
    const places = words === '' ? [] : placesOf(event, words);
    fill(found, words === '' ? null : h('p', { class: 'quiet' }, places.length === 0 ? 'Nowhere.' : plural(places.length, 'place')),
      h('ul', { class: 'places' }, places.slice(0, 100).map(({ path, text }) => h('li', null, h('code', { class: 'key' }, path), ' ', text))));
  });
  return h('section', { class: 'part find' }, h('h3', null, 'Find'), input, found);
}

function raw(event, kind) {
  const box = h('div');
  const details = fold('Show', box);
  details.addEventListener('toggle', () => {
    if (details.open && box.childElementCount === 0) box.append(h('pre', { class: 'raw', tabindex: '0' }, prettyJson(event)));
  });
  const copies = [copyButton(() => prettyJson(event), 'Copy as JSON', 'copy as JSON')];
  if (kind !== 'custom' && kind !== 'identify') copies.push(copyButton(() => prettyJson(jsonRpcOf(event, kind)), 'Copy as JSON-RPC', 'copy as JSON-RPC'));
  const part = h('section', { class: 'part' }, h('div', { class: 'part-head' }, h('h3', null, 'Raw JSON'), copies), details);
  return {
    part,
    show() {
      details.open = true;
      part.scrollIntoView({ block: 'start' });
      details.querySelector('summary').focus({ preventScroll: true });
    },
  };
}
