// The heading of a session: its story, who and what took part, its figures, and how complete they are.

import { bolt, copyButton, fill, h } from './dom.js';
import { count, dateTime, duration, isoTime, percent, plural, ZONE } from './format.js';
import { pathOf } from './model.js';
import { sessionPath } from './paths.js';

/** What a session was about: the first thing wanted, else its tools, else its events. */
export function storyOf(session, outline) {
  if (session.intent) return session.intent;
  const names = (kind) => outline.order.filter((at) => outline.kind[at] === kind).map((at) => outline.label[at]);
  return pathOf(names('tool')) || pathOf(names('custom')) || (session.stateless ? 'Events without a session' : session.session_id);
}

/** @param {{session: any, outline: any, actions: Node[], suspects: () => void}} options */
export function sessionHead({ session, outline, actions, suspects }) {
  const title = h('h1');
  const tools = h('p', { class: 'tool-path quiet' });
  const about = h('dl', { class: 'facts' });
  const figures = h('dl', { class: 'facts figures-line' });
  const notes = h('ul', { class: 'notes' });
  const root = h('section', { class: 'session-head' }, h('div', { class: 'session-title' }, h('div', null, title, tools), h('div', { class: 'actions' }, actions)), h('div', { class: 'session-facts' }, about, figures), notes);

  function draw() {
    const { counts } = outline;
    const story = storyOf(session, outline);
    title.textContent = story;
    const path = pathOf(outline.order.filter((at) => outline.kind[at] === 'tool').map((at) => outline.label[at]), 12);
    tools.textContent = path === story ? '' : path;
    tools.title = tools.textContent;
    const pair = (name, ...value) => h('div', null, h('dt', null, name), h('dd', null, ...value));
    const named = [session.actor_name, session.actor_id].filter(Boolean);
    const version = (name, number) => (name ? [name, number ? h('span', { class: 'quiet' }, ` ${number}`) : null] : null);
    const client = version(session.client_name, session.client_version);
    const server = version(session.server_name, session.server_version);
    const critical = [...sessionPath(outline)].filter((at) => outline.above[at] < 0).reduce((sum, at) => sum + outline.took[at], 0);
    fill(about,
      pair('Who', named.length > 0 ? [named[0], named[1] && named[1] !== named[0] ? h('span', { class: 'quiet' }, ` ${named[1]}`) : null] : 'anonymous'),
      client ? pair('Client', client) : null,
      server ? pair('Server', server) : null,
      pair('Project', session.project_id),
      pair('Session', h('code', null, session.session_id), copyButton(session.session_id, 'Copy session id')));
    fill(figures,
      pair('Started', h('time', { datetime: isoTime(outline.start) }, dateTime(outline.start)), h('span', { class: 'quiet' }, ` ${ZONE}`)),
      pair('Lasted', duration(outline.length / 1000)),
      critical > 0 ? pair('Working', h('span', { title: 'The calls that its length had to wait for, one after the other: the critical path' }, duration(critical / 1000))) : null,
      pair('Events', count(counts.events)),
      pair('Tool calls', count(counts.tool)),
      pair('Custom', bolt(), count(counts.custom)),
      pair('Failures', counts.failures > 0 ? h('strong', { class: 'bad' }, count(counts.failures)) : '0',
        counts.errors > counts.failures ? h('span', { class: 'quiet' }, ` and ${count(counts.errors - counts.failures)} inside them`) : null));
    fill(notes, complete(session, outline).map((text) => h('li', null, text)),
      counts.suspect > 0 ? h('li', { class: 'is-suspect' }, `${plural(counts.suspect, 'event')} cannot be true as sent and ${counts.suspect === 1 ? 'is' : 'are'} marked suspect. `,
        h('button', { type: 'button', class: 'link', onclick: suspects }, 'Next suspect event')) : null);
  }
  draw();
  return { root, draw };
}

/** How complete the figures are, in sentences; none when nothing is known to be missing. */
export function complete(session, outline) {
  const out = [];
  for (const loss of outline.losses) {
    const sender = outline.losses.length > 1 ? ` of sender ${loss.id}` : '';
    if (loss.missing > 0 && !session.sample_rate) {
      out.push(`Incomplete: ${count(loss.missing)} of ${plural(loss.numbers, 'event')}${sender} did not arrive (${percent(loss.missing / loss.numbers)})${loss.alone ? '' : ', in this session or in others of the same process'}.`);
    }
    if (loss.dropped > 0) out.push(`The SDK reports that it dropped ${plural(loss.dropped, 'event')}${sender}.`);
  }
  if (session.sample_rate) {
    const stands = Math.round(1 / session.sample_rate);
    out.push(`Sampled: its sender keeps ${percent(session.sample_rate)} of sessions, so this one stands for about ${count(stands)}: ${plural(outline.counts.events, 'event')} here, about ${count(Math.round(outline.counts.events / session.sample_rate))} without sampling. Gaps in its numbers are no losses.`);
  }
  if (session.removed_by_retention > 0) out.push(`Cut: ${plural(session.removed_by_retention, 'older event')} of it ${session.removed_by_retention === 1 ? 'has' : 'have'} been removed by age or size.`);
  if (outline.cutBefore > 0) out.push(`Figures, strip and list are of its last ${plural(outline.size, 'event')}; ${count(outline.cutBefore)} earlier ones are not shown.`);
  return out;
}
