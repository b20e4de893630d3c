// The only way elements are made here: text goes in as text, never as markup.

/**
 * Makes an element. `props` are attributes; `on…` functions are listeners; children are nodes, texts or lists.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on') && typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  append(node, children);
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an SVG element. */
export function svg(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child instanceof Node ? child : String(child));
  }
}

/** Puts `children` in the place of everything in `node`. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

let drawn = null;

/** A lightning bolt, as every custom event carries it. */
export function bolt() {
  drawn ??= svg('svg', { class: 'bolt', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: 'M9.5 1 3 9h4l-1 6 7-9H8.6z' }));
  return drawn.cloneNode(true);
}

/** A button that copies a text and says so. */
export function copyButton(text, label, name = 'copy') {
  const button = h('button', { type: 'button', class: 'copy', 'aria-label': label, title: label }, name);
  button.addEventListener('click', async () => {
    const value = typeof text === 'function' ? text() : text;
    let done = false;
    try {
      await navigator.clipboard.writeText(value);
      done = true;
    } catch {
      // Pages opened from a file have no clipboard interface; the old way still works there.
      const area = h('textarea', { class: 'offscreen', 'aria-hidden': 'true' });
      area.value = value;
      document.body.append(area);
      area.select();
      done = document.execCommand('copy');
      area.remove();
    }
    button.textContent = done ? 'copied' : 'no access';
    setTimeout(() => { button.textContent = name; }, 1200);
  });
  return button;
}
