// Takes the pictures of the READMEs from made-up data:
//   cargo build -p mcpcat-timeline && MCPCAT_TIMELINE_BIN=target/debug/mcpcat-timeline node tests/browser/pictures.mjs

import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { demo, PICTURED } from './demo.mjs';
import { openPage, startBrowser, startTimeline } from './harness.mjs';
import { batch } from './view.mjs';

/** Larger ones have no place in a repository. */
const MOST_BYTES = 200_000;
const PICTURES = [
  ['docs/timeline.png', `/sessions/${PICTURED}?project=proj_billing&event=evt_pictured020`, '.detail h2'],
  ['mcpcat-timeline/sessions.png', '/', '.session-link'],
];

const timeline = await startTimeline();
const browser = await startBrowser();
try {
  await batch(timeline.url, demo());
  for (const [file, path, ready] of PICTURES) {
    const { page, faults, context } = await openPage(browser, timeline.url, { viewport: { width: 1280, height: 720 }, colorScheme: 'light' });
    await page.goto(timeline.url + path);
    await page.locator(ready).first().waitFor();
    await page.locator('#live[data-state=live]').waitFor();
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
    const to = fileURLToPath(new URL(`../../${file}`, import.meta.url));
    await page.screenshot({ path: to });
    const { size } = statSync(to);
    console.log(file, size);
    if (size > MOST_BYTES || faults.length > 0) throw new Error(`${file}: ${size} bytes, ${faults}`);
    await context.close();
  }
} finally {
  await browser.close();
  await timeline.stop();
}
