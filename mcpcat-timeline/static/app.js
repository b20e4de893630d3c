// Finds the view for the address, and moves between views without loading the page again.

import { at, get, send } from './api.js';
import { showCatalogue } from './catalogue.js';
import { fill, h } from './dom.js';
import { listenKeys } from './keys.js';
import { showList } from './list.js';
import { showOverview } from './overview.js';
import { showSession } from './session.js';
import { themeButton } from './theme.js';

const main = document.getElementById('main');
let end = () => {};
let aborter = new AbortController();
let about = null;

async function show() {
  end();
  end = () => {};
  aborter.abort();
  aborter = new AbortController();
  const mine = aborter;
  const base = new URL(document.baseURI).pathname;
  const path = location.pathname.slice(base.length);
  const query = new URLSearchParams(location.search);
  const session = /^sessions\/([^/]+)$/.exec(path);
  const view = session ? 'session' : path === 'overview' || path === 'catalogue' ? path : 'list';
  document.body.dataset.view = view;
  main.className = '';
  for (const link of document.querySelectorAll('[data-view]')) {
    if (link.dataset.view === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  try {
    if (document.documentElement.dataset.login === 'needed') {
      login();
      return;
    }
    about ??= await get('api/v1/about', [], mine.signal);
    const context = { about, navigate, signal: mine.signal };
    let done;
    if (session) done = await showSession(main, decodeURIComponent(session[1]), query, context);
    else if (view === 'overview') done = await showOverview(main, query, context);
    else if (view === 'catalogue') done = await showCatalogue(main, query, context);
    else done = await showList(main, query, context);
    if (mine === aborter) end = done;
    else done();
  } catch (error) {
    if (error.name === 'AbortError' || mine !== aborter) return;
    if (error.status === 401) login();
    else fill(main, h('div', { class: 'empty' }, h('h1', null, error.status === 404 ? 'Not here' : 'That did not work'), h('p', null, error.message), h('a', { href: './', 'data-nav': true }, 'All sessions')));
  }
}

function login() {
  const token = h('input', { type: 'password', autocomplete: 'current-password', 'aria-label': 'Token', required: true });
  const status = h('p', { role: 'alert' });
  const form = h('form', { class: 'login' }, h('h1', null, 'This timeline asks for a token'), token, h('button', { type: 'submit' }, 'Open'), status);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await send('POST', 'api/v1/login', JSON.stringify({ token: token.value }));
      document.documentElement.dataset.login = '';
      show();
    } catch (error) {
      status.textContent = error.message;
    }
  });
  fill(main, form);
  token.focus();
}

function navigate(to) {
  history.pushState(null, '', new URL(to, document.baseURI));
  show();
}

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[data-nav]') : null;
  if (!link || event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  navigate(link.href);
});
window.addEventListener('popstate', show);

const HELP = [
  ['j / k or ↓ / ↑', 'next, previous'], ['Enter', 'open'], ['Esc', 'close, leave a field'], ['e / E', 'next, previous error'],
  ['/', 'search'], ['p', 'pause the live tail, go on'], ['t', 'show or hide listing calls'], ['g', 'all sessions'], ['o', 'overview'], ['?', 'this help'],
];
const dialog = h('dialog', { class: 'help', 'aria-labelledby': 'help-title' },
  h('h2', { id: 'help-title' }, 'Keyboard'),
  h('dl', null, HELP.map(([keys, what]) => h('div', null, h('dt', null, h('kbd', null, keys)), h('dd', null, what)))),
  h('form', { method: 'dialog' }, h('button', { type: 'submit' }, 'Close')));
document.body.append(dialog);
document.getElementById('help').addEventListener('click', () => dialog.showModal());
listenKeys({
  '?': () => dialog.showModal(),
  g: () => navigate('./'),
  o: () => navigate('overview'),
});

themeButton(document.getElementById('theme'));
// Addresses are resolved against the base, and a link to it must stay inside it.
for (const link of document.querySelectorAll('header a')) link.href = at(link.getAttribute('href')).href;
show();
