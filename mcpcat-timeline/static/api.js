// Asks the server. Every path is relative to the page's base, so that a proxy's prefix works.

import { found, lost } from './banner.js';

/** An address under the base path. */
export function at(path, params) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of params ?? []) url.searchParams.append(name, value);
  return url;
}

/** Asks for JSON; fails with the server's own words. Answers that hold events are read with `parseJson`, which rounds nothing. */
export async function get(path, params, signal, parse = JSON.parse) {
  return read(await reach(at(path, params), { signal, headers: { accept: 'application/json' } }), parse);
}

/** Sends JSON text. */
export async function send(method, path, body) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  return read(await reach(at(path), { method, body, headers }), JSON.parse);
}

/** Fetches, and notices when nobody answers. */
async function reach(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    lost();
    throw Object.assign(new Error('the timeline does not answer', { cause }), { offline: true });
  }
  found();
  return response;
}

async function read(response, parse) {
  const text = await response.text();
  let value = null;
  try {
    value = text === '' ? null : parse(text);
  } catch {
    // Something between here and the timeline has answered in its place.
  }
  if (!response.ok) {
    const error = new Error(value?.error ?? `the timeline answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return value;
}
