// What an event says: its badge, its words for a row, its arguments without the wrapping of its SDK. No document in here.

import { jsonText } from './json.js';

/** The badge of an event: its kind, or the method of a protocol message, in one or two words. */
export function badgeOf(kind, type) {
  if (kind === 'custom' || kind === 'identify' || kind === 'tool' || kind === 'list') return kind;
  return typeof type === 'string' && type.startsWith('mcp:') ? type.slice(4) : type || (kind === 'protocol' ? 'protocol' : 'event');
}

/** What an error says, in one line; in a row's little space the words come before the name of its type. */
export function errorLine(event) {
  const error = event.error;
  if (typeof error === 'string') return error;
  if (error && typeof error === 'object') {
    const [type, message] = [error.type, error.message].map((part) => (typeof part === 'string' && part !== '' ? part : null));
    if (message !== null) return type === null ? message : `${message} (${type})`;
    if (type !== null) return type;
    return jsonText(error);
  }
  return event.is_error ? 'error' : '';
}

/** Longest line of parameters in a row, in characters. */
const ROW_TEXT = 240;

/** The line beside the label: what went wrong, why it was asked, or with what. */
export function previewOf(event, kind) {
  if (event.is_error) return errorLine(event);
  if (typeof event.user_intent === 'string' && event.user_intent !== '') return event.user_intent;
  if (kind === 'identify') return String(event.identify_actor_name ?? event.identify_actor_given_id ?? '');
  return compact(argumentsOf(event, kind));
}

/** Parameters as `key value, key value`. */
export function compact(value) {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'object') return String(value).slice(0, ROW_TEXT);
  if (Array.isArray(value)) return jsonText(value).slice(0, ROW_TEXT);
  let out = '';
  for (const [key, member] of Object.entries(value)) {
    if (out.length > ROW_TEXT) break;
    out += `${out === '' ? '' : ', '}${key} ${typeof member === 'string' ? member : jsonText(member)}`;
  }
  return out.slice(0, ROW_TEXT);
}

/** The arguments of a call, whichever SDK has wrapped them. */
export function argumentsOf(event, kind) {
  const given = event.parameters;
  if (given === null || typeof given !== 'object' || Array.isArray(given) || kind === 'custom') return given;
  const params = given.request?.params;
  if (params !== undefined && params !== null) return Object.hasOwn(params, 'arguments') ? params.arguments : kind === 'tool' ? {} : params;
  if (given.request !== undefined && given.request !== null) return undefined;
  return Object.hasOwn(given, 'arguments') ? given.arguments : given;
}

/** The call as the client sent it, as far as the SDK has kept it. */
export function jsonRpcOf(event, kind) {
  const request = event.parameters?.request;
  const method = request?.method ?? String(event.event_type ?? '').replace(/^mcp:/, '');
  const params = request?.params ?? (kind === 'tool' ? { name: event.resource_name, arguments: argumentsOf(event, kind) ?? {} } : argumentsOf(event, kind));
  const call = { jsonrpc: '2.0', id: request?.id ?? event.parameters?.extra?.requestId ?? 1, method };
  return params === undefined ? call : { ...call, params };
}

/** A trace id that an event carries, if it does. */
export function traceOf(event) {
  const places = [event.trace_id, event.properties?.trace_id, event.tags?.trace_id];
  const parent = event.properties?.traceparent ?? event.tags?.traceparent;
  if (typeof parent === 'string') places.push(parent.split('-')[1]);
  return places.find((id) => typeof id === 'string' && /^[0-9a-f]{16,32}$/i.test(id)) ?? null;
}

/** Names in a row, repeated ones counted: `a → b × 3 → c`. */
export function pathOf(names, most = 8) {
  const runs = [];
  for (const name of names) {
    const last = runs[runs.length - 1];
    if (last && last.name === name) last.times += 1;
    else runs.push({ name, times: 1 });
  }
  const shown = runs.slice(0, most).map(({ name, times }) => (times > 1 ? `${name} × ${times}` : name));
  return shown.join(' → ') + (runs.length > most ? ' → …' : '');
}
