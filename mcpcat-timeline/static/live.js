// The live tail: a stream that can be paused, and says where it stands.

import { at } from './api.js';
import { fill, h } from './dom.js';
import { count } from './format.js';

/**
 * Follows the stream. `deliver` gets what arrives while running; a pause keeps it until it is let go.
 * @param {{params: [string, string][], after: number, deliver: (messages: any[]) => void}} options
 */
export function follow({ params, after, deliver }) {
  const place = document.getElementById('live');
  let source = null;
  let last = after;
  let paused = false;
  let waiting = [];
  let connected = false;

  const button = h('button', { type: 'button', class: 'live-button', title: 'Pause or go on (p)', onclick: () => toggle() });
  fill(place, button);
  show();

  function show() {
    const more = waiting.reduce((sum, message) => sum + (message.events?.length ?? 1), 0);
    const state = paused ? 'paused' : connected ? 'live' : 'connecting';
    place.dataset.state = state;
    fill(button, h('i', { 'aria-hidden': 'true' }), paused ? (more > 0 ? `paused · ${count(more)} new` : 'paused') : connected ? 'live' : 'connecting…');
  }

  function take(message) {
    last = Math.max(last, message.last_seq ?? 0);
    if (paused) waiting.push(message);
    else deliver([message]);
    show();
  }

  function open() {
    source = new EventSource(at('api/v1/stream', [...params, ['after', String(last)]]));
    source.addEventListener('hello', () => { connected = true; show(); });
    for (const name of ['events', 'tick']) source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    source.addEventListener('error', () => {
      connected = false;
      show();
      // The browser tries again by itself unless the server has refused.
      if (source.readyState === EventSource.CLOSED) place.dataset.state = 'off';
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
      source?.close();
      fill(place);
      delete place.dataset.state;
    },
  };
}
