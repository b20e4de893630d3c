// The rules of the page that need no page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { duration, micros, offset } from '../../mcpcat-timeline/static/format.js';
import { arrange, badgeOf, errorLine, pauses, traceOf, visible } from '../../mcpcat-timeline/static/model.js';

const at = (ms, fields) => ({ timestamp: new Date(1_700_000_000_000 + ms).toISOString(), ...fields });

test('events stand in order of time, each below the call that raised it', () => {
  const rows = arrange([
    at(30, { id: 'c', parent_id: 'a' }), at(0, { id: 'a' }), at(10, { id: 'b' }), at(40, { id: 'd', parent_id: 'c' }),
  ]);
  assert.deepEqual(rows.map(({ event, depth }) => [event.id, depth]), [['a', 0], ['c', 1], ['d', 2], ['b', 0]]);
  assert.equal(rows[1].offset, 30_000);
});

test('the number within one process decides between equal times, an unknown parent is none', () => {
  const same = [
    at(0, { id: 'z', sdk_instance: 'p', sequence: 1 }), at(0, { id: 'a', sdk_instance: 'p', sequence: 2, parent_id: 'gone' }),
  ];
  assert.deepEqual(arrange(same).map(({ event, depth }) => [event.id, depth]), [['z', 0], ['a', 0]]);
});

test('a circle of parents loses no event', () => {
  const rows = arrange([at(0, { id: 'a', parent_id: 'b' }), at(1, { id: 'b', parent_id: 'a' }), at(2, { id: 'c', parent_id: 'c' })]);
  assert.equal(rows.length, 3);
});

test('a chain of ten thousand parents does not exhaust the stack', () => {
  const events = Array.from({ length: 10_000 }, (_, n) => at(n, { id: `e${n}`, parent_id: n > 0 ? `e${n - 1}` : undefined }));
  assert.equal(arrange(events).length, 10_000);
});

test('microseconds survive', () => {
  assert.equal(micros('2026-11-22T13:57:04.390123Z') % 1_000_000, 390_123);
  assert.equal(micros('2026-11-22T13:57:04Z') % 1_000_000, 0);
  assert.ok(arrange([
    { id: 'b', timestamp: '2026-11-22T13:57:04.390002Z' }, { id: 'a', timestamp: '2026-11-22T13:57:04.390001Z' },
  ])[0].event.id === 'a');
});

test('badges, errors and traces are found wherever the SDKs put them', () => {
  assert.equal(badgeOf({ kind: 'custom', event_type: 'mcpcat:custom' }), 'custom');
  assert.equal(badgeOf({ kind: 'protocol', event_type: 'mcp:initialize' }), 'initialize');
  assert.equal(badgeOf({ kind: 'other', event_type: '' }), 'event');
  assert.equal(errorLine({ is_error: true, error: { type: 'T', message: 'm' } }), 'T: m');
  assert.equal(errorLine({ is_error: true, error: 'plain' }), 'plain');
  assert.equal(errorLine({ is_error: true, error: { code: 3 } }), '{"code":3}');
  assert.equal(traceOf({ properties: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' } }), '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.equal(traceOf({ tags: { trace_id: 'javascript:1' } }), null);
});

test('listing noise is hidden unless it failed or is asked for, and pauses are those of what is shown', () => {
  const rows = arrange([
    at(0, { id: 'a', kind: 'tool' }), at(50_000, { id: 'l', kind: 'list' }),
    at(51_000, { id: 'f', kind: 'list', is_error: true }), at(52_000, { id: 'b', kind: 'custom' }),
  ]);
  const all = { noise: false, text: '', errors: false, custom: false };
  const shown = visible(rows, all);
  assert.deepEqual(shown.map(({ event }) => event.id), ['a', 'f', 'b']);
  assert.deepEqual(pauses(shown), [0, 51_000, 0]);
  assert.equal(visible(rows, { ...all, noise: true }).length, 4);
  assert.deepEqual(visible(rows, { ...all, custom: true }).map(({ event }) => event.id), ['b']);
});

test('numbers read well', () => {
  assert.deepEqual([0, 0.4, 3.21, 84, 1842, 59_999, 61_000, 7_260_000].map(duration),
    ['0 ms', '400 µs', '3.2 ms', '84 ms', '1.84 s', '60 s', '1 min 1 s', '2 h 1 min']);
  assert.deepEqual([0, 44_000, 2_300_000, 206_400_000, 8_000_000_000].map(offset), ['+0ms', '+44ms', '+2.30s', '+03:26', '+2:13:20']);
});
