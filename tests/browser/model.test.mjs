// The rules of the page that need no page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { align, differs, longestCommon } from '../../mcpcat-timeline/static/align.js';
import { differences, placesOf } from '../../mcpcat-timeline/static/differ.js';
import { ago, count, duration, offset, percent, preciseTime } from '../../mcpcat-timeline/static/format.js';
import { jsonText, Num, parseJson, prettyJson, sameJson } from '../../mcpcat-timeline/static/json.js';
import { linesOf } from '../../mcpcat-timeline/static/lines.js';
import { argumentsOf, compact, errorLine, jsonRpcOf, pathOf, previewOf, traceOf } from '../../mcpcat-timeline/static/model.js';
import { DOUBT, Outline } from '../../mcpcat-timeline/static/outline.js';
import { concurrency, criticalPath, idle } from '../../mcpcat-timeline/static/paths.js';
import { niceTop } from '../../mcpcat-timeline/static/plot.js';

/** An outline as the API writes it, from events in order. Times in milliseconds. */
function outline(events, more = {}) {
  const places = new Map(events.map((event, place) => [event.id, place]));
  const kinds = ['tool', 'custom', 'list'];
  const labels = [...new Set(events.map((event) => event.label ?? event.id))];
  return new Outline({
    total: events.length, start: 0, last_seq: events.length, kinds, labels, instances: more.instances ?? [],
    seq: events.map((_, place) => place + 1), id: events.map((event) => event.id), at: events.map((event) => (event.at ?? 0) * 1000),
    took: events.map((event) => (event.took === undefined ? null : event.took * 1000)),
    parent: events.map((event) => (event.parent === undefined ? -1 : places.get(event.parent) ?? -2)),
    kind: events.map((event) => kinds.indexOf(event.kind ?? 'tool')), label: events.map((event) => labels.indexOf(event.label ?? event.id)),
    instance: events.map((event) => (event.sequence === undefined ? -1 : 0)), sequence: events.map((event) => event.sequence ?? 0),
    error: events.map((event) => (event.error ? 1 : 0)), suspect: events.map((event) => event.suspect ?? 0), ...more.columns,
  });
}
const ALL = { noise: true, errors: false, custom: false, flat: false, found: null, from: 0, to: Infinity, open: new Set(), event: null };
const ids = (one, view = ALL) => linesOf(one, view).map((line) => (line.run ? `${one.label[line.at]}*${line.run.length}` : one.id[line.at]));

test('events stand in order of time, each below the call that raised it, and flat when asked', () => {
  const one = outline([{ id: 'a', took: 100 }, { id: 'b', at: 10 }, { id: 'c', at: 30, parent: 'a' }, { id: 'd', at: 40, parent: 'c' }]);
  assert.deepEqual(linesOf(one, ALL).map(({ at, depth }) => [one.id[at], depth]), [['a', 0], ['c', 1], ['d', 2], ['b', 0]]);
  assert.deepEqual(linesOf(one, { ...ALL, flat: true }).map(({ at, depth }) => [one.id[at], depth]), [['a', 0], ['b', 0], ['c', 0], ['d', 0]]);
});

test('a circle of parents loses no event and a chain of ten thousand does not exhaust the stack', () => {
  const circle = outline([{ id: 'a', parent: 'b' }, { id: 'b', at: 1, parent: 'a' }, { id: 'c', at: 2, parent: 'c' }, { id: 'd', at: 3, parent: 'a' }]);
  assert.equal(ids(circle).length, 4);
  const chain = outline(Array.from({ length: 10_000 }, (_, n) => ({ id: `e${n}`, at: n, parent: n > 0 ? `e${n - 1}` : undefined })));
  assert.equal(ids(chain).length, 10_000);
  assert.equal(chain.depth[9999], 9999);
});

test('live events find their place in time, and the call that is told after what it raised', () => {
  const one = outline([{ id: 'a', at: 0 }, { id: 'z', at: 100 }]);
  const live = (id, at, more = {}) => ({ seq: 10 + at, at_us: at * 1000, kind: 'custom', label: id, is_error: false, event: { id, ...more } });
  assert.equal(one.add([live('child', 60, { parent_id: 'call' }), live('call', 50), live('a', 0)]), 2);
  assert.deepEqual(ids(one), ['a', 'call', 'child', 'z']);
  assert.equal(one.depth[one.byId.get('child')], 1);
  assert.equal(one.counts.events, 4);
});

test('a failed call is one failure however deep its cause is', () => {
  const one = outline([{ id: 'call', took: 100, error: true }, { id: 'inner', at: 10, took: 50, parent: 'call', error: true }, { id: 'deep', at: 20, took: 10, parent: 'inner', error: true }, { id: 'ok', at: 200 }, { id: 'lone', at: 210, error: true, parent: 'ok' }]);
  assert.deepEqual([one.counts.errors, one.counts.failures], [4, 2]);
  assert.equal(one.id[one.causeOf(0)], 'deep');
  assert.deepEqual([1, 2, 4].map((at) => one.failedAbove(at)), [true, true, false]);
});

test('like rows are folded, failures and what has something inside are not, and a search unfolds', () => {
  const ticks = Array.from({ length: 40 }, (_, n) => ({ id: `t${n}`, at: n, label: 'tick', kind: 'custom' }));
  const one = outline([...ticks, { id: 'x', at: 50 }, { id: 'e', at: 51, label: 'tick', kind: 'custom', error: true }]);
  assert.deepEqual(ids(one), ['tick*40', 'x', 'e']);
  assert.equal(ids(one, { ...ALL, open: new Set(['run:t0']) }).length, 43);
  assert.equal(ids(one, { ...ALL, event: 't7' }).length, 43, 'what is linked to is not hidden in a run');
  assert.equal(ids(one, { ...ALL, found: new Set(one.seq) }).length, 42);
});

test('filters: listing noise unless it failed, errors, custom events, a range of time', () => {
  const one = outline([{ id: 'a', took: 10 }, { id: 'l', at: 50, kind: 'list' }, { id: 'f', at: 51, kind: 'list', error: true }, { id: 'b', at: 52, kind: 'custom' }]);
  assert.deepEqual(ids(one, { ...ALL, noise: false }), ['a', 'f', 'b']);
  assert.deepEqual(ids(one, { ...ALL, errors: true }), ['f']);
  assert.deepEqual(ids(one, { ...ALL, custom: true }), ['b']);
  assert.deepEqual(ids(one, { ...ALL, from: 9_000, to: 50_000 }), ['a', 'l'], 'a call that reaches into the range belongs to it');
});

test('pauses are those of what is shown', () => {
  const one = outline([{ id: 'a' }, { id: 'l', at: 50_000, kind: 'list' }, { id: 'b', at: 51_000 }]);
  assert.deepEqual(linesOf(one, { ...ALL, noise: false }).map((line) => line.pause), [0, 51_000_000]);
  assert.deepEqual(linesOf(one, ALL).map((line) => line.pause), [0, 50_000_000, 0]);
});

test('what cannot be true is marked and not mended', () => {
  const instances = [{ id: 'i', lowest: 0, highest: 4, events: 5, removed: 0, dropped: 0 }];
  const one = outline([
    { id: 'late', at: 0, took: 10, sequence: 2 }, { id: 'call', at: 5_000, took: 100, sequence: 0 }, { id: 'in', at: 5_010, took: 50, parent: 'call', sequence: 1 },
    { id: 'out', at: 9_000, parent: 'call', sequence: 3 }, { id: 'minus', at: 9_500, took: -40, suspect: DOUBT.NEGATIVE, sequence: 4 },
  ], { instances });
  assert.deepEqual(one.doubt, [DOUBT.CLOCK, 0, 0, DOUBT.OUTSIDE, DOUBT.NEGATIVE]);
  assert.equal(one.took[4], -40_000);
  assert.equal(one.end(4), 9_500_000, 'a negative duration ends nothing earlier');
  assert.equal(one.counts.suspect, 3);
});

test('numbers that are missing are counted, and placed where one session has all of a sender', () => {
  const instances = [{ id: 'i', lowest: 0, highest: 9, events: 4, removed: 3, dropped: 2 }];
  const one = outline([0, 1, 5, 9].map((sequence, at) => ({ id: `e${sequence}`, at, sequence })), { instances });
  assert.deepEqual(one.losses.map(({ numbers, missing, dropped }) => [numbers, missing, dropped]), [[10, 3, 2]]);
  assert.deepEqual([...one.missingBefore], [[2, 3], [3, 3]]);
  const shared = outline([{ id: 'a', sequence: 0 }, { id: 'b', at: 1, sequence: 9 }], { instances: [{ ...instances[0], events: 10, removed: 0 }] });
  assert.deepEqual([shared.losses[0].missing, shared.missingBefore.size], [0, 0], 'numbers of other sessions are no losses');
});

test('the critical path, calls at once, and times of rest', () => {
  const one = outline([
    { id: 'a', at: 0, took: 100 }, { id: 'a1', at: 10, took: 30, parent: 'a' }, { id: 'a2', at: 15, took: 80, parent: 'a' },
    { id: 'b', at: 50, took: 20 }, { id: 'c', at: 40_000, took: 10 },
  ]);
  assert.deepEqual([...criticalPath(one)].map((at) => one.id[at]).sort(), ['a', 'a2', 'c']);
  assert.equal(concurrency(one, 10).peak, 2);
  assert.deepEqual(idle(one), [[100_000, 40_000_000]]);
});

test('JSON is shown and copied as it was sent', () => {
  const text = '{"n":12345678901234567890123,"f":1.10,"e":1e400,"neg":-0,"plain":7,"2":"two","1":["a\\u00e4\\n\\"x\\"",{"deep":9007199254740993}],"__proto__":{"x":1},"s":"\\ud83d\\ude00"}';
  const value = parseJson(text);
  assert.ok(value.n instanceof Num);
  assert.deepEqual([value.n, value.f, value.e, value.neg].map(String), ['12345678901234567890123', '1.10', '1e400', '-0']);
  assert.deepEqual([value.plain, value['1'][0], value.s], [7, 'aä\n"x"', '😀']);
  assert.equal(jsonText(value), text);
  assert.equal(prettyJson(value).replace(/\n\s*/g, '').replaceAll('": ', '":'), text);
  assert.equal(jsonText(value['1'][1]), '{"deep":9007199254740993}');
  assert.equal({}.x, undefined, 'a member called __proto__ is a member');
  assert.equal(prettyJson(parseJson('{"a":[],"b":{},"c":[1]}')), '{\n  "a": [],\n  "b": {},\n  "c": [\n    1\n  ]\n}');
  for (const bad of ['', '{', '[1,]', '{"a"}', '01', 'nul', '"a', '[1] 2']) assert.throws(() => parseJson(bad), SyntaxError, bad);
  assert.ok(sameJson(parseJson('{"a":1.0,"b":2}'), parseJson('{"b":2,"a":1.0}')));
  assert.ok(!sameJson(parseJson('9007199254740993'), parseJson('9007199254740992')));
});

test('any JSON reads as the browser reads it', () => {
  let seed = 20_261_127;
  const random = (below) => { seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648; return seed % below; };
  const make = (depth) => [() => null, () => true, () => random(1e6) / 7, () => `${'\\"\n\u0001ü😀'.slice(random(4))}`, () => Array.from({ length: random(4) }, () => make(depth - 1)),
    () => Object.fromEntries(Array.from({ length: random(4) }, (_, n) => [`k${n}${random(9)}`, make(depth - 1)]))][depth > 0 ? random(6) : random(4)]();
  const plain = (value) => JSON.parse(jsonText(value));
  for (let n = 0; n < 500; n += 1) {
    const text = JSON.stringify(make(4), null, random(3));
    assert.deepEqual(plain(parseJson(text)), JSON.parse(text), `seed 20261127, round ${n}`);
  }
});

test('arguments stand without the wrapping of any SDK', () => {
  const args = { a: 1 };
  for (const parameters of [{ request: { method: 'tools/call', params: { name: 't', arguments: args } }, extra: {} }, { arguments: args, extra: {} }, { name: 't', arguments: args }]) {
    assert.deepEqual(argumentsOf({ parameters }, 'tool'), args);
    assert.deepEqual(jsonRpcOf({ parameters, event_type: 'mcp:tools/call', resource_name: 't' }, 'tool').params.arguments, args);
  }
  assert.deepEqual(argumentsOf({ parameters: { arguments: 5 } }, 'custom'), { arguments: 5 });
  assert.equal(previewOf({ parameters: { plan: 'team', seats: 5 } }, 'custom'), 'plan team, seats 5');
  assert.equal(compact([1, 2]), '[1,2]');
  assert.equal(pathOf(['a', 'b', 'b', 'b', 'c']), 'a → b × 3 → c');
});

test('errors and traces are found wherever the SDKs put them', () => {
  assert.equal(errorLine({ is_error: true, error: { type: 'T', message: 'm' } }), 'm (T)');
  assert.equal(errorLine({ is_error: true, error: 'plain' }), 'plain');
  assert.equal(errorLine({ is_error: true, error: { code: 3 } }), '{"code":3}');
  assert.equal(traceOf({ properties: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' } }), '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.equal(traceOf({ tags: { trace_id: 'javascript:1' } }), null);
});

test('differences are named by their path, places by what stands there', () => {
  assert.deepEqual(differences({ a: 1, b: { c: [1, 2] }, gone: 0 }, { a: 1, b: { c: [1, 3] }, fresh: 'x' }), [
    { path: 'b.c.1', before: '2', after: '3' }, { path: 'gone', before: '0', after: null }, { path: 'fresh', before: null, after: '"x"' },
  ]);
  assert.deepEqual(placesOf({ a: { needle: 1, b: ['has a NEEDLE'] } }, 'needle').map(({ path }) => path), ['a.needle', 'a.b.0']);
});

test('two sequences of calls are matched with the fewest changes', () => {
  assert.deepEqual(longestCommon([...'abcabba'], [...'cbabac']).length, 4);
  assert.deepEqual(longestCommon([], ['a']), []);
  const call = (label, args = '{}') => ({ label, args, failed: false, ms: 10 });
  const lines = align([call('a'), call('b', '1'), call('c')], [call('a'), call('b', '2'), call('x'), call('c')]);
  assert.deepEqual(lines, [[0, 0], [1, 1], [-1, 2], [2, 3]]);
  assert.deepEqual(differs(call('b', '1'), { ...call('b', '2'), failed: true, ms: 500 }), ['arguments', 'failure', 'duration']);
  assert.deepEqual(differs(call('b'), { ...call('b'), ms: 19 }), [], 'a few milliseconds are no difference');
});

test('numbers read well, and rounding never reaches the next unit', () => {
  assert.deepEqual([0, 0.4, 3.21, 84, 999.7, 1842, 59_999, 61_000, 3_599_999, 7_260_000, -40, 0.9999].map(duration),
    ['0 ms', '400 µs', '3.2 ms', '84 ms', '1 s', '1.84 s', '1 min', '1 min 1 s', '1 h', '2 h 1 min', '−40 ms', '1 ms']);
  assert.deepEqual([0, 44_000, 2_300_000, 59_999_999, 206_400_000, 8_000_000_000, -1_500_000].map(offset), ['+0ms', '+44ms', '+2.30s', '+00:59', '+03:26', '+2:13:20', '−1.50s']);
  assert.deepEqual([999, 1000, 1_234_567].map((value) => count(value).replaceAll('\u2009', ' ')), ['999', '1 000', '1 234 567']);
  assert.deepEqual([0, 0.0004, 0.03, 0.5].map(percent), ['0 %', '< 0.1 %', '3 %', '50 %']);
  const now = 1_700_000_000_000_000;
  assert.deepEqual([0, -3e6, -7200e6, 7200e6].map((us) => ago(now + us, now)), ['just now', 'just now', '2 h ago', 'in 2 h']);
  assert.match(preciseTime(1_795_355_824_390_123), /\.390123 [+−]\d\d:\d\d$/);
  assert.deepEqual([0, 7, 23, 100, 2600].map(niceTop), [4, 8, 30, 100, 3000]);
});
