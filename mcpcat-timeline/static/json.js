// JSON as it was sent. JavaScript's own parser rounds integers beyond 2^53 and forgets how a number was written; here a
// number that would change keeps its text, and every object and list knows the text it was read from.

/** Where an object or list keeps its text. A symbol, so that no loop over members meets it. */
export const SOURCE = Symbol('source');

/** A number that JavaScript would write in another way than its sender did. */
export class Num {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }

  valueOf() {
    return Number(this.source);
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const BLANK = /[ \t\r\n]*/y;

/** Reads a JSON text; fails as `JSON.parse` does. */
export function parseJson(text) {
  let at = 0;
  const blank = () => {
    BLANK.lastIndex = at;
    BLANK.test(text);
    at = BLANK.lastIndex;
  };
  const fail = () => {
    throw new SyntaxError(`not JSON at character ${at}`);
  };
  function string() {
    const from = at;
    for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (text[end - 1 - slashes] === '\\') slashes += 1;
      if (slashes % 2 === 1) continue;
      at = end + 1;
      const inner = text.slice(from + 1, end);
      return inner.includes('\\') ? JSON.parse(text.slice(from, at)) : inner;
    }
    return fail();
  }
  function members(close, one) {
    at += 1;
    blank();
    if (text[at] === close) {
      at += 1;
      return;
    }
    for (;;) {
      one();
      blank();
      if (text[at] === close) {
        at += 1;
        return;
      }
      if (text[at] !== ',') fail();
      at += 1;
      blank();
    }
  }
  function value() {
    const from = at;
    switch (text[at]) {
      case '"': return string();
      case '{': {
        const object = {};
        members('}', () => {
          if (text[at] !== '"') fail();
          const key = string();
          blank();
          if (text[at] !== ':') fail();
          at += 1;
          blank();
          const member = value();
          if (key === '__proto__') Object.defineProperty(object, key, { value: member, enumerable: true, configurable: true, writable: true });
          else object[key] = member;
        });
        object[SOURCE] = text.slice(from, at);
        return object;
      }
      case '[': {
        const list = [];
        members(']', () => list.push(value()));
        list[SOURCE] = text.slice(from, at);
        return list;
      }
      default:
    }
    for (const [word, known] of [['true', true], ['false', false], ['null', null]]) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return known;
      }
    }
    NUMBER.lastIndex = at;
    const found = NUMBER.exec(text);
    if (!found) return fail();
    at = NUMBER.lastIndex;
    const number = Number(found[0]);
    return String(number) === found[0] ? number : new Num(found[0]);
  }
  blank();
  const whole = value();
  blank();
  if (at < text.length) fail();
  return whole;
}

/** A value as JSON on one line, as it was sent where it was sent. */
export function jsonText(value) {
  if (value instanceof Num) return value.source;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (value[SOURCE] !== undefined) return value[SOURCE];
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  return `{${Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${jsonText(member)}`).join(',')}}`;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The same text laid out over lines; no member is reordered, no number or escape rewritten. */
export function prettyJson(value) {
  const tokens = jsonText(value).match(TOKEN) ?? [];
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  tokens.forEach((token, at) => {
    const open = token === '{' || token === '[';
    const close = token === '}' || token === ']';
    const empty = close && (tokens[at - 1] === '{' || tokens[at - 1] === '[');
    if (close) {
      depth -= 1;
      if (!empty) out += line();
    }
    out += token === ':' ? ': ' : token;
    if (open) {
      depth += 1;
      const next = tokens[at + 1];
      if (next !== '}' && next !== ']') out += line();
    }
    if (token === ',') out += line();
  });
  return out;
}

/** Whether two values say the same, numbers by how they were written. */
export function sameJson(a, b) {
  if (a === b) return true;
  if (a instanceof Num || b instanceof Num) return jsonText(a) === jsonText(b);
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object' || Array.isArray(a) !== Array.isArray(b)) return false;
  const [one, two] = [Object.keys(a), Object.keys(b)];
  return one.length === two.length && one.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]));
}
