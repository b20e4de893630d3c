// The live tail: a stream that can be paused, says where it stands, and is opened again when the collector was away.

import { at } from './api.js';
import { found, lost } from './banner.js';
import { fill, h } from './dom.js';
import { count } from './format.js';
import { parseJson } from './json.js';

/** A stream that the browser has given up is opened again after this, milliseconds. */
const AGAIN = 2000;

/**
 * Follows the stream. `deliver` gets what arrives while running; a pause keeps it until it is let go.
 * @param {{params: [string, string][], after: number, deliver: (messages: any[]) => void, back?: () => void}} options
 */
export function follow({ params, after, deliver, back }) {
  const place = document.getElementById('live');
  let source = null;
  let last = after;
  let paused = false;
  let waiting = [];
  let connected = false;
  let away = false;
  let timer = 0;

  const button = h('button', { type: 'button', class: 'live-button', title: 'Pause or go on (p)', onclick: () => toggle() });
  fill(place, button);
  show();

  function show() {
    const more = waiting.reduce((sum, message) => sum + (message.events?.length ?? 1), 0);
    place.dataset.state = paused ? 'paused' : connected ? 'live' : away ? 'off' : 'connecting';
    fill(button, h('i', { 'aria-hidden': 'true' }), paused ? (more > 0 ? `paused · ${count(more)} new` : 'paused') : connected ? 'live' : away ? 'no connection' : 'connecting…');
  }

  function take(message) {
    last = Math.max(last, message.last_seq ?? 0);
    if (paused) waiting.push(message);
    else deliver([message]);
    show();
  }

  function open() {
    source?.close();
    source = new EventSource(at('api/v1/stream', [...params, ['after', String(last)]]));
    source.addEventListener('hello', () => {
      connected = true;
      found();
      if (away) back?.();
      away = false;
      show();
    });
    for (const name of ['events', 'tick']) source.addEventListener(name, (event) => take(parseJson(event.data)));
    source.addEventListener('error', () => {
      connected = false;
      away = true;
      lost();
      show();
      // The browser tries again by itself, but not when an answer came from something in between.
      clearTimeout(timer);
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN);
    });
  }

  function toggle() {
    paused = !paused;
    if (!paused && waiting.length > 0) {
      const messages = waiting;
      waiting = [];
      deliver(messages);
    }
    show();
  }

  open();
  return {
    toggle,
    close() {
      clearTimeout(timer);
      source?.close();
      fill(place);
      delete place.dataset.state;
    },
  };
}
