// Events of a session that a timeline is asked for, as they are needed.

import { get } from './api.js';
import { parseJson } from './json.js';

/** Events asked for at a time. */
const ASKED = 500;

/** Numbers as `1-500,507`. */
function ranges(numbers) {
  const out = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = out[out.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else out.push([number, number]);
  }
  return out.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** Events of a session that a server has. What was asked for once is kept. */
export function serverSource(path, scope, signal) {
  let held = new Map();
  let words = '';
  return {
    /** The rows of these arrival numbers; those that the server no longer has are missing. */
    async rows(numbers, found = '') {
      if (found !== words) {
        held = new Map();
        words = found;
      }
      let wanted = numbers.filter((number) => !held.has(number));
      while (wanted.length > 0) {
        const params = [...scope, ['seq', ranges(wanted.slice(0, ASKED))], ...(words === '' ? [] : [['q', words]])];
        const { events } = await get(`${path}/rows`, params, signal, parseJson);
        for (const row of events) held.set(row.seq, row);
        const before = wanted.length;
        const asked = new Set(wanted.slice(0, ASKED));
        // An answer that was cut by its size is asked for again; what is not there at all is not.
        wanted = wanted.filter((number) => !held.has(number) && (!asked.has(number) || events.length > 0));
        if (wanted.length === before) break;
      }
      return held;
    },
    put(rows) {
      // A live event carries what the collector adds for readers; its details are those of the event as it was sent.
      for (const row of rows) held.set(row.seq, { ...row, live: true });
    },
    /** One event whole. */
    async whole(number) {
      const row = held.get(number);
      if (row && !row.cut && !row.live) return row;
      const { events } = await get(`${path}/rows`, [...scope, ['seq', String(number)], ['whole', '1']], signal, parseJson);
      if (events.length === 0) return null;
      const kept = { ...events[0], hit: row?.hit };
      held.set(number, kept);
      return kept;
    },
    async matches(text) {
      const { seq } = await get(`${path}/matches`, [...scope, ['q', text]], signal);
      return new Set(seq);
    },
  };
}
