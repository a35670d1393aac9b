/** The built page as a first visitor meets it: what JavaScript it asks for, and how soon it can be used. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { chromiumFlags } from '../chromium.ts';
import { freshDist } from '../headless/build.ts';
import { startServer } from '../headless/server.ts';
import { setup } from '../setup.ts';
import { median } from './measure.ts';
import type { Row } from './row.ts';

const LOADS = 7;
const START = 'Align the example model';
/** Milliseconds without a request after which the page is taken to have loaded all it asks for by itself. */
const QUIET = 1500;

declare global {
  interface Window {
    /** Milliseconds from the navigation's start to the button that can be pressed, with the main thread free. */
    interactiveAfter?: number;
  }
}

/** Runs in the page, before its own scripts. No function within it has a name: tsx would wrap it in a helper. */
function watchButton(label: string): void {
  new MutationObserver((_, observer) => {
    const buttons = [...document.querySelectorAll('button')];
    if (!buttons.some((button) => button.textContent === label && !button.disabled)) return;
    observer.disconnect();
    // Behind the frame that paints it, and whatever else the main thread still has to do then.
    requestAnimationFrame(() =>
      setTimeout(() => {
        window.interactiveAfter ??= performance.now();
      }),
    );
  }).observe(document, { childList: true, subtree: true, attributes: true });
}

export async function pageRows(): Promise<Row[]> {
  const dist = await freshDist(console.log);
  const server = await startServer(dist);
  const browser = await chromium.launch({
    executablePath: setup(),
    headless: true,
    args: chromiumFlags('none'),
  });
  try {
    const loads: Load[] = [];
    // A context of its own has an empty cache, and an empty storage.
    for (let i = 0; i < LOADS; i++)
      loads.push(await inFreshContext(browser, (context) => load(context, server.origin)));
    const workers = await inFreshContext(browser, (context) => workerStarts(context, server.origin, dist));
    const step = await inFreshContext(browser, (context) => firstStep(context, server.origin));
    return [scripts(loads, await sizes(dist, loads)), interactive(loads), ...workers, step];
  } finally {
    await browser.close();
    await server.close();
  }
}

async function inFreshContext<T>(
  browser: Browser,
  work: (context: BrowserContext) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext();
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

interface Load {
  readonly interactive: number;
  /** Paths of scripts that the page and its workers asked for, each once. */
  readonly scripts: readonly string[];
}

async function load(context: BrowserContext, origin: string): Promise<Load> {
  const asked = new Set<string>();
  let last = Date.now();
  context.on('request', (request) => {
    last = Date.now();
    const { pathname } = new URL(request.url());
    if (/\.m?js$/.test(pathname)) asked.add(pathname);
  });
  const page = await opened(context, origin);
  const time = await page.evaluate(() => window.interactiveAfter ?? Number.NaN);
  while (Date.now() - last < QUIET) await page.waitForTimeout(100);
  return { interactive: time, scripts: [...asked].sort() };
}

async function opened(context: BrowserContext, origin: string): Promise<Page> {
  const page = await context.newPage();
  await page.addInitScript(watchButton, START);
  await page.goto(origin, { waitUntil: 'commit' });
  await page.waitForFunction(() => window.interactiveAfter !== undefined);
  return page;
}

async function sizes(dist: string, loads: readonly Load[]): Promise<Record<string, number>> {
  const names = [...new Set(loads.flatMap((each) => each.scripts))];
  const packed = names.map(
    async (name) => [name, gzipSync(await readFile(join(dist, name))).length] as const,
  );
  return Object.fromEntries(await Promise.all(packed));
}

function scripts(loads: readonly Load[], bytes: Readonly<Record<string, number>>): Row {
  const total = Object.values(bytes).reduce((a, b) => a + b, 0);
  return {
    name: 'page: JavaScript before the first run, gzip',
    value: `${(total / 1000).toFixed(0)} kB`,
    peer: 'all that the page and its workers ask for by themselves, without WASM',
    wanted: 'at most 250 kB',
    facts: { bytes, loads: loads.length },
  };
}

function interactive(loads: readonly Load[]): Row {
  const times = loads.map((each) => each.interactive);
  return {
    name: 'page: time to interactive, cold, localhost',
    value: `${median(times).toFixed(0)} ms`,
    peer: `the button "${START}" can be pressed; median of ${loads.length}`,
    wanted: 'at most 1000 ms',
    facts: { times },
  };
}

/** A method of each worker that needs nothing but the worker itself. */
const METHODS: Readonly<Record<string, string>> = { model: 'alive', embedder: 'alive', data: 'cancel' };

async function workerStarts(context: BrowserContext, origin: string, dist: string): Promise<Row[]> {
  const page = await opened(context, origin);
  const files = await readdir(join(dist, 'assets'));
  const rows: Row[] = [];
  for (const [name, method] of Object.entries(METHODS)) {
    const file = files.find((each) => each.startsWith(`${name}-`) && each.endsWith('.js'));
    if (file === undefined) continue;
    const times: number[] = [];
    for (let i = 0; i < 5; i++)
      times.push(await page.evaluate(startWorker, [`assets/${file}`, method] as const));
    const packed = gzipSync(await readFile(join(dist, 'assets', file))).length;
    rows.push({
      name: `worker "${name}": from new Worker to its first answer`,
      value: `${median(times).toFixed(0)} ms`,
      peer: `${(packed / 1000).toFixed(0)} kB of gzip in its first file; cold ${times[0]?.toFixed(0)} ms`,
      facts: { times, packed },
    });
  }
  return rows;
}

/** In the page: calls a method as comlink does. */
async function startWorker([url, method]: readonly [string, string]): Promise<number> {
  const start = performance.now();
  const worker = new Worker(url, { type: 'module', name: `bench ${Math.random()}` });
  await new Promise((resolve, reject) => {
    worker.addEventListener('error', reject);
    worker.addEventListener('message', (event) => {
      if (event.data?.id === 'bench') resolve(null);
    });
    worker.postMessage({ id: 'bench', type: 'APPLY', path: [method], argumentList: [] });
  });
  const time = performance.now() - start;
  worker.terminate();
  return time;
}

async function firstStep(context: BrowserContext, origin: string): Promise<Row> {
  const page = await opened(context, origin);
  // The example's data are part of a cold start only where the user is faster than they are.
  await page.waitForTimeout(QUIET);
  const start = performance.now();
  await page.getByRole('button', { name: START }).click();
  await page.waitForFunction(() => /loss \d/.test(document.body.textContent ?? ''), undefined, {
    timeout: 120_000,
  });
  return {
    name: 'page: from the click to the first training step',
    value: `${((performance.now() - start) / 1000).toFixed(1)} s`,
    peer: 'the embedded model and data, WASM, nothing cached',
  };
}
