// What events mean: kinds, labels, nesting, gaps. No document in here, so that it can be tested alone.

import { micros } from './format.js';

/** The badge of an event: its type in one or two words. */
export function badgeOf(event) {
  if (event.kind !== 'protocol' && event.kind !== 'other') return event.kind;
  const type = event.event_type ?? '';
  return type.startsWith('mcp:') ? type.slice(4) : type || 'event';
}

/** What an error says, in one line. */
export function errorLine(event) {
  const error = event.error;
  if (typeof error === 'string') return error;
  if (error && typeof error === 'object') {
    const parts = [error.type, error.message].filter((part) => typeof part === 'string' && part !== '');
    if (parts.length > 0) return parts.join(': ');
    return JSON.stringify(error);
  }
  return event.is_error ? 'error' : '';
}

/** The line under the label: why, or what went wrong. */
export function previewOf(event) {
  if (event.is_error) return errorLine(event);
  if (typeof event.user_intent === 'string' && event.user_intent !== '') return event.user_intent;
  if (event.kind === 'identify') return String(event.identify_actor_name ?? event.identify_actor_given_id ?? '');
  return '';
}

/** Order of events: time, then the number within one process, then id. */
export function compareEvents(a, b) {
  const byTime = micros(a.timestamp) - micros(b.timestamp);
  if (byTime) return byTime;
  const [one, two] = [a.sdk_instance ?? '', b.sdk_instance ?? ''];
  if (one !== two) return one < two ? -1 : 1;
  const bySequence = (a.sequence ?? 0) - (b.sequence ?? 0);
  if (bySequence) return bySequence;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Pauses longer than this are marked, milliseconds. */
const GAP = 30_000;

/**
 * Puts events in order, each below the call that raised it, with its depth and its offset from the first.
 * @param {any[]} events
 */
export function arrange(events) {
  const sorted = [...events].sort(compareEvents);
  const known = new Map(sorted.map((event) => [event.id, event]));
  const children = new Map();
  const roots = [];
  for (const event of sorted) {
    const parent = known.has(event.parent_id) && !circular(event, known) ? event.parent_id : null;
    if (parent === null) roots.push(event);
    else if (children.has(parent)) children.get(parent).push(event);
    else children.set(parent, [event]);
  }
  const start = sorted.length > 0 ? micros(sorted[0].timestamp) : 0;
  const rows = [];
  const walk = (event, depth) => {
    const at = micros(event.timestamp);
    rows.push({ event, depth, at, offset: at - start });
    for (const child of children.get(event.id) ?? []) walk(child, depth + 1);
  };
  for (const event of roots) walk(event, 0);
  return rows;
}

/** Whether following parents leads back to where it began. */
function circular(event, known) {
  const seen = new Set([event.id]);
  for (let at = known.get(event.parent_id); at; at = known.get(at.parent_id)) {
    if (seen.has(at.id)) return true;
    seen.add(at.id);
    // Deep enough for any call tree, and a bound on the stack of `walk`.
    if (seen.size > 200) return true;
  }
  return false;
}

/** What the list of a session shows: noise, words and kinds can be left out. */
export function visible(rows, { noise, text, errors, custom }) {
  const needle = text.trim().toLowerCase();
  return rows.filter(({ event }) => {
    const kind = event.kind;
    if (!noise && kind === 'list' && !event.is_error) return false;
    if (errors && !event.is_error) return false;
    if (custom && kind !== 'custom') return false;
    return needle === '' || JSON.stringify(event).toLowerCase().includes(needle);
  });
}

/** The pause before each of these rows, in milliseconds; 0 where there is none worth a mark. */
export function pauses(rows) {
  let quietSince = Infinity;
  return rows.map(({ event, depth, at }) => {
    const pause = (at - quietSince) / 1000;
    const end = at + (Number(event.duration) || 0) * 1000;
    quietSince = quietSince === Infinity ? end : Math.max(quietSince, end);
    return depth === 0 && pause > GAP ? pause : 0;
  });
}

/** A trace id that an event carries, if it does. */
export function traceOf(event) {
  const places = [event.trace_id, event.properties?.trace_id, event.tags?.trace_id];
  const parent = event.properties?.traceparent ?? event.tags?.traceparent;
  if (typeof parent === 'string') places.push(parent.split('-')[1]);
  return places.find((id) => typeof id === 'string' && /^[0-9a-f]{16,32}$/i.test(id)) ?? null;
}

/** Numbers of a set of events. */
export function countsOf(events) {
  const counts = { events: events.length, tools: 0, custom: 0, errors: 0 };
  for (const event of events) {
    const kind = event.kind;
    if (kind === 'tool') counts.tools += 1;
    if (kind === 'custom') counts.custom += 1;
    if (event.is_error) counts.errors += 1;
  }
  return counts;
}
