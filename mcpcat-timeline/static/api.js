// Asks the server. Every path is relative to the page's base, so that a proxy's prefix works.

/** An address under the base path. */
export function at(path, params) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of params ?? []) url.searchParams.append(name, value);
  return url;
}

/** Asks for JSON; fails with the server's own words. */
export async function get(path, params, signal) {
  return read(await fetch(at(path, params), { signal, headers: { accept: 'application/json' } }));
}

/** Sends JSON text. */
export async function send(method, path, body) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  return read(await fetch(at(path), { method, body, headers }));
}

async function read(response) {
  const text = await response.text();
  let value = null;
  try {
    value = text === '' ? null : JSON.parse(text);
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
