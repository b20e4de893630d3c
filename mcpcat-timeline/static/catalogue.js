// Events that the code can emit, beside those that have come: where they are declared, what they carry, when they last came.

import { at, get, send } from './api.js';
import { bolt, fill, h } from './dom.js';
import { ago, count, isoTime, plural, preciseTime } from './format.js';

const EDITOR = 'mcpcat-editor';

/** How a file is opened; `{file}` and `{line}` are put in. */
function editor() {
  try {
    return localStorage.getItem(EDITOR) ?? 'vscode://file/{file}:{line}';
  } catch {
    return 'vscode://file/{file}:{line}';
  }
}

/** Shows the comparison in `root`. */
export async function showCatalogue(root, query, { about, signal }) {
  document.title = 'Catalogue · mcpcat timeline';
  const { projects } = await get('api/v1/facets', [], signal);
  const named = query.get('project') ?? about.project ?? projects[0] ?? '';
  const project = h('input', { list: 'projects', value: named, 'aria-label': 'Project', placeholder: 'proj_…' });
  const file = h('input', { type: 'file', accept: '.json,application/json', 'aria-label': 'Catalogue file' });
  const opens = h('input', { value: editor(), 'aria-label': 'Address that opens a file in your editor', size: '28' });
  const status = h('p', { class: 'tally', role: 'status' });
  const body = h('div', { class: 'overview', tabindex: '-1' });
  fill(root,
    h('h1', { class: 'offscreen' }, 'Catalogue'),
    h('div', { class: 'tools' }, h('label', null, 'Project ', project), h('datalist', { id: 'projects' }, projects.map((name) => h('option', { value: name }))),
      about.read_only ? null : h('label', { class: 'upload' }, 'Upload a catalogue ', file), h('label', null, 'Editor ', opens), status),
    body);

  project.addEventListener('change', () => {
    query.set('project', project.value);
    history.replaceState(history.state, '', at('catalogue', [...query]));
    draw();
  });
  opens.addEventListener('change', () => {
    try {
      localStorage.setItem(EDITOR, opens.value);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    draw();
  });
  file.addEventListener('change', async () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    try {
      const { declared } = await send('PUT', `api/v1/catalogue?project=${encodeURIComponent(project.value)}`, await chosen.text());
      await draw();
      status.textContent = `${plural(declared, 'declared event')} uploaded`;
    } catch (error) {
      status.textContent = `Not uploaded: ${error.message}`;
    }
    file.value = '';
  });

  /** Where an event is declared. Only addresses of editors are followed, never one that runs something here. */
  function place({ file: path, line, kind }) {
    if (!path) return kind ? h('span', { class: 'quiet' }, kind) : null;
    const text = `${path}${line ? `:${line}` : ''}`;
    const href = opens.value.replaceAll('{file}', path.split('/').map(encodeURIComponent).join('/')).replaceAll('{line}', String(line ?? 1));
    return h('span', { class: 'quiet' }, kind ? `${kind} ` : null, /^(vscode|vscodium|cursor|zed|idea|jetbrains|txmt|subl|emacs|https?):/.test(href) ? h('a', { href }, text) : text);
  }

  const keys = (words, list, bad = false) => (list.length === 0 ? null : h('p', { class: bad ? 'key-note bad' : 'key-note' }, h('span', { class: 'quiet' }, `${words} `), list.map((key) => h('code', { class: 'key' }, key, ' '))));
  const carried = (entry) => ['parameters', 'tags', 'properties'].flatMap((where) => (entry[where] ?? []).map((key) => `${where}.${key}`));
  const declared = (entry) => [place(entry), entry.description ? h('p', { class: 'doc' }, entry.description) : null, keys('Carries', carried(entry)), keys('Redacted', entry.redacted ?? [])];

  function item(name, ...rest) {
    return h('li', null, h('span', { class: 'label' }, bolt(), h('a', { href: at('', [['project', project.value], ['event', name]]).href, 'data-nav': true }, name)), ...rest);
  }

  async function draw() {
    status.textContent = '';
    if (project.value === '') {
      fill(body, h('p', { class: 'empty' }, 'Choose a project.'));
      return;
    }
    const data = await get('api/v1/catalogue', [['project', project.value]], signal);
    const now = Date.now() * 1000;
    const last = (name) => {
      const us = data.details[name]?.last_us;
      return us === undefined ? null : h('time', { datetime: isoTime(us), title: preciseTime(us) }, `last ${ago(us, now)}`);
    };
    const seen = (row) => h('span', { class: 'quiet' }, plural(row.count, 'time'), ' · ', last(row.name));
    const list = (items) => (items.length === 0 ? h('p', { class: 'quiet' }, 'none') : h('ul', { class: 'names' }, items));
    const gap = data.seen.some((row) => data.details[row.name].keys_never_seen.length + data.details[row.name].keys_undeclared.length > 0);
    fill(body,
      data.uploaded ? null : h('section', { class: 'card wide' }, h('h2', null, 'No catalogue yet'),
        h('p', null, 'The Rust SDK can offer its own; for any other, write ', h('code', null, 'mcpcat::catalog().to_json()'), ' to a file and upload it, or run'),
        h('pre', null, `mcpcat-timeline catalogue --project ${project.value} events.json`)),
      gap ? h('p', { class: 'wide quiet' }, `Keys are those of the newest ${count(20_000)} events.`) : null,
      h('section', { class: 'card' }, h('h2', null, `Declared, never seen (${count(data.never_seen.length)})`), list(data.never_seen.map((row) => item(row.name, ...declared(row))))),
      h('section', { class: 'card' }, h('h2', null, `Seen, not declared (${count(data.undeclared.length)})`), list(data.undeclared.map((row) => item(row.name, seen(row))))),
      h('section', { class: 'card' }, h('h2', null, `Declared and seen (${count(data.seen.length)})`), list(data.seen.map((row) => {
        const more = data.details[row.name];
        return item(row.name, seen(row), ...declared(row), keys('Never came:', more.keys_never_seen, true), keys('Not declared:', more.keys_undeclared, true));
      }))));
  }
  try {
    await draw();
  } catch (error) {
    status.textContent = error.message;
  }
  return () => {};
}
