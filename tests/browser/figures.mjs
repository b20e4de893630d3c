// Measures the page with 5,000 events loaded of 50,000, and prints a table. Run it with a release build on a quiet machine:
//   cargo build --release -p mcpcat-timeline && MCPCAT_TIMELINE_BIN=target/release/mcpcat-timeline node tests/browser/figures.mjs

import { startBrowser, startTimeline, openPage } from './harness.mjs';
import { batch, large, pane, rows } from './view.mjs';

const timeline = await startTimeline();
const browser = await startBrowser();
const figures = [];
try {
  await batch(timeline.url, large(50_000, 'ses_large'));
  const path = `${timeline.url}/sessions/ses_large?project=proj_large`;
  const { page, context } = await openPage(browser, timeline.url);
  context.setDefaultTimeout(120_000);
  const timed = async (name, limit, times, work) => {
    const took = [];
    for (let n = 0; n < times; n += 1) took.push(await work(n));
    took.sort((a, b) => a - b);
    figures.push({ what: name, median: Math.round(took[Math.floor(took.length / 2)]), worst: Math.round(took[took.length - 1]), limit });
  };
  const since = async (work) => { const from = performance.now(); await work(); return performance.now() - from; };
  await timed('deep link to event 45,000', 500, 7, () => since(async () => {
    await page.goto(`${path}&event=evt_ses_large_045000`);
    await pane(page).getByRole('heading', { level: 2 }).waitFor();
  }));
  await timed('first paint of rows', null, 7, () => since(async () => {
    await page.goto(path);
    await rows(page).first().waitFor();
  }));
  await page.waitForFunction(() => {
    const scroller = document.querySelector('.events-scroller');
    scroller.scrollTop = scroller.scrollHeight;
    return document.querySelectorAll('.events .row').length >= 5000;
  }, null, { polling: 50 });
  await rows(page).nth(2500).locator('a').click();
  await pane(page).getByRole('heading', { level: 2 }).waitFor();
  // From the event in the page to the frame after it, as the page itself sees it; details included.
  const inPage = (kind, value) => page.evaluate(async ([what, given]) => {
    const from = performance.now();
    if (what === 'key') document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: given, bubbles: true, cancelable: true }));
    else document.querySelectorAll('.events .row a')[given].click();
    const pane = document.querySelector('.detail');
    const chosen = document.querySelector('.events a[aria-current]').closest('.row').dataset.id;
    while (pane.dataset.id !== chosen || !pane.querySelector('.detail-head')) await new Promise((done) => { setTimeout(done); });
    await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); });
    return performance.now() - from;
  }, [kind, value]);
  await timed('key press (j)', 50, 30, () => inPage('key', 'j'));
  await timed('next error (e)', 50, 20, () => inPage('key', 'e'));
  await timed('click', 50, 30, (n) => inPage('click', 2000 + n * 7));
  await timed('search in 50,000', null, 5, async () => {
    await page.getByLabel('Search in this session').fill('');
    await page.locator('.tally').filter({ hasText: /^50.000 events$/ }).waitFor();
    return since(async () => {
      await page.getByLabel('Search in this session').fill('the only needle');
      await page.locator('.row mark').first().waitFor();
    });
  });
  figures.push({ what: 'elements with 5,000 loaded', median: await page.evaluate(() => document.querySelectorAll('*').length) });
  console.table(figures);
} finally {
  await browser.close();
  await timeline.stop();
}
