// Starts a timeline of its own for a test file, and a browser to look at it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

/** Starts the binary on a free port with a data file of its own. */
export async function startTimeline(...args) {
  const folder = mkdtempSync(join(tmpdir(), 'mcpcat-browser-'));
  let child;
  async function start(port) {
    child = spawn(process.env.MCPCAT_TIMELINE_BIN, ['serve', '--listen', `127.0.0.1:${port}`, '--data', join(folder, 'events.sqlite3'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the timeline ended with ${code}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = /^timeline\s+(\S+)/.exec(line);
        if (found) resolve(found[1]);
      });
    });
  }
  async function end() {
    const ended = new Promise((resolve) => { child.removeAllListeners('exit'); child.once('exit', resolve); });
    child.kill('SIGTERM');
    return ended;
  }
  const url = await start(0);
  return {
    url,
    /** Ends the process and leaves its data, for `resume` on the same port. */
    pause: end,
    resume: start,
    async stop() {
      const code = await end();
      rmSync(folder, { recursive: true });
      return code;
    },
  };
}

export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page that fails its test on any error, refusal of the content policy, or request to somewhere else. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  page.on('request', (request) => {
    const there = request.url();
    if (!there.startsWith(url) && !there.startsWith('file:') && !there.startsWith('data:')) faults.push(`request to ${there}`);
  });
  page.on('dialog', (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  return { page, faults, context };
}
