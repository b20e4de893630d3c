// Finds the view for the address, and moves between views without loading the page again.

import { at, get, send } from './api.js';
import { showCatalogue } from './catalogue.js';
import { showCompare } from './compare.js';
import { fill, h } from './dom.js';
import { listenKeys } from './keys.js';
import { showList } from './list.js';
import { showOverview } from './overview.js';
import { showSession } from './session.js';
import { themeButton } from './theme.js';

/** A view that could not be loaded because nobody answered is tried again after this, milliseconds. */
const AGAIN = 3000;

const main = document.getElementById('main');
const notice = document.getElementById('notice');
let end = () => {};
let aborter = new AbortController();
let about = null;
let retry = 0;

/** Says that something did not work, without taking away what is shown. */
function failed(error) {
  if (error.name === 'AbortError' || error.offline) return;
  fill(notice, error.message, h('button', { type: 'button', class: 'link', onclick: () => { notice.hidden = true; } }, 'Close'));
  notice.hidden = false;
}

async function show() {
  end();
  end = () => {};
  aborter.abort();
  clearTimeout(retry);
  notice.hidden = true;
  aborter = new AbortController();
  const mine = aborter;
  const base = new URL(document.baseURI).pathname;
  const path = location.pathname.slice(base.length);
  const query = new URLSearchParams(location.search);
  const session = /^sessions\/([^/]+)$/.exec(path);
  const view = session ? 'session' : ['overview', 'catalogue', 'compare'].includes(path) ? path : 'list';
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
    // A session is asked for at the same time, so that a link opens one answer sooner.
    const asked = about ?? get('api/v1/about', [], mine.signal).then((told) => { about = told; return told; });
    const context = { about: session ? asked : await asked, navigate, signal: mine.signal, failed, place: history.state?.place ?? null };
    const views = { overview: showOverview, catalogue: showCatalogue, compare: showCompare, list: showList };
    const done = session
      ? await showSession(main, decodeURIComponent(session[1]), query, context)
      : await views[view](main, query, context);
    if (mine === aborter) end = done;
    else done();
  } catch (error) {
    if (error.name === 'AbortError' || mine !== aborter) return;
    if (error.status === 401) login();
    else trouble(error, session);
    if (error.offline) retry = setTimeout(show, AGAIN);
  }
}

/** In place of a view that cannot be shown: why, and where to go on. */
function trouble(error, session) {
  const gone = error.status === 404 && session;
  fill(main, h('div', { class: 'empty' },
    h('h1', null, gone ? 'This session is not here' : error.status === 404 ? 'Not here' : error.offline ? 'The timeline does not answer' : 'That did not work'),
    h('p', null, gone ? 'It was deleted, forgotten on request, removed by age or size, or it never arrived.' : error.offline ? 'It is tried again every few seconds.' : error.message),
    gone ? h('p', null, h('code', null, decodeURIComponent(session[1]))) : null,
    h('p', null, h('a', { href: at('').href, 'data-nav': true }, 'All sessions'))));
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

async function navigate(to) {
  // Where the reader was is kept with the entry that he leaves, so that Back returns to it.
  history.replaceState({ place: end.place?.() ?? null }, '');
  history.pushState(null, '', new URL(to, document.baseURI));
  await show();
  if (document.activeElement === document.body) main.focus({ preventScroll: true });
}

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[data-nav]') : null;
  if (!link || event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  navigate(link.href);
});
window.addEventListener('popstate', show);

const HELP = [
  ['j / k or ↓ / ↑', 'next, previous'], ['Home / End', 'first, last'], ['Enter', 'open; from a row on to its details'], ['Esc', 'back to the row, close, leave a field'],
  ['→ / ←', 'unfold a run; fold it, or go to the call around'], ['e / E', 'next, previous error'], ['/', 'search'],
  ['f', 'flat list, and back'], ['t', 'show or hide listing calls'], ['+ / − / 0', 'zoom in, out, whole session'],
  ['p', 'pause the live tail, go on'], ['g', 'all sessions'], ['o', 'overview'], ['?', 'this help'],
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
history.scrollRestoration = 'manual';
for (const link of document.querySelectorAll('header a')) link.href = at(link.getAttribute('href')).href;
show();
