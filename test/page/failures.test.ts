/**
 * What a browser does to a run: full storage, none at all, one that another tab holds back, a worker that is gone.
 * Nothing here is played: the quota, the setting, the connection and the worker are the browser's own.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumFlags } from '../../scripts/chromium.ts';
import { differences, type Ended } from '../../scripts/crash/run.ts';
import { setup } from '../../scripts/setup.ts';
import type { Stage } from '../../src/pipeline/types.ts';
import { openHeadless, type SmallRun, type SmallRuns, smallRuns } from '../fixtures/small-run.ts';

/** Other work may fill the cores. */
const PATIENCE = 400_000;

let runs: SmallRuns;
let context: BrowserContext;
let whole: Ended['files'];

const launch = (profile: string) =>
  chromium.launchPersistentContext(profile, {
    executablePath: setup(),
    headless: true,
    args: chromiumFlags('none'),
    viewport: { width: 1280, height: 720 },
  });

beforeAll(async () => {
  runs = await smallRuns();
  context = await launch(join(runs.scratch, 'profile'));
  const run = await runs.start();
  const page = await context.newPage();
  await openHeadless(page, run.origin);
  expect(await run.resume(page, await run.create(page))).toMatchObject({ type: 'done' });
  whole = await run.files();
  expect([...whole.keys()].sort()).toEqual([
    'adapter/adapter_config.json',
    'adapter/adapter_model.safetensors',
    'pairs.jsonl',
    'report.json',
    'responses.jsonl',
  ]);
  await page.close();
  await run.close();
}, PATIENCE);
afterAll(async () => {
  await context?.close();
  await runs?.close();
});

/** With LONG=1 each of them is met. */
const STAGES: readonly ('sft' | 'sample' | 'dpo')[] = process.env.LONG
  ? ['sft', 'sample', 'dpo']
  : ['sample'];

declare global {
  interface Window {
    /** The stage at whose first progress the model's worker is ended. */
    endIn?(stage: Stage | null): void;
  }
}

/** Runs in the page: from outside, a stage of this small run could be over before the worker is. */
function endModelWorkers(): void {
  let worker: Worker | null = null;
  const Real = window.Worker;
  window.Worker = class extends Real {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      if (options?.name?.startsWith('model')) worker = this;
    }
  };
  window.endIn = (stage) => {
    window.onSelfContrastEvent = (event) => {
      if (event.type === 'progress' && event.progress.stage === stage) worker?.terminate();
    };
  };
}

const modelWorker = (page: Page) => {
  const worker = page.workers().find((each) => each.url().includes('model'));
  if (!worker) throw new Error('the model worker does not run');
  return worker;
};

/** Fills what the browser still gives the page, to the last few bytes. */
const fillStorage = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    const opening = indexedDB.open('filler', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('all', { autoIncrement: true });
    await new Promise((resolve) => {
      opening.onsuccess = resolve;
    });
    // What could be compressed would not fill much.
    const noise = new Uint8Array(1 << 20);
    for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
    const put = (size: number) =>
      new Promise<boolean>((resolve) => {
        const tx = opening.result.transaction('all', 'readwrite');
        tx.oncomplete = () => resolve(true);
        tx.onabort = () => resolve(false);
        tx.objectStore('all').put(noise.slice(0, size));
      });
    for (const size of [1 << 20, 1 << 16, 1 << 12, 1 << 8]) while (await put(size));
    opening.result.close();
  });

const emptyStorage = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const deleting = indexedDB.deleteDatabase('filler');
        deleting.onsuccess = () => resolve();
        deleting.onerror = () => reject(deleting.error);
      }),
  );

/** With nothing in its way the run ends, and in the bytes of the undisturbed one. */
async function endsTheSame(run: SmallRun, page: Page, id: string): Promise<void> {
  expect(await run.resume(page, id)).toMatchObject({ type: 'done' });
  expect(differences(whole, await run.files())).toEqual([]);
  await page.close();
  await run.close();
}

test(
  `a full storage stops ${STAGES.join(', ')} with what to do; with room again the run ends in the same bytes`,
  async () => {
    const run = await runs.start();
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    // Before the origin stores anything: the browser keeps what it has once counted for half a minute.
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: run.origin, quotaSize: 24e6 });
    await page.addInitScript(endModelWorkers);
    await openHeadless(page, run.origin);
    const id = await run.create(page);
    for (const stage of STAGES) {
      // Held in the middle of the stage: while the storage fills, a stage of this small run could be over.
      await page.evaluate((at) => window.endIn?.(at), stage);
      expect(await run.resume(page, id)).toMatchObject({ type: 'failed' });
      await page.evaluate(() => window.endIn?.(null));
      await fillStorage(page);
      const result = await run.resume(page, id);
      expect(result).toMatchObject({ type: 'failed', error: { stage, code: 'StorageError' } });
      expect(JSON.stringify(result)).toMatch(/no more storage.*Delete.*resume/);
      await emptyStorage(page);
    }
    await endsTheSame(run, page, id);
  },
  PATIENCE,
);

test(
  `a worker that ends without a word in ${STAGES.join(', ')} is noticed, and the run goes on to the same bytes`,
  async () => {
    const run = await runs.start();
    const page = await context.newPage();
    await page.addInitScript(endModelWorkers);
    await openHeadless(page, run.origin);
    const id = await run.create(page);
    for (const stage of STAGES) {
      await page.evaluate((at) => window.endIn?.(at), stage);
      const result = await run.resume(page, id);
      expect(result).toMatchObject({
        type: 'failed',
        error: { message: 'The worker ended without saying why.' },
      });
      const [manifest] = await page.evaluate(() => window.selfContrast.runs());
      expect(manifest?.stages[stage]).toBe('running'); // as it was left; resuming takes it up again
    }
    await page.evaluate(() => window.endIn?.(null));
    await endsTheSame(run, page, id);
  },
  PATIENCE,
);

test(
  'the page says that the worker is gone, and one button goes on to the same bytes',
  async () => {
    const run = await runs.start();
    const page = await context.newPage();
    await openHeadless(page, run.origin);
    const id = await run.create(page);
    await page.goto(run.origin);
    await page.getByRole('button', { name: 'Run all' }).click();
    await page.getByRole('progressbar', { name: 'SFT' }).waitFor({ timeout: PATIENCE });
    await modelWorker(page).evaluate(() => {
      // An error that nobody catches, as a bug or a lack of memory would be.
      setTimeout(() => {
        throw new RangeError('Array buffer allocation failed');
      });
    });
    await page
      .getByRole('heading', { name: 'The worker that runs the model ended unexpectedly' })
      .waitFor({ timeout: 60_000 });
    await page.getByText('Everything finished before is stored on this device.').waitFor();
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, 'worker.png') });
    await page.getByRole('alert').getByRole('button', { name: 'Resume' }).click();
    await page.getByText('The run is finished.').waitFor({ timeout: PATIENCE });
    await page.goto(`${run.origin}/headless.html`);
    await page.waitForFunction(() => window.selfContrast !== undefined);
    await endsTheSame(run, page, id);
  },
  PATIENCE,
);

describe('storage that can not be opened', () => {
  test(
    'an older version of the page in another tab: told in words, and well again once that tab is closed',
    async () => {
      const run = await runs.start();
      const [old, page] = [await context.newPage(), await context.newPage()];
      await old.goto(`${run.origin}/headless.html`);
      await old.evaluate(
        () =>
          new Promise<void>((resolve, reject) => {
            // A page that does not give way, as one that hangs or was written before there was a newer version.
            const opening = indexedDB.open('self-contrast', 1);
            opening.onsuccess = () => resolve();
            opening.onerror = () => reject(opening.error);
          }),
      );
      await page.goto(run.origin);
      await page
        .getByRole('heading', { name: /Another tab holds an older version of this page open/ })
        .waitFor();
      if (process.env.SCREENSHOTS)
        await page.screenshot({ path: join(process.env.SCREENSHOTS, 'blocked.png') });
      await old.close();
      await page.reload();
      await page.getByRole('button', { name: 'Align the example model' }).waitFor();
      await expect.poll(() => page.getByText(/Another tab holds/).count()).toBe(0);
      await page.close();
      await run.close();
    },
    PATIENCE,
  );

  test(
    'a browser set to keep nothing: told in words, on the page and by a run',
    async () => {
      const profile = join(runs.scratch, 'keeps-nothing');
      await mkdir(join(profile, 'Default'), { recursive: true });
      const block = { profile: { default_content_setting_values: { cookies: 2 } } };
      await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(block));
      const strict = await launch(profile);
      const run = await runs.start();
      const page = await strict.newPage();
      await page.goto(run.origin);
      await page
        .getByText(/This browser (does not let|lets) the page store (anything|nothing)/)
        .first()
        .waitFor();
      if (process.env.SCREENSHOTS)
        await page.screenshot({ path: join(process.env.SCREENSHOTS, 'nothing.png') });
      await page.getByRole('button', { name: 'Align the example model' }).click();
      await page.getByText('The run could not be stored').waitFor();
      await strict.close();
      await run.close();
    },
    PATIENCE,
  );
});
