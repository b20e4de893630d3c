// Events that the code can emit, beside those that have come.

import { at, get, send } from './api.js';
import { bolt, fill, h } from './dom.js';
import { count, plural } from './format.js';

/** Shows the comparison in `root`. */
export async function showCatalogue(root, query, { about, signal }) {
  document.title = 'Catalogue · mcpcat timeline';
  const { projects } = await get('api/v1/facets', [], signal);
  const named = query.get('project') ?? about.project ?? projects[0] ?? '';
  const project = h('input', { list: 'projects', value: named, 'aria-label': 'Project', placeholder: 'proj_…' });
  const file = h('input', { type: 'file', accept: '.json,application/json', 'aria-label': 'Catalogue file' });
  const status = h('p', { class: 'tally', role: 'status' });
  const body = h('div', { class: 'overview' });
  fill(root,
    h('h1', { class: 'offscreen' }, 'Catalogue'),
    h('div', { class: 'tools' }, h('label', null, 'Project ', project), h('datalist', { id: 'projects' }, projects.map((name) => h('option', { value: name }))),
      about.read_only ? null : h('label', { class: 'upload' }, 'Upload a catalogue ', file), status),
    body);

  project.addEventListener('change', () => {
    query.set('project', project.value);
    history.replaceState(null, '', at('catalogue', [...query]));
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

  async function draw() {
    status.textContent = '';
    if (project.value === '') {
      fill(body, h('p', { class: 'empty' }, 'Choose a project.'));
      return;
    }
    const data = await get('api/v1/catalogue', [['project', project.value]], signal);
    const names = (list, note) => (list.length === 0 ? h('p', { class: 'quiet' }, 'none') : h('ul', { class: 'names' }, list.map((row) => h('li', null,
      h('span', { class: 'label' }, bolt(), row.name), h('span', { class: 'quiet' }, note(row)), row.description ? h('p', { class: 'quiet' }, row.description) : null))));
    const place = (row) => (row.file ? `${row.file}${row.line ? `:${row.line}` : ''}` : (row.kind ?? ''));
    fill(body,
      data.uploaded ? null : h('section', { class: 'card wide' }, h('h2', null, 'No catalogue yet'),
        h('p', null, 'Write ', h('code', null, 'mcpcat::catalog().to_json()'), ' to a file and upload it, or run'),
        h('pre', null, `mcpcat-timeline catalogue --project ${project.value} events.json`)),
      h('section', { class: 'card' }, h('h2', null, `Declared, never seen (${count(data.never_seen.length)})`), names(data.never_seen, place)),
      h('section', { class: 'card' }, h('h2', null, `Seen, not declared (${count(data.undeclared.length)})`), names(data.undeclared, (row) => plural(row.count, 'time'))),
      h('section', { class: 'card' }, h('h2', null, `Declared and seen (${count(data.seen.length)})`), names(data.seen, (row) => [plural(row.count, 'time'), place(row)].filter((part) => part !== '').join(', '))));
  }
  try {
    await draw();
  } catch (error) {
    status.textContent = error.message;
  }
  return () => {};
}
