// A session's skeleton: the order, nesting, time and failure of all its events, as the store has them. What the page counts
// and draws comes from here, so it does not depend on which events are loaded. No document in here.

/** Bits of doubt. The first five are the collector's, the others follow from the events together. */
export const DOUBT = { NO_ZONE: 1, ODD_TIME: 2, FUTURE: 4, NEGATIVE: 8, ABSURD: 16, OUTSIDE: 32, CLOCK: 64 };

/** What a doubt says to a reader. */
export const DOUBTS = [
  [DOUBT.NO_ZONE, 'its time has no zone and is read as UTC'],
  [DOUBT.ODD_TIME, 'its time is not written as RFC 3339 has it'],
  [DOUBT.FUTURE, 'it claims to be later than its arrival'],
  [DOUBT.NEGATIVE, 'its duration is negative'],
  [DOUBT.ABSURD, 'its duration is longer than thirty years'],
  [DOUBT.OUTSIDE, 'it is not within the call that raised it'],
  [DOUBT.CLOCK, 'its sender’s clock jumped back before it'],
];

/** The collector's words for the bits that it sets. */
const WORDS = { no_zone: 1, odd_time: 2, future: 4, negative_duration: 8, absurd_duration: 16 };

/** Senders round durations to milliseconds, and start and end each. */
const ROUNDING = 2000;
/** A clock that jumps does so by at least a second, microseconds. */
const JUMP = 1_000_000;

export class Outline {
  /** @param {any} data what `/outline` answers */
  constructor(data) {
    this.start = data.start;
    this.total = data.total;
    this.cutBefore = data.total - data.id.length;
    this.id = data.id;
    this.seq = data.seq;
    this.at = data.at;
    this.took = data.took;
    this.parent = data.parent;
    this.kind = data.kind.map((place) => data.kinds[place]);
    this.label = data.label.map((place) => data.labels[place]);
    this.instances = data.instances;
    this.instance = data.instance;
    this.sequence = data.sequence;
    this.error = data.error;
    this.doubt = data.suspect;
    this.told = data.suspect.slice();
    this.byId = new Map(this.id.map((id, at) => [id, at]));
    this.order = this.id.map((_, at) => at);
    this.orphans = new Map();
    this.build();
  }

  get size() {
    return this.id.length;
  }

  /** Microseconds from the start to where an event ends. */
  end(at) {
    return this.at[at] + Math.max(0, this.took[at] ?? 0);
  }

  /** Adds events of the live tail; returns how many were new. */
  add(messages) {
    let added = 0;
    for (const { seq, at_us: at, took_us: took, kind, label, is_error: error, suspect, event } of messages) {
      if (this.byId.has(event.id)) continue;
      added += 1;
      const place = this.id.length;
      this.byId.set(event.id, place);
      this.id.push(event.id);
      this.seq.push(seq);
      this.at.push(at - this.start);
      this.took.push(took ?? null);
      this.kind.push(kind);
      this.label.push(label);
      this.error.push(error ? 1 : 0);
      this.sequence.push(Number(event.sequence ?? 0));
      this.told.push((suspect ?? []).reduce((bits, word) => bits | (WORDS[word] ?? 0), 0));
      this.doubt.push(0);
      this.instance.push(this.#instanceOf(event));
      this.parent.push(this.#parentOf(event, place));
      // Most events come last in time too; the others are put where they belong.
      let last = this.order.length;
      while (last > 0 && this.#compare(this.order[last - 1], place) > 0) last -= 1;
      this.order.splice(last, 0, place);
    }
    this.total += added;
    if (added > 0) this.build();
    return added;
  }

  #instanceOf(event) {
    const id = event.sdk_instance;
    if (typeof id !== 'string' || id === '') return -1;
    const number = Number(event.sequence ?? 0);
    let place = this.instances.findIndex((known) => known.id === id);
    if (place < 0) place = this.instances.push({ id, lowest: number, highest: number, events: 0, removed: 0, dropped: 0 }) - 1;
    const known = this.instances[place];
    known.lowest = Math.min(known.lowest, number);
    known.highest = Math.max(known.highest, number);
    known.events += 1;
    known.dropped += Number(event.properties?.mcpcat_dropped ?? 0) || 0;
    return place;
  }

  /** Children often arrive before the call that raised them. */
  #parentOf(event, place) {
    for (const child of this.orphans.get(event.id) ?? []) this.parent[child] = place;
    this.orphans.delete(event.id);
    const id = event.parent_id;
    if (typeof id !== 'string' || id === '') return -1;
    const known = this.byId.get(id);
    if (known !== undefined) return known;
    if (!this.orphans.has(id)) this.orphans.set(id, []);
    this.orphans.get(id).push(place);
    return -2;
  }

  #compare(a, b) {
    const name = (at) => (this.instance[at] < 0 ? '' : this.instances[this.instance[at]].id);
    return this.at[a] - this.at[b] || (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0)
      || this.sequence[a] - this.sequence[b] || (this.id[a] < this.id[b] ? -1 : 1);
  }

  /** Nesting, doubts, gaps and figures, all from the columns. */
  build() {
    const size = this.size;
    this.depth = new Int32Array(size).fill(-1);
    this.children = new Array(size);
    this.roots = [];
    const above = this.parent.slice();
    for (let at = 0; at < size; at += 1) this.#level(at, above);
    for (const at of this.order) {
      const parent = above[at];
      if (parent < 0) this.roots.push(at);
      else (this.children[parent] ??= []).push(at);
    }
    this.above = above;
    this.length = 0;
    this.counts = { events: this.total, tool: 0, custom: 0, list: 0, errors: 0, failures: 0, suspect: 0 };
    for (let at = 0; at < size; at += 1) {
      this.doubt[at] = this.told[at];
      const parent = above[at];
      if (parent >= 0 && (this.at[at] < this.at[parent] - ROUNDING || (this.took[parent] !== null && this.end(at) > this.end(parent) + ROUNDING))) {
        this.doubt[at] |= DOUBT.OUTSIDE;
      }
    }
    this.#numbers();
    for (let at = 0; at < size; at += 1) {
      this.length = Math.max(this.length, this.end(at));
      if (this.kind[at] in this.counts) this.counts[this.kind[at]] += 1;
      if (this.doubt[at] !== 0) this.counts.suspect += 1;
      if (!this.error[at]) continue;
      this.counts.errors += 1;
      if (!this.failedAbove(at)) this.counts.failures += 1;
    }
  }

  /** Depths from a chain of parents; an event that is its own ancestor stands alone. */
  #level(at, above) {
    if (this.depth[at] >= 0) return;
    const chain = [];
    const inChain = new Set();
    let here = at;
    while (here >= 0 && this.depth[here] < 0 && !inChain.has(here)) {
      chain.push(here);
      inChain.add(here);
      here = above[here];
    }
    if (here >= 0 && inChain.has(here)) {
      // A circle: it is cut where it was entered.
      above[here] = -1;
      here = -1;
      const from = chain.length;
      for (let place = from - 1; place >= 0; place -= 1) {
        const parent = above[chain[place]];
        if (parent >= 0 && this.depth[parent] < 0) continue;
        this.depth[chain[place]] = parent >= 0 ? this.depth[parent] + 1 : 0;
      }
      for (const place of chain) if (this.depth[place] < 0) this.#level(place, above);
      return;
    }
    let depth = here >= 0 ? this.depth[here] + 1 : 0;
    while (chain.length > 0) {
      this.depth[chain.pop()] = depth;
      depth += 1;
    }
  }

  /** Whether a call around it failed too: then it tells why, and is no failure of its own. */
  failedAbove(at) {
    for (let up = this.above[at]; up >= 0; up = this.above[up]) if (this.error[up]) return true;
    return false;
  }

  /** The failure deepest inside a failed call, or the call itself. */
  causeOf(at) {
    let here = at;
    for (;;) {
      const failed = (this.children[here] ?? []).filter((child) => this.error[child]);
      if (failed.length === 0) return here;
      here = failed.reduce((last, child) => (this.end(child) >= this.end(last) ? child : last));
    }
  }

  /** Gaps in the senders' numbers, and clocks that ran backwards between two of them. */
  #numbers() {
    this.missingBefore = new Map();
    const held = this.instances.map(() => []);
    for (const at of this.order) if (this.instance[at] >= 0) held[this.instance[at]].push(at);
    this.losses = this.instances.map((instance, place) => {
      const mine = held[place].sort((a, b) => this.sequence[a] - this.sequence[b]);
      const numbers = instance.highest - instance.lowest + 1;
      // Where one process serves several sessions, only its sum can be told, not the place.
      const alone = mine.length === instance.events;
      for (let n = 1; n < mine.length; n += 1) {
        const [before, at] = [mine[n - 1], mine[n]];
        const gap = this.sequence[at] - this.sequence[before] - 1;
        if (alone && gap > 0) this.missingBefore.set(at, gap);
        if (this.at[at] < this.at[before] - JUMP && this.end(at) < this.end(before) - JUMP) this.doubt[at] |= DOUBT.CLOCK;
      }
      return { id: instance.id, numbers, missing: Math.max(0, numbers - instance.events - instance.removed), removed: instance.removed, dropped: instance.dropped, alone };
    });
  }

  /** All events in the order of a reader: by time, each below the call that raised it. */
  walk() {
    const out = [];
    const stack = [...this.roots].reverse();
    while (stack.length > 0) {
      const at = stack.pop();
      out.push(at);
      const children = this.children[at];
      if (children) for (let n = children.length - 1; n >= 0; n -= 1) stack.push(children[n]);
    }
    return out;
  }

  /** An event and everything raised inside it. */
  within(at) {
    const out = [];
    const stack = [at];
    while (stack.length > 0) {
      const here = stack.pop();
      out.push(here);
      const children = this.children[here];
      if (children) for (let n = children.length - 1; n >= 0; n -= 1) stack.push(children[n]);
    }
    return out;
  }

  /** The call of the same tool before this one, or -1. */
  previousLike(at) {
    let found = -1;
    for (const other of this.order) {
      if (other === at) return found;
      if (this.kind[other] === this.kind[at] && this.label[other] === this.label[at]) found = other;
    }
    return found;
  }
}
