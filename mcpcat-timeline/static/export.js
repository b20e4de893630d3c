// The whole page of an exported file.

import { h } from './dom.js';
import { fileSource } from './file.js';
import { jsonText } from './json.js';
import { Outline } from './outline.js';
import { timeline } from './timeline.js';

export function showExport(data) {
  const root = document.getElementById('main');
  document.title = `MCP session ${data.session.session_id}`;
  timeline(root, {
    session: data.session,
    outline: new Outline(data.outline),
    source: fileSource(data.events, jsonText),
    state: { event: location.hash.slice(1) || null },
    traceUrl: data.trace_url,
    actions: [h('span', { class: 'quiet' }, data.cut ? 'exported; the last events are cut' : 'exported')],
    href: (id) => `#${id}`,
    tagHref: null,
    changed: () => {},
    failed: () => {},
  });
}
