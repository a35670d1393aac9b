/** The list of runs on the built page: notes, copies, comparison, deletion, projects, two tabs on one run. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltPage, downloaded, dropFiles, openBuiltPage } from '../fixtures/built-page.ts';

const LONG = 300_000;

let built: BuiltPage;
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

const watch = (each: Page): Page => {
  each.on('pageerror', (error) => errors.push(error.message));
  return each;
};

beforeAll(async () => {
  built = await openBuiltPage();
  context = await built.profile();
  // Counts how often the page asks the browser to keep its storage.
  await context.addInitScript(() => {
    const { persist } = StorageManager.prototype;
    StorageManager.prototype.persist = function () {
      sessionStorage.setItem('asked', String(Number(sessionStorage.getItem('asked') ?? 0) + 1));
      return persist.call(this);
    };
  });
  page = watch(context.pages()[0] ?? (await context.newPage()));
  await page.goto(built.origin);
}, 180_000);
afterAll(() => built?.close());

/** Starts a run on a data file of its own. */
async function begin(on: Page, file: string): Promise<void> {
  await on.getByRole('button', { name: /Open the run menu/ }).click();
  await on.getByRole('button', { name: 'New run', exact: true }).click();
  const chooser = on.waitForEvent('filechooser');
  await on.getByRole('button', { name: 'Use my prompts' }).click();
  await (await chooser).setFiles(file);
  await on.getByText(/rows/).first().waitFor();
  await on.getByRole('button', { name: 'Run all' }).click();
}

const finished = (on: Page) => on.getByText('The run is finished.').waitFor({ timeout: LONG });

async function openList(on: Page): Promise<void> {
  await on.getByRole('button', { name: /Open the run menu/ }).click();
  await on.getByRole('button', { name: /All runs/ }).click();
  await on.getByRole('heading', { name: 'Runs' }).waitFor();
  // Away from whatever explains itself when it is pointed at.
  await on.mouse.move(0, 0);
}

const row = (on: Page, name: string) =>
  on.locator('.run-table tbody tr').filter({ has: on.getByRole('button', { name, exact: true }) });

async function act(on: Page, run: string, action: string): Promise<void> {
  await on.getByRole('button', { name: `Actions for ${run}` }).click();
  await on.getByRole('button', { name: action, exact: true }).click();
}

const adapter = async (on: Page) => {
  const zip = await downloaded(on, () =>
    on.getByRole('button', { name: 'Download adapter' }).first().click(),
  );
  return unzipSync(new Uint8Array(zip));
};

/** Seconds a stage took, as stored. */
const seconds = (on: Page, run: string, stage: string): Promise<number | undefined> =>
  on.evaluate(
    ([name, of]) =>
      new Promise<number | undefined>((resolve, reject) => {
        const open = indexedDB.open('self-contrast');
        open.onerror = () => reject(open.error);
        open.onsuccess = () => {
          const all = open.result.transaction('runs').objectStore('runs').getAll();
          all.onsuccess = () => {
            open.result.close();
            resolve(all.result.find((each) => each.name === name)?.seconds[of ?? '']);
          };
        };
      }),
    [run, stage],
  );

test(
  'a finished run is listed with its figures and size; names and notes stay; keeping is asked for by the user',
  async () => {
    await begin(page, await built.dataFile('one.jsonl', 0, 12));
    await finished(page);
    expect(await page.evaluate(() => sessionStorage.getItem('asked'))).toBeNull();
    await page.locator('.rail').getByRole('button', { name: 'Ask the browser to keep this' }).waitFor();

    await page.goto(`${built.origin}/#runs`);
    await page.reload();
    await page.getByRole('heading', { name: 'Runs' }).waitFor();
    const name = await page.locator('.run-table .link').innerText();
    const line = row(page, name);
    await line.getByText(/^\d.* (kB|MB)$/).waitFor();
    const text = await line.innerText();
    for (const part of ['finished', 'example model', 'k = 8', 'right']) expect(text).toContain(part);

    await act(page, name, 'Name and notes');
    await page.getByLabel('Name of the run').fill('First');
    await page.getByLabel('Notes, for you alone').fill('the <b>baseline</b>\nof all');
    await page.getByRole('button', { name: 'Save' }).click();
    await row(page, 'First').waitFor();
    await page.reload();
    await expect
      .poll(() => row(page, 'First').locator('.run-notes').innerText())
      .toBe('the <b>baseline</b>\nof all');

    await page.locator('.main').getByRole('button', { name: 'Ask the browser to keep this' }).click();
    await page
      .getByText(/Kept: the browser does not|has not promised to keep it/)
      .first()
      .waitFor();
    await expect.poll(() => page.evaluate(() => sessionStorage.getItem('asked'))).toBe('1');
    expect(
      await page
        .locator('.rail')
        .getByRole('button', { name: /Ask the browser/ })
        .count(),
    ).toBe(0);
  },
  LONG,
);

test(
  'a duplicate with a changed setting says what it copies, and does only the rest',
  async () => {
    await act(page, 'First', 'Duplicate with changes');
    await page.getByLabel('Name of the copy').fill('Second');
    await page.getByLabel('Change a setting').selectOption('dpo.beta');
    const field = page.getByRole('dialog').getByLabel(/beta/i).last();
    await field.fill('much');
    await page
      .getByRole('alert')
      .getByText(/must be/)
      .waitFor();
    await field.fill('0.5');
    const plan = await page.getByRole('dialog').locator('.notice').innerText();
    expect(plan).toMatch(/Copied, and not done again: .*Filter\. Done by the copy itself: DPO, Result\./);
    await page.getByRole('button', { name: 'Duplicate', exact: true }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await finished(page);
    expect(await seconds(page, 'Second', 'sample')).toBe(await seconds(page, 'First', 'sample'));
    expect(await seconds(page, 'Second', 'dpo')).not.toBe(await seconds(page, 'First', 'dpo'));
  },
  LONG,
);

test(
  'two runs compared: the setting that differs, figures, curves over each other',
  async () => {
    await openList(page);
    await page.getByLabel('Choose all runs').check();
    await page.getByRole('button', { name: 'Compare 2' }).click();
    const comparison = page.getByRole('region', { name: 'Comparison' });
    await comparison.getByRole('cell', { name: '0.5', exact: true }).waitFor();
    await expect.poll(() => comparison.getByRole('cell', { name: '0.1', exact: true }).count()).toBe(1);
    await comparison.locator('.uplot').nth(3).waitFor();
    await expect.poll(() => comparison.getByText('Right, Self-Contrast').count()).toBeGreaterThan(0);
    const legend = await comparison.locator('.legend').first().innerText();
    for (const name of ['First', 'Second']) expect(legend).toContain(name);
  },
  LONG,
);

test(
  'a project goes to a fresh profile: a stopped run goes on there to the same bytes',
  async () => {
    await begin(page, await built.dataFile('three.jsonl', 40, 20));
    // Stopped in the middle of sampling.
    await page
      .locator('.stage-link')
      .filter({ hasText: 'Sample' })
      .getByRole('progressbar')
      .waitFor({ timeout: LONG });
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor({ timeout: LONG });
    await openList(page);
    const zip = await downloaded(page, () => page.getByRole('button', { name: 'Export all' }).click());
    const file = join(built.scratch, 'project.zip');
    await writeFile(file, zip);

    const there = await built.profile();
    const other = watch(there.pages()[0] ?? (await there.newPage()));
    await other.goto(built.origin);
    await other.getByRole('button', { name: 'Align the example model' }).waitFor();
    await dropFiles(other, [{ name: 'project.zip', content: zip }]);
    await other.getByText('Every fingerprint in the file was right.').waitFor({ timeout: 60_000 });
    await expect.poll(() => other.locator('.run-table tbody tr').count()).toBe(3);
    await expect.poll(() => row(other, 'First').innerText()).toContain('baseline');
    await other.getByLabel('Import a file').setInputFiles(file);
    await other.getByText('Run First: was here already').waitFor({ timeout: 60_000 });
    await expect.poll(() => other.locator('.run-table tbody tr').count()).toBe(3);

    const name = 'three.jsonl, k=8';
    for (const each of [page, other]) {
      await row(each, name).getByRole('button', { name, exact: true }).click();
      await each.getByRole('button', { name: 'Resume' }).click();
      await finished(each);
    }
    const [here, far] = [await adapter(page), await adapter(other)];
    expect(Object.keys(far)).toEqual(Object.keys(here));
    for (const path of Object.keys(here))
      expect(Buffer.from(far[path] ?? []).equals(here[path] ?? Buffer.of())).toBe(true);
    await there.close();
  },
  2 * LONG,
);

test(
  'a damaged project leaves everything as it was',
  async () => {
    await openList(page);
    const before = await page.locator('.run-table tbody tr').count();
    const zip = await downloaded(page, () => page.getByRole('button', { name: 'Export all' }).click());
    zip[Math.floor(zip.length / 3)] = (zip[Math.floor(zip.length / 3)] ?? 0) ^ 1;
    const file = join(built.scratch, 'damaged.zip');
    await writeFile(file, zip);
    await page.getByLabel('Import a file').setInputFiles(file);
    await page
      .getByRole('alert')
      .getByText(/damaged/)
      .first()
      .waitFor({ timeout: LONG });
    await expect.poll(() => page.locator('.run-table tbody tr').count()).toBe(before);
    await page.getByRole('button', { name: 'Close this message' }).click();
  },
  LONG,
);

test(
  'several runs are deleted at once, after being told how much that frees',
  async () => {
    await openList(page);
    await page.getByLabel('Choose First').check();
    await page.getByLabel('Choose Second').check();
    await page.getByRole('button', { name: 'Delete 2' }).click();
    const dialog = page.getByRole('dialog');
    await expect.poll(() => dialog.innerText()).toMatch(/About [\d.]+ (kB|MB) are freed/);
    await expect.poll(() => dialog.innerText()).toContain('1 data set that no other run uses goes with them');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('2 runs are deleted.').waitFor();
    await expect.poll(() => page.locator('.run-table tbody tr').count()).toBe(1);
    await page.reload();
    await page.locator('.run-table tbody tr').first().waitFor();
    await expect.poll(() => page.locator('.run-table tbody tr').count()).toBe(1);
    expect(errors).toEqual([]);
  },
  LONG,
);

test(
  'two tabs on one run: one works, the other follows, can change nothing, and goes on when the first is closed',
  async () => {
    await page.goto(`${built.origin}/#runs`);
    const worker = watch(await context.newPage());
    await worker.goto(built.origin);
    await begin(worker, await built.dataFile('four.jsonl', 80, 100));
    await worker
      .locator('.stage-link')
      .filter({ hasText: 'SFT' })
      .getByRole('progressbar')
      .waitFor({ timeout: LONG });
    const name = 'four.jsonl, k=8';

    await page.bringToFront();
    // This tab was open before: it hears of the run, lists it as running, and can delete nothing of it.
    await row(page, name).getByText('in another tab').waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: `Actions for ${name}` }).click();
    await expect
      .poll(() => page.getByRole('button', { name: 'Delete', exact: true }).last().isDisabled())
      .toBe(true);
    await page.keyboard.press('Escape');

    await row(page, name).getByRole('button', { name, exact: true }).click();
    await page.getByText('Running in another tab').first().waitFor({ timeout: 20_000 });
    await expect.poll(() => page.getByRole('button', { name: 'Resume' }).count()).toBe(0);
    await page.locator('.stage-link').filter({ hasText: 'SFT' }).click();
    await expect.poll(() => page.locator('.fields .input').first().isDisabled()).toBe(true);
    const free = () =>
      page.evaluate(async () => {
        const { held = [] } = await navigator.locks.query();
        return held.every((lock) => !lock.name?.startsWith('run '));
      });
    expect(await free()).toBe(false);
    // Live: the bar moves here, though the work is there.
    const bar = page.locator('.stage-link').getByRole('progressbar').first();
    const at = () => bar.evaluate((each) => `${each.ariaLabel} ${each.ariaValueNow}`);
    const before = await at();
    await expect.poll(at, { timeout: LONG }).not.toBe(before);

    await worker.close();
    await page.getByText('The other tab has stopped; Resume goes on here.').waitFor({ timeout: 30_000 });
    expect(await free()).toBe(true);
    await page.getByRole('button', { name: 'Resume' }).click();
    await bar.waitFor({ timeout: LONG });
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor({ timeout: LONG });
    expect(errors).toEqual([]);
  },
  LONG,
);
