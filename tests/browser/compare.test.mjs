// Two sessions side by side.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser, startTimeline } from './harness.mjs';
import { artefact, batch, visit } from './view.mjs';

let timeline;
let browser;
before(async () => {
  timeline = await startTimeline();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await timeline?.stop(), 0);
});

const START = Date.parse('2026-11-26T08:00:00Z');

test('2,000 against 2,100 calls: all of 30 planted differences are found, and nothing else', async () => {
  const call = (n) => ({ name: `tool_${n % 7}`, args: { step: n, customer: `cus_${n % 40}` }, ms: 40 + (n % 9), failed: false });
  const left = Array.from({ length: 2000 }, (_, n) => call(n));
  const right = left.map((one) => structuredClone(one));
  // Ten of each kind, apart from each other; they are looked for by their place in the left session.
  const planted = { arguments: [], failure: [], duration: [] };
  for (let n = 0; n < 10; n += 1) {
    const [a, b, c] = [50 + n * 190, 110 + n * 190, 170 + n * 190];
    right[a].args.customer = `changed_${a}`;
    right[b].failed = true;
    right[c].ms *= 6;
    planted.arguments.push(a);
    planted.failure.push(b);
    planted.duration.push(c);
  }
  // A hundred calls more on the right, in one run.
  right.splice(1000, 0, ...Array.from({ length: 100 }, (_, n) => ({ name: 'retry', args: { attempt: n }, ms: 5, failed: false })));
  const events = (id, calls) => calls.map((one, n) => ({
    id: `${id}-${n}`, project_id: 'p', session_id: id, event_type: 'mcp:tools/call', resource_name: one.name, duration: one.ms, is_error: one.failed,
    timestamp: new Date(START + n * 100).toISOString(), parameters: { request: { method: 'tools/call', params: { name: one.name, arguments: one.args } } },
  }));
  await batch(timeline.url, [...events('left', left), ...events('right', right)]);
  await visit(browser, timeline.url, '/compare?a=left&b=right', async (page) => {
    const sum = page.locator('.compare-sum');
    await sum.waitFor();
    assert.match(await sum.textContent(), /^130 differences in 2\u2009100 lines: 10 other arguments10 other outcome10 other duration100 only right/);
    const found = async (words) => (await page.locator('.pairs li').filter({ has: page.locator('.chip', { hasText: words }) }).locator('.pair-side:first-child a').evaluateAll((links) => links.map((link) => Number(new URL(link.href).searchParams.get('event').split('-')[1]))));
    assert.deepEqual(await found('other arguments'), planted.arguments);
    assert.deepEqual(await found('other outcome'), planted.failure);
    assert.deepEqual(await found('other duration'), planted.duration);
    assert.match(await page.locator('.pairs li').first().textContent(), /customer "cus_10" → "changed_50"/);
    await page.screenshot({ path: artefact('compare-light.png') });
    await page.getByRole('button', { name: 'Differences only' }).click();
    await page.getByRole('button', { name: /Load more/ }).waitFor();
    assert.equal(await page.locator('.pairs li').count(), 300);
  });
});
