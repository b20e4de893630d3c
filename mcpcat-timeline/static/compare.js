// Two sessions side by side: calls, their order, durations, failures, and what is different in their arguments.

import { align, differs } from './align.js';
import { at, get } from './api.js';
import { differences } from './differ.js';
import { fill, h } from './dom.js';
import { count, duration, percent, plural } from './format.js';
import { storyOf } from './head.js';
import { jsonText } from './json.js';
import { listenKeys } from './keys.js';
import { argumentsOf } from './model.js';
import { Outline } from './outline.js';
import { serverSource } from './source.js';

/** Lines drawn at a time. */
const CHUNK = 300;
const KINDS = { arguments: 'other arguments', failure: 'other outcome', duration: 'other duration', left: 'only left', right: 'only right' };

/** Shows the comparison in `root`; returns what ends it. */
export async function showCompare(root, query, { signal, navigate }) {
  document.title = 'Compare · mcpcat timeline';
  const field = (name, label) => h('label', null, `${label} `, h('input', { name, value: query.get(name) ?? '', placeholder: 'session id', required: true, list: 'compare-sessions' }));
  const known = h('datalist', { id: 'compare-sessions' });
  const form = h('form', { class: 'tools' }, field('a', 'Left'), field('b', 'Right'), known, h('button', { type: 'submit' }, 'Compare'));
  const body = h('div', { class: 'compare', tabindex: '-1' });
  fill(root, h('h1', { class: 'offscreen' }, 'Compare two sessions'), form, body);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const given = new FormData(form);
    navigate(at('compare', ['a', 'b'].flatMap((name) => {
      const same = given.get(name) === query.get(name) && query.get(`${name}_project`);
      return [[name, String(given.get(name)).trim()], ...(same ? [[`${name}_project`, query.get(`${name}_project`)]] : [])];
    })));
  });
  get('api/v1/sessions', [['limit', '200']], signal).then(({ sessions }) => fill(known, sessions.map((row) => h('option', { value: row.session_id }, row.intent ?? row.last_label))), () => {});
  const [a, b] = [query.get('a'), query.get('b')];
  if (!a || !b) {
    fill(body, h('p', { class: 'empty' }, 'Name two sessions to see their calls side by side.'));
    return () => {};
  }
  fill(body, h('p', { class: 'empty', role: 'status' }, 'Reading both sessions…'));
  const sides = await Promise.all([read(a, query.get('a_project'), signal), read(b, query.get('b_project'), signal)]);
  const stop = draw(body, sides, query);
  return stop;
}

/** A session with the calls it made and their arguments. */
async function read(id, project, signal) {
  const path = `api/v1/sessions/${encodeURIComponent(id)}`;
  const scope = project ? [['project', project]] : [];
  const [{ sessions }, data] = await Promise.all([get(path, [], signal), get(`${path}/outline`, scope, signal)]);
  const session = sessions.find((row) => row.project_id === project) ?? sessions[0];
  const outline = new Outline(data);
  const calls = outline.order.filter((place) => outline.kind[place] === 'tool' || (outline.kind[place] === 'custom' && outline.parent[place] === -1));
  const rows = await serverSource(path, scope, signal).rows(calls.map((place) => outline.seq[place]));
  return {
    session, outline, scope,
    calls: calls.map((place) => {
      const row = rows.get(outline.seq[place]);
      const given = row ? argumentsOf(row.event, outline.kind[place]) : undefined;
      return {
        id: outline.id[place], label: outline.label[place], given, args: given === undefined || given === null ? '' : jsonText(given),
        failed: outline.error[place] === 1, ms: outline.took[place] === null ? null : outline.took[place] / 1000, cut: Boolean(row?.cut),
      };
    }),
  };
}

function draw(body, [left, right], query) {
  const lines = align(left.calls, right.calls).map(([x, y]) => {
    const [one, two] = [x < 0 ? null : left.calls[x], y < 0 ? null : right.calls[y]];
    return { one, two, what: one === null ? ['right'] : two === null ? ['left'] : differs(one, two) };
  });
  const different = lines.filter((line) => line.what.length > 0);
  let all = query.get('all') === '1';
  let shown = CHUNK;
  const list = h('ol', { class: 'pairs' });
  const more = h('div', { class: 'more-events' });
  const only = h('button', { type: 'button', class: 'toggle', 'aria-pressed': String(!all), onclick: () => {
    all = !all;
    only.setAttribute('aria-pressed', String(!all));
    if (all) query.set('all', '1');
    else query.delete('all');
    history.replaceState(history.state, '', at('compare', [...query]));
    fillList();
  } }, 'Differences only');
  const tally = Object.entries(KINDS).map(([kind, words]) => [words, lines.filter((line) => line.what.includes(kind)).length]);
  const cut = [left, right].some((side) => side.calls.some((call) => call.cut));
  fill(body,
    h('div', { class: 'compare-heads' }, side('Left', left), side('Right', right)),
    h('div', { class: 'compare-sum', role: 'status' },
      h('strong', null, different.length === 0 ? 'No difference' : plural(different.length, 'difference')), ` in ${plural(lines.length, 'line')}: `,
      tally.filter(([, number]) => number > 0).map(([words, number]) => h('span', { class: 'chip' }, `${count(number)} ${words}`)), only,
      cut ? h('span', { class: 'quiet' }, 'Arguments longer than 2 KiB are not compared.') : null),
    list, more);

  function fillList() {
    const wanted = all ? lines : different;
    list.replaceChildren(...wanted.slice(0, shown).map((line) => pair(line, left, right)));
    fill(more, wanted.length > shown ? h('button', { type: 'button', onclick: () => { shown += CHUNK; fillList(); } }, `Load more (${count(wanted.length - shown)} left)`) : null);
  }
  fillList();
  const step = (direction) => {
    const links = [...list.querySelectorAll('li')];
    const here = links.indexOf(document.activeElement?.closest('li'));
    links[Math.max(0, Math.min(links.length - 1, here + direction))]?.querySelector('a')?.focus();
  };
  return listenKeys({ j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });
}

function side(name, { session, outline, calls, scope }) {
  const failures = calls.filter((call) => call.failed).length;
  const time = calls.reduce((sum, call) => sum + (call.ms ?? 0), 0);
  return h('section', { class: 'card' }, h('h2', null, h('span', { class: 'quiet' }, `${name}: `),
    h('a', { href: at(`sessions/${encodeURIComponent(session.session_id)}`, scope).href, 'data-nav': true }, storyOf(session, outline))),
  h('p', { class: 'quiet' }, h('code', null, session.session_id)),
  h('p', null, `${plural(calls.length, 'call')}, ${plural(failures, 'failure')} (${percent(calls.length === 0 ? 0 : failures / calls.length)}), ${duration(time)} in calls, lasted ${duration(outline.length / 1000)}`));
}

function pair({ one, two, what }, left, right) {
  const cell = (call, { session, scope }) => (call === null ? h('div', { class: 'pair-side is-none' }, '–') : h('div', { class: `pair-side${call.failed ? ' is-error' : ''}` },
    h('a', { href: at(`sessions/${encodeURIComponent(session.session_id)}`, [...scope, ['event', call.id]]).href, 'data-nav': true }, call.label), ' ',
    call.failed ? h('span', { class: 'failed' }, 'failed') : null, h('span', { class: 'quiet' }, ` ${call.ms === null ? '' : duration(call.ms)}`)));
  const changes = what.includes('arguments') ? differences(one.given ?? {}, two.given ?? {}) : [];
  return h('li', { class: what.length > 0 ? 'is-different' : null }, cell(one, left), cell(two, right),
    what.length > 0 ? h('div', { class: 'pair-what' }, what.map((kind) => h('span', { class: 'chip' }, KINDS[kind])),
      changes.slice(0, 10).map(({ path, before, after }) => h('span', { class: 'change' }, h('code', { class: 'key' }, path), ' ',
        before === null ? 'not there' : h('del', null, before.slice(0, 120)), ' → ', after === null ? 'not there' : h('ins', null, after.slice(0, 120))))) : null);
}
