// The filters above the list of sessions. They live in the address, so that a view can be sent to somebody.

import { fill, h } from './dom.js';

/** Filters that hold several values, positive and negative. */
const TERMS = { tag: 'Tag', tool: 'Tool', event: 'Event', actor: 'Actor', client: 'Client', server: 'Server', type: 'Type' };
const OFFERED = { tag: 'tags', tool: 'tools', event: 'events', actor: 'actors', client: 'clients', server: 'servers' };
const PERIODS = [['', 'any time'], ['15m', 'last 15 minutes'], ['1h', 'last hour'], ['24h', 'last 24 hours'], ['7d', 'last 7 days'], ['30d', 'last 30 days']];
const SORTS = [['last', 'last activity'], ['start', 'start'], ['duration', 'duration'], ['events', 'events'], ['tools', 'tool calls'], ['custom', 'custom events'], ['errors', 'errors'], ['actor', 'who'], ['project', 'project'], ['client', 'client'], ['server', 'server']];

/**
 * @param {URLSearchParams} query what the address says; `change` edits it
 * @param {(edit: (params: URLSearchParams) => void) => void} change
 */
export function filters(query, change) {
  const chips = h('ul', { class: 'tags chips', 'aria-label': 'Active filters' });
  const search = h('input', { type: 'search', name: 'q', placeholder: 'Search sessions and events', 'aria-label': 'Search sessions and events', value: query.get('q') ?? '' });
  const since = choice('since', 'Active in', PERIODS);
  const sort = choice('sort', 'Sorted by', SORTS, 'last');
  sort.classList.add('sort-choice');
  const project = choice('project', 'Project', [['', 'all projects']]);
  const flags = [flag('errors', 'Errors'), flag('custom', 'Custom events'), flag('identified', 'Identified')];
  const range = h('details', { class: 'range' }, h('summary', null, 'dates'),
    h('div', { class: 'popup' }, day('since', 'From'), day('until', 'Until')));
  let facets = {};

  const kind = h('select', { 'aria-label': 'What to filter by' }, Object.entries(TERMS).map(([value, label]) => h('option', { value }, label)));
  const not = h('select', { 'aria-label': 'Include or exclude' }, h('option', { value: '' }, 'is'), h('option', { value: 'not_' }, 'is not'));
  const values = h('datalist', { id: 'filter-values' });
  const value = h('input', { list: 'filter-values', placeholder: 'value', 'aria-label': 'Value', autocomplete: 'off' });
  const adder = h('form', { class: 'adder' }, kind, not, value, values, h('button', { type: 'submit' }, 'Add filter'));
  const offer = () => {
    value.placeholder = kind.value === 'tag' ? 'key=value, or key' : 'value';
    fill(values, (facets[OFFERED[kind.value]] ?? []).map((item) => h('option', { value: item })));
  };
  kind.addEventListener('change', offer);
  adder.addEventListener('submit', (event) => {
    event.preventDefault();
    if (value.value.trim() === '') return value.focus();
    change((params) => params.append(`${not.value}${kind.value}`, value.value.trim()));
    value.value = '';
  });
  let typing;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => change((params) => (search.value === '' ? params.delete('q') : params.set('q', search.value))), 200);
  });

  function choice(name, label, options, standard = '') {
    const select = h('select', { name, 'aria-label': label }, options.map(([option, text]) => h('option', { value: option }, text)));
    select.value = query.get(name) ?? standard;
    if (select.selectedIndex < 0) {
      select.append(h('option', { value: query.get(name) }, query.get(name)));
      select.value = query.get(name);
    }
    select.addEventListener('change', () => change((params) => {
      if (select.value === standard) params.delete(name);
      else params.set(name, select.value);
    }));
    return select;
  }

  function flag(name, label) {
    const button = h('button', { type: 'button', class: 'toggle', 'aria-pressed': String(query.get(name) === '1') }, label);
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(on));
      change((params) => (on ? params.set(name, '1') : params.delete(name)));
    });
    return button;
  }

  function day(name, label) {
    const held = query.get(name) ?? '';
    const input = h('input', { type: 'datetime-local', value: /^\d{4}-/.test(held) ? local(held) : '' });
    input.addEventListener('change', () => change((params) => {
      const date = new Date(input.value);
      if (Number.isNaN(date.getTime())) params.delete(name);
      else params.set(name, date.toISOString());
    }));
    return h('label', null, `${label} `, input);
  }

  function drawChips() {
    const items = [];
    for (const [name, held] of query) {
      const negative = name.startsWith('not_');
      const label = TERMS[negative ? name.slice(4) : name];
      if (!label) continue;
      const remove = h('button', { type: 'button', class: 'chip-remove', 'aria-label': `Remove filter ${label} ${held}` }, '×');
      remove.addEventListener('click', () => change((params) => {
        const rest = [...params].filter(([key, other]) => !(key === name && other === held));
        for (const key of new Set(params.keys())) params.delete(key);
        for (const [key, other] of rest) params.append(key, other);
      }));
      items.push(h('li', null, h('span', { class: `chip${negative ? ' is-negative' : ''}` }, `${label} ${negative ? 'is not' : 'is'} `, h('b', null, held), remove)));
    }
    fill(chips, items);
    sort.value = query.get('sort') ?? 'last';
  }

  return {
    rows: [h('div', { class: 'tools list-tools' }, search, since, range, project, sort, flags), h('div', { class: 'tools filter-tools' }, adder, chips)],
    search,
    drawChips,
    offer(known) {
      facets = known;
      offer();
      for (const name of known.projects) {
        if (![...project.options].some((option) => option.value === name)) project.append(h('option', { value: name }, name));
      }
    },
    active: () => [...query.keys()].some((name) => name !== 'sort' && name !== 'order'),
    stop: () => clearTimeout(typing),
  };
}

function local(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
