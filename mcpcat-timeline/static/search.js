// Words looked for in a session: asked of the store after the last key, so that every event is looked into.

/** A pause in typing after which the question is asked, milliseconds. */
const STILL = 180;

/** @param {{source: any, found: (seqs: Set<number> | null, words: string) => void, failed: (error: Error) => void}} options */
export function wordSearch({ source, found, failed }) {
  let timer = 0;
  let turn = 0;
  async function ask(words) {
    const mine = ++turn;
    if (words === '') {
      found(null, '');
      return;
    }
    try {
      const seqs = await source.matches(words);
      if (mine === turn) found(seqs, words);
    } catch (error) {
      if (mine === turn && error.name !== 'AbortError') failed(error);
    }
  }
  return {
    now: (words) => {
      clearTimeout(timer);
      return ask(words.trim());
    },
    soon(words) {
      clearTimeout(timer);
      timer = setTimeout(() => ask(words.trim()), STILL);
    },
    stop() {
      clearTimeout(timer);
      turn += 1;
    },
  };
}
