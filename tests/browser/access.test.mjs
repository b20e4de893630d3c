// For everybody: the keyboard alone, screen readers, magnification, small windows, print, and a collector that is gone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { post, postCaptures, SHOP, shopEvents } from './feed.mjs';
import { openPage, startBrowser, startTimeline } from './harness.mjs';
import { accessible, artefact, batch, current, fits, pane, rows, session, visit } from './view.mjs';

let timeline;
let browser;
const CATALOGUE = { schema_version: 1, events: [
  { name: 'invoice.charge', kind: 'function', file: 'src/invoice.rs', line: 12, description: 'A charge at the gateway.', parameters: ['customer', 'amount', 'currency'], tags: ['region', 'gateway'], properties: [], redacted: ['customer'] },
  { name: 'invoice.voided', kind: 'emit', file: 'src/invoice.rs', line: 40, description: '', parameters: [], tags: [], properties: [] },
] };

before(async () => {
  timeline = await startTimeline();
  await postCaptures(timeline.url);
  for (const event of shopEvents()) await post(timeline.url, event);
  await batch(timeline.url, shopEvents(Date.now() - 90 * 60_000).map((event) => ({ ...event, session_id: 'ses_before', id: `b${event.id}`, ...(event.parent_id ? { parent_id: `b${event.parent_id}` } : {}) })));
  const put = await fetch(`${timeline.url}/api/v1/catalogue?project=proj_shop`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(CATALOGUE) });
  assert.equal(put.status, 200);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await timeline?.stop(), 0);
});
const at = (path, work, options) => visit(browser, timeline.url, path, work, options);

const VIEWS = {
  list: ['/', '.session-link'],
  search: ['/?q=gateway', '.hit mark'],
  nothing: ['/?q=no+such+words', '.empty button'],
  session: [session(SHOP), '.row .preview'],
  details: [session(SHOP, '?event=evt_shop013'), '.detail h2'],
  flat: [session(SHOP, '?flat=1&noise=1&q=gateway'), '.row mark'],
  compare: [`/compare?a=${SHOP}&b=ses_before`, '.compare-sum'],
  overview: ['/overview', '.plot-links a'],
  catalogue: ['/catalogue?project=proj_shop', '.names li'],
};

// Axe takes most of a minute for all of them: without MCPCAT_AXE=full it looks at each view in the two that differ most.
const SIZES = [[1440, 900], [1280, 800], [390, 844]];
const looked = (colorScheme, width) => process.env.MCPCAT_AXE === 'full' || (colorScheme === 'light' ? width === 1440 : width === 390);

for (const [name, [path, ready]] of Object.entries(VIEWS)) {
  test(`${name}: axe finds nothing and nothing stands out of the window, light and dark, at three widths`, async () => {
    for (const colorScheme of ['light', 'dark']) {
      const { page, faults, context } = await openPage(browser, timeline.url, { colorScheme });
      await page.goto(timeline.url + path);
      for (const [width, height] of SIZES) {
        await page.setViewportSize({ width, height });
        await page.locator(ready).first().waitFor();
        if (looked(colorScheme, width)) await accessible(page, `${name} ${colorScheme} ${width}`);
        await fits(page, `${name} at ${width}`);
        await page.screenshot({ path: artefact(`${name}-${colorScheme}-${width}.png`) });
      }
      assert.deepEqual(faults, []);
      await context.close();
    }
  });
}

test('overview and catalogue add up, and every number leads to what it counts', async () => {
  await at('/overview?project=proj_shop&since=24h', async (page) => {
    await page.getByText('Busiest tools').waitFor();
    assert.match(await page.locator('.figures').textContent(), /Sessions2Events30Errors6Error rate20\.0 %/);
    const refund = page.locator('.card', { hasText: 'Busiest tools' }).locator('tr', { hasText: 'refund' });
    // Two of 5.03 s and two of 640 ms: the median is no mean.
    assert.match(await refund.textContent(), /^refund42(6[3-5]\d) ms(4\.9|5)/);
    assert.match(await page.locator('.plot-axis').textContent(), /^\d+/);
    await page.locator('.plot-links a').last().hover();
    assert.match(await page.locator('.plot-tip').textContent(), /\d+ events?, \d+ tool calls?/);
    await page.locator('.card', { hasText: 'Busiest custom events' }).getByRole('link', { name: 'invoice.charge' }).click();
    await page.locator('.session-link').first().waitFor();
    assert.match(page.url(), /event=invoice\.charge/);
  });
  await at('/catalogue?project=proj_shop', async (page) => {
    await page.getByRole('heading', { name: 'Declared, never seen (1)' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'src/invoice.rs:40' }).getAttribute('href'), 'vscode://file/src/invoice.rs:40');
    const charge = await page.locator('.card', { hasText: 'Declared and seen (1)' }).textContent();
    for (const part of ['A charge at the gateway.', '2 times · last', 'Never came: parameters.currency', 'Redacted customer']) assert.ok(charge.includes(part), `${part} in ${charge}`);
    assert.match(await page.locator('.card', { hasText: 'Seen, not declared' }).textContent(), /gateway\.request.*refund\.completed.*subscription_upgraded/);
    await page.getByLabel('Catalogue file').setInputFiles({ name: 'events.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(CATALOGUE)) });
    await page.getByText('2 declared events uploaded').waitFor();
  });
});

test('columns sort, the total is told, and Back returns to the place', async () => {
  await batch(timeline.url, Array.from({ length: 260 }, (_, n) => ({
    id: `many${n}`, project_id: 'proj_many', session_id: `many_${String(n).padStart(3, '0')}`, event_type: 'mcpcat:custom', resource_name: 'n', client_name: `client_${n % 9}`,
    timestamp: new Date(Date.now() - n * 60_000).toISOString(),
  })));
  await at('/?project=proj_many', async (page) => {
    await page.locator('.tally').filter({ hasText: /^100 of 260 sessions$/ }).waitFor();
    await page.getByRole('button', { name: /Load more/ }).click();
    await page.locator('.tally').filter({ hasText: /^200 of 260 sessions$/ }).waitFor();
    const link = page.locator('tr', { hasText: 'many_150' }).locator('.session-link');
    await link.scrollIntoViewIfNeeded();
    const top = await page.locator('.list-panel').evaluate((panel) => panel.scrollTop);
    await link.click();
    await rows(page).first().waitFor();
    await page.goBack();
    await page.locator('.tally').filter({ hasText: /^200 of 260 sessions$/ }).waitFor();
    assert.ok(Math.abs(await page.locator('.list-panel').evaluate((panel) => panel.scrollTop) - top) < 40);
    assert.equal(await page.evaluate(() => document.activeElement.closest('tr')?.dataset.key), 'proj_many/many_150');
    await page.getByRole('button', { name: 'Client', exact: true }).click();
    await page.waitForURL(/sort=client&order=asc/);
    assert.equal(await page.locator('th[aria-sort=ascending]').textContent(), 'Client');
    await page.locator('tbody tr').first().filter({ hasText: 'client_0' }).waitFor();
    await page.getByRole('button', { name: 'Client', exact: true }).click();
    await page.locator('tbody tr').first().filter({ hasText: 'client_8' }).waitFor();
  });
});

test('search results say where the words are and lead there', () => at('/?q=E_TIMEOUT&project=proj_shop', async (page) => {
  const row = page.locator('tr', { hasText: SHOP });
  assert.match(await row.locator('.hit').textContent(), /1 event: gateway\.request.*E_TIMEOUT/);
  assert.equal(await row.locator('mark').textContent(), 'E_TIMEOUT');
  await row.locator('.session-link').click();
  await pane(page).getByRole('heading', { name: 'gateway.request' }).waitFor();
  assert.match(page.url(), /q=E_TIMEOUT&event=evt_shop012|event=evt_shop012&q=E_TIMEOUT/);
  await page.locator('.row mark').first().waitFor();
}));

/** The walk that the README describes, key by key. */
test('the keyboard alone: from the list to a cause and back', () => at('/?project=proj_shop', async (page) => {
  const key = (name) => page.keyboard.press(name);
  await page.locator('.session-link').first().waitFor();
  await key('j');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'session-link');
  await key('Enter');
  await rows(page).first().waitFor();
  // One Tab stop for all rows: the next Tab after the tools is a row, the next one is past them.
  await page.getByRole('button', { name: 'Next error' }).focus();
  for (let n = 0; n < 4 && !(await page.evaluate(() => document.activeElement.getAttribute('role') === 'treeitem')); n += 1) await key('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'treeitem');
  await key('Tab');
  assert.notEqual(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'treeitem', 'a second Tab leaves the rows');
  await key('Shift+Tab');
  assert.equal(await page.locator('a[role=treeitem][tabindex="0"]').count(), 1);
  await key('e');
  assert.equal(await current(page).textContent(), 'refund');
  await pane(page).getByRole('heading', { name: 'refund' }).waitFor();
  await key('Enter');
  await page.waitForFunction(() => document.activeElement.classList.contains('detail'));
  await key('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-current')), 'true', 'Escape returns to the row');
  await key('ArrowDown');
  assert.equal(await current(page).textContent(), 'gateway.request');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-level')), '2', 'nesting is told');
  await key('ArrowLeft');
  assert.equal(await current(page).textContent(), 'refund');
  await key('f');
  assert.equal(await page.getByRole('button', { name: 'Flat list' }).getAttribute('aria-pressed'), 'true');
  assert.equal(await page.locator('a[aria-level="2"]').count(), 0);
  await key('f');
  await key('+');
  await page.waitForURL(/range=/);
  await key('0');
  await page.waitForURL((url) => !url.searchParams.has('range'));
  await key('Escape');
  await page.waitForURL((url) => !url.searchParams.has('event'));
  await key('g');
  await page.locator('.session-link').first().waitFor();
  await key('/');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('type')), 'search');
  await key('Escape');
  await key('?');
  await page.getByRole('heading', { name: 'Keyboard' }).waitFor();
}));

test('the strip is a brush for mouse and keyboard', () => at(session(SHOP), async (page) => {
  await rows(page).first().waitFor();
  const box = await page.locator('.strip-picture').boundingBox();
  await page.mouse.move(box.x + box.width * 0.64, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
  assert.match(await page.locator('.strip-tip').textContent(), /^\+03:\d\d · \d+ events?/);
  await page.mouse.up();
  await page.locator('.tally').filter({ hasText: /^2 of 15 events$/ }).waitFor();
  await page.waitForURL(/range=\d+-\d+/);
  await page.reload();
  await page.locator('.tally').filter({ hasText: /^2 of 15 events$/ }).waitFor();
  await page.getByRole('button', { name: 'Show the whole session' }).click();
  await page.locator('.tally').filter({ hasText: /^13 of 15 events$/ }).waitFor();
  await page.getByLabel('Shown until').focus();
  await page.keyboard.press('Home');
  await page.locator('.tally').filter({ hasText: /^[12] of 15 events$/ }).waitFor();
}));

test('like rows are one line that opens by key, and a call tells what is new since the one before', async () => {
  await batch(timeline.url, [
    ...Array.from({ length: 40 }, (_, n) => ({ id: `tick${n}`, project_id: 'p', session_id: 'ticks', event_type: 'mcpcat:custom', resource_name: 'tick', timestamp: new Date(1.79e12 + n * 100).toISOString() })),
    ...[5, 7].map((seats, n) => ({ id: `call${n}`, project_id: 'p', session_id: 'ticks', event_type: 'mcp:tools/call', resource_name: 'upgrade', duration: 30, timestamp: new Date(1.79e12 + 9000 + n * 100).toISOString(),
      parameters: { arguments: { plan: 'team', seats } }, response: { content: [{ type: 'text', text: '{"done":[1,2]}' }, { type: 'image', mimeType: 'image/png', data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==' },
        { type: 'image', mimeType: 'image/png', data: 'http://elsewhere.example/x.png' }] } })),
  ]);
  await at(session('ticks'), async (page) => {
    await rows(page).filter({ hasText: 'tick × 40' }).waitFor();
    assert.equal(await rows(page).count(), 3);
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction(() => document.querySelectorAll('.row').length === 43);
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(() => document.querySelectorAll('.row').length === 3);
    await page.locator('[data-id=call1] a').click();
    const details = pane(page);
    await details.getByRole('heading', { name: 'upgrade' }).waitFor();
    assert.match(await details.locator('.changes').textContent(), /Different from the call at \+9\.00sseats 5 → 7/);
    assert.equal(await details.locator('.is-changed').textContent(), 'seats: 7');
    assert.equal(await details.locator('img').count(), 1, 'only images that came with the event are shown');
    await page.waitForFunction(() => document.querySelector('.detail img').naturalWidth === 1);
    assert.equal(await details.locator('.block .tree').first().textContent(), 'done: [2]0: 11: 2', 'JSON in a text is a tree');
    await details.getByLabel('Find in this event').fill('seats');
    await details.locator('.places', { hasText: 'parameters.arguments.seats' }).waitFor();
  });
});

test('at 400 % and on a phone on its side the rows can be read and reached', async () => {
  for (const viewport of [{ width: 320, height: 200 }, { width: 844, height: 390 }]) {
    await at(session(SHOP), async (page) => {
      await rows(page).first().waitFor();
      // A block of rows that is out of sight has no boxes yet.
      await rows(page).nth(3).evaluate((row) => row.scrollIntoView({ block: 'nearest' }));
      const box = await rows(page).nth(3).boundingBox();
      assert.ok(box.height >= 24, `a row is ${box.height} high`);
      const seen = await rows(page).nth(3).evaluate((row) => { const { top, bottom } = row.getBoundingClientRect(); return bottom > 0 && top < innerHeight; });
      assert.ok(seen);
      await fits(page, `${viewport.width} × ${viewport.height}`);
      await page.screenshot({ path: artefact(`small-${viewport.width}x${viewport.height}.png`) });
      await rows(page).nth(3).locator('a').click();
      await pane(page).getByRole('heading', { name: 'upgrade' }).waitFor();
      await page.getByRole('button', { name: 'Close details' }).click();
    }, { viewport });
  }
});

test('print shows the whole session', () => at(session(SHOP), async (page) => {
  await rows(page).first().waitFor();
  await page.emulateMedia({ media: 'print' });
  await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  const clipped = await page.evaluate(() => {
    const last = [...document.querySelectorAll('.row')].at(-1).getBoundingClientRect();
    return { height: document.documentElement.scrollHeight, bottom: last.bottom + scrollY, tools: getComputedStyle(document.querySelector('.tools')).display };
  });
  assert.ok(clipped.bottom <= clipped.height, JSON.stringify(clipped));
  assert.equal(clipped.tools, 'none');
}));

test('a collector that stops leaves what is shown, says so, and is found again', async () => {
  const own = await startTimeline();
  for (const event of shopEvents()) await post(own.url, event);
  const { page, context } = await openPage(browser, own.url);
  await page.goto(own.url);
  await page.locator('.session-link').first().waitFor();
  const second = await context.newPage();
  await second.goto(own.url + session(SHOP));
  await rows(second).first().waitFor();
  await Promise.all([page, second].map((one) => one.locator('#live[data-state=live]').waitFor()));
  const port = new URL(own.url).port;
  await own.pause();
  for (const one of [page, second]) {
    await one.locator('#banner').getByText(/The timeline does not answer.*since \d\d:\d\d:\d\d \(.+\).*tried again/).waitFor();
    assert.equal(await one.getByText('Waiting for the first event').count(), 0);
  }
  assert.equal(await page.locator('.session-link').count(), 1, 'rows stay');
  await second.keyboard.press('j');
  assert.equal(await rows(second).count(), 13);
  await accessible(page, 'banner');
  await page.screenshot({ path: artefact('stopped-light.png') });
  await own.resume(port);
  for (const one of [page, second]) await one.locator('#banner').waitFor({ state: 'hidden', timeout: 20_000 });
  await page.locator('#live[data-state=live]').waitFor();
  await context.close();
  assert.equal(await own.stop(), 0);
});

test('a session that was forgotten says so, and an empty store says what to do', async () => {
  const { page, context } = await openPage(browser, timeline.url);
  await page.goto(timeline.url + session('was_here'));
  await page.getByRole('heading', { name: 'This session is not here' }).waitFor();
  await page.getByText('forgotten on request').waitFor();
  await accessible(page, 'forgotten');
  await page.getByRole('link', { name: 'All sessions' }).click();
  await page.locator('.session-link').first().waitFor();
  await context.close();
});
