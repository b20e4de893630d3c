// Keys that work anywhere on the page but not while someone is typing.

/**
 * Listens for single keys. Returns a function that stops it.
 * @param {Record<string, (event: KeyboardEvent) => void>} keys
 */
export function listenKeys(keys) {
  const listener = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const typing = target instanceof HTMLElement
      && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
    if (typing && event.key !== 'Escape') return;
    if (document.querySelector('dialog[open]')) return;
    // Enter and space belong to the control that has the focus.
    const pressing = target instanceof HTMLElement && target.closest('button, a, summary');
    if (pressing && (event.key === 'Enter' || event.key === ' ')) return;
    const action = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (action) {
      event.preventDefault();
      action(event);
    }
  };
  document.addEventListener('keydown', listener);
  return () => document.removeEventListener('keydown', listener);
}
