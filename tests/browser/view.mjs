// What the page's tests share: a page that must end without a fault, its rows, axe.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { openPage } from './harness.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const artefact = (name) => fileURLToPath(new URL(`../artefacts/${name}`, import.meta.url));
export const session = (id, query = '') => `/sessions/${encodeURIComponent(id)}${query}`;
export const rows = (page) => page.locator('.events .row');
export const labels = (page) => page.locator('.events .row .label').allTextContents();
export const current = (page) => page.locator('.events a[aria-current] .label');
export const pane = (page) => page.getByRole('complementary', { name: 'Event details' });
export const tally = (page, text) => page.locator('.tally').filter({ hasText: text }).waitFor();

/** Runs `work` on a fresh page at `path`, and asserts that nothing went wrong on it. */
export async function visit(browser, base, path, work, options) {
  const { page, faults, context } = await openPage(browser, base, options);
  try {
    await page.goto(base + path);
    await work(page, faults);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

/** No finding of axe on the page as it is. */
export async function accessible(page, what) {
  // Injected by the browser's own tooling, which the page's policy does not bind.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map((violation) => `${what}: ${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 200)).slice(0, 3).join(' | ')}`);
  assert.deepEqual(found, []);
}

/** Nothing stands wider than the window. */
export async function fits(page, what) {
  const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide[0] <= wide[1], `${what} scrolls sideways: ${wide[0]} in ${wide[1]}`);
}

/** Sends events in batches, as many at a time as the collector takes. */
export async function batch(base, events) {
  for (let from = 0; from < events.length; from += 500) {
    const body = events.slice(from, from + 500).map((event) => (typeof event === 'string' ? event : JSON.stringify(event))).join('\n');
    const response = await fetch(`${base}/v1/public/events/batch`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.ok(!text.includes('"rejected"'), text.slice(0, 500));
  }
}

const START = Date.parse('2026-11-26T08:00:00Z');

/** Calls with two events each; every 202nd event failed; one far behind carries a word. */
export function large(count, id) {
  const place = (n) => `evt_${id}_${String(n).padStart(6, '0')}`;
  return Array.from({ length: count }, (_, n) => {
    const call = n % 3 === 0;
    return {
      id: place(n), project_id: 'proj_large', session_id: id, timestamp: new Date(START + n * 20).toISOString(), sequence: n, sdk_instance: id,
      event_type: call ? 'mcp:tools/call' : 'mcpcat:custom', resource_name: call ? `tool_${n % 7}` : `event_${n % 5}`, duration: call ? 50 : 1,
      ...(call ? {} : { parent_id: place(n - (n % 3)) }), ...(n % 202 === 0 ? { is_error: true, error: { message: 'refused' } } : {}),
      parameters: call ? { arguments: { customer: `cus_${n}`, note: n === count - 500 ? 'the only needle' : 'hay' } } : { step: n, note: n === count - 500 ? 'the only needle' : 'hay' },
    };
  });
}
