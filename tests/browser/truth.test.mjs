// The page is right: at any size, in any zone, with data that cannot be true, and about what is missing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser, startTimeline } from './harness.mjs';
import { batch, current, labels, large, pane, rows, session, tally, visit } from './view.mjs';

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
const at = (path, work, options) => visit(browser, timeline.url, path, work, options);

const START = Date.parse('2026-11-26T08:00:00Z');
test('50,000 events, 5,000 loaded: every figure, filter, search and jump is of all of them', async (context) => {
  await batch(timeline.url, large(50_000, 'ses_large'));
  await at(session('ses_large', '?project=proj_large'), async (page) => {
    await rows(page).first().waitFor({ timeout: 300_000 });
    const facts = (await page.locator('.session-facts').textContent()).replaceAll('\u2009', '');
    assert.match(facts, /Events50000Tool calls16667Custom33333Failures/);
    const failures = Number(/Failures(\d+)/.exec(facts)[1]) + Number(/and (\d+) inside/.exec(facts)?.[1] ?? 0);
    assert.equal(failures, 248);
    // More loads by itself while the end is in sight.
    await page.waitForFunction(() => {
      const scroller = document.querySelector('.events-scroller');
      scroller.scrollTop = scroller.scrollHeight;
      return document.querySelectorAll('.events .row').length >= 5000;
    }, null, { timeout: 300_000, polling: 50 });
    const loaded = await rows(page).count();
    context.diagnostic(`${loaded} of 50,000 loaded`);
    assert.ok(loaded < 10_000);
    const key = page.keyboard;
    await key.press('End');
    await current(page).filter({ hasText: 'event_4' }).waitFor();
    assert.match(await page.locator('a[aria-current]').getAttribute('href'), /049999$/);
    await key.press('Home');
    assert.match(await page.locator('a[aria-current]').getAttribute('href'), /000000$/);
    await page.getByRole('button', { name: 'Errors only' }).click();
    await tally(page, '248 of 50\u2009000 events');
    await key.press('End');
    assert.match(await page.locator('a[aria-current]').getAttribute('href'), /049894$/, 'the last error of all');
    await page.getByRole('button', { name: 'Errors only' }).click();
    await key.press('Shift+E');
    assert.match(await page.locator('a[aria-current]').getAttribute('href'), /049692$/, 'the error before it, far from what was loaded');
    await page.getByLabel('Search in this session').fill('the only needle');
    await tally(page, /^[12] of 50\u2009000 events$/);
    await page.locator('.row mark', { hasText: 'the only needle' }).waitFor();
    await page.getByLabel('Search in this session').fill('no such words');
    await page.getByText('No event of this session matches.').waitFor();
  });
  await at(session('ses_large', '?project=proj_large&event=evt_ses_large_049500'), async (page) => {
    await pane(page).getByRole('heading', { level: 2 }).waitFor();
    assert.match(await page.locator('a[aria-current]').getAttribute('href'), /049500$/);
    assert.ok(await page.locator('a[aria-current]').isVisible());
    assert.ok(await rows(page).count() < 2000, 'a link far behind does not load what is before it');
  });
});

const CASE = `{"project_id":"p","session_id":"naive","id":"n1","event_type":"agentcat:custom","resource_name":"first","timestamp":"2026-11-26T23:00:00Z","duration":100}
{"project_id":"p","session_id":"naive","id":"n2","event_type":"agentcat:custom","resource_name":"second, without a zone","timestamp":"2026-11-26T23:00:01","duration":100}
{"project_id":"p","session_id":"naive","id":"n3","event_type":"agentcat:custom","resource_name":"third","timestamp":"2026-11-26T23:00:02Z","duration":100}
{"project_id":"p","session_id":"leap","id":"l1","event_type":"agentcat:custom","resource_name":"first","timestamp":"2026-11-26T23:00:00Z"}
{"project_id":"p","session_id":"leap","id":"l2","event_type":"agentcat:custom","resource_name":"a leap second","timestamp":"2026-11-26T23:00:60Z"}
{"project_id":"p","session_id":"leap","id":"l3","event_type":"agentcat:custom","resource_name":"comma, basic offset","timestamp":"2026-11-26T23:01:01,5Z"}
{"project_id":"p","session_id":"leap","id":"l4","event_type":"agentcat:custom","resource_name":"short offset","timestamp":"2026-11-26T23:01:02+00"}`;

test('times are the collector’s in every zone, and the zone is named', async () => {
  await batch(timeline.url, CASE.split('\n'));
  for (const [timezoneId, started] of [['America/New_York', '2026-11-26 18:00:00'], ['Europe/Berlin', '2026-11-27 00:00:00'], ['Pacific/Auckland', '2026-11-27 12:00:00']]) {
    await at(session('naive'), async (page) => {
      await rows(page).first().waitFor();
      assert.deepEqual(await labels(page), ['first', 'second, without a zone', 'third']);
      assert.deepEqual(await page.locator('.row .offset').allTextContents(), ['+0ms', '+1.00s', '+2.00s']);
      const facts = await page.locator('.session-facts').textContent();
      assert.ok(facts.includes(`Started${started} ${timezoneId}`), facts);
      assert.ok(facts.includes('Lasted2.1 s'), facts);
      assert.equal(await page.locator('.gap').count(), 0);
      assert.deepEqual(await page.locator('.row').filter({ hasText: 'suspect' }).locator('.label').allTextContents(), ['second, without a zone']);
    }, { timezoneId });
    await at(session('leap'), async (page) => {
      await rows(page).first().waitFor();
      const { events } = await (await fetch(`${timeline.url}/api/v1/sessions/leap/events`)).json();
      assert.deepEqual(await labels(page), events.map((event) => event.resource_name), 'the order is the collector’s');
      const text = await page.locator('#main').textContent();
      assert.ok(!text.includes('NaN') && !text.includes('Invalid'), text);
      assert.equal(await page.locator('.row .doubt').count(), 3);
    }, { timezoneId });
  }
});

test('numbers are shown and copied as they were sent, data that cannot be true is marked', async () => {
  const start = '2026-11-26T10:00:0';
  const event = (id, second, rest) => `{"project_id":"p","session_id":"odd","id":"${id}","timestamp":"${start}${second}Z",${rest}}`;
  await batch(timeline.url, [
    event('o1', 0, '"event_type":"mcp:tools/call","resource_name":"pay","duration":1000,"parameters":{"arguments":{"account":12345678901234567890123,"rate":1.10,"order":9007199254740993}},"response":{"content":[{"type":"text","text":"{\\"id\\":9007199254740995}"}]}'),
    event('o2', 0, '"event_type":"mcpcat:custom","resource_name":"outside","parent_id":"o1","duration":9000'),
    event('o3', 5, '"event_type":"mcpcat:custom","resource_name":"backwards","duration":-1500'),
    event('o4', 6, '"event_type":"mcpcat:custom","resource_name":"absurd","duration":1e300'),
    '{"project_id":"p","session_id":"odd","id":"o5","timestamp":"2199-01-01T00:00:00Z","event_type":"mcpcat:custom","resource_name":"tomorrow"}',
  ]);
  await at(session('odd', '?event=o1'), async (page) => {
    const details = pane(page);
    await details.getByRole('heading', { name: 'pay' }).waitFor();
    const text = await details.textContent();
    for (const number of ['12345678901234567890123', '1.10', '9007199254740993', '9007199254740995']) assert.ok(text.includes(number), number);
    await page.evaluate(() => { navigator.clipboard.writeText = async (value) => { window.copied = value; }; });
    for (const name of ['Copy arguments', 'Copy as JSON', 'Copy as JSON-RPC']) {
      await details.getByRole('button', { name, exact: true }).click();
      await page.waitForFunction(() => window.copied);
      const copied = await page.evaluate(() => { const value = window.copied; window.copied = null; return value; });
      assert.match(copied, /"account": 12345678901234567890123,\s+"rate": 1\.10,\s+"order": 9007199254740993/, name);
      if (name.includes('RPC')) assert.deepEqual([JSON.parse(copied).method, JSON.parse(copied).params.name], ['tools/call', 'pay']);
    }
    const doubt = (id) => page.locator(`[data-id=${id}] .doubt`).getAttribute('title');
    assert.match(await doubt('o2'), /not within the call/);
    assert.match(await doubt('o3'), /duration is negative/);
    assert.match(await doubt('o4'), /longer than thirty years/);
    assert.match(await doubt('o5'), /later than its arrival/);
    assert.equal(await page.locator('[data-id=o3] .took').textContent(), '−1.5 s');
    assert.equal(await page.locator('[data-id=o1] .took').textContent(), '1 s');
    assert.ok((await page.locator('.notes').textContent()).includes('4 events cannot be true as sent'));
    await page.getByRole('button', { name: 'Next suspect event' }).click();
    await details.getByText('It is shown as it came.').waitFor();
  });
  await at('/?project=p', async (page) => {
    const row = page.locator('tr', { hasText: 'odd' });
    await row.waitFor();
    assert.match(await row.textContent(), /in \d+/);
    assert.ok(!(await row.textContent()).includes('just now'));
  });
});

test('a loss of 3 % is said, and where it is; drops, sampling and retention too', async () => {
  const event = (session_id, n, more = {}) => ({
    id: `${session_id}-${n}`, project_id: 'p', session_id, sdk_instance: session_id, sequence: n, event_type: 'mcpcat:custom', resource_name: `step_${n}`,
    timestamp: new Date(START + n * 1000).toISOString(), ...more,
  });
  const lost = new Set(Array.from({ length: 30 }, (_, n) => 17 + n * 31));
  await batch(timeline.url, Array.from({ length: 1000 }, (_, n) => event('lossy', n)).filter((_, n) => !lost.has(n)));
  await batch(timeline.url, [0, 1, 5].map((n) => event('dropper', n, n === 5 ? { properties: { mcpcat_dropped: 3 } } : {})));
  await batch(timeline.url, [0, 4].map((n) => event('sampled', n, { properties: { mcpcat_sample_rate: 0.1 } })));
  await at(session('lossy'), async (page) => {
    await page.locator('.notes').getByText(/^Incomplete: 30 of 1.000 events did not arrive \(3 %\)\.$/).waitFor();
    await page.locator('.gap.is-missing', { hasText: '1 event missing here' }).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll('.row').length >= 500);
    assert.equal(await page.locator('[data-id="lossy-18"] .is-missing').count(), 1);
    assert.equal(await page.locator('[data-id="lossy-19"] .is-missing').count(), 0);
  });
  await at(session('dropper'), (page) => page.locator('.notes').getByText('The SDK reports that it dropped 3 events.').waitFor());
  await at(session('sampled'), async (page) => {
    await page.locator('.notes').getByText(/Sampled: its sender keeps 10 % .* 2 events here, about 20 without sampling/).waitFor();
    assert.ok(!(await page.locator('.notes').textContent()).includes('Incomplete'), 'what was sampled out was not lost');
  });
  await at('/overview?project=p&since=30d', async (page) => {
    await page.locator('.figures .note', { hasText: /^about [\d\u2009]+ without sampling$/ }).waitFor();
    await page.getByText(/1 session of \d+ come from senders that keep only a share/).waitFor();
  });
});
