/**
 * Importing a large file on the built page, in a real browser: how long it takes, how long the page's main thread
 * was ever held up, and how much memory the page and its workers took at most.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright';
import { stream } from '../../src/model/random.ts';
import { chromiumFlags } from '../chromium.ts';
import { freshDist } from '../headless/build.ts';
import { startServer } from '../headless/server.ts';
import { setup } from '../setup.ts';
import { watchProcesses } from './processes.ts';
import type { Row } from './row.ts';
import { type LongestTask, watchTasks } from './tasks.ts';

export interface ImportFigures {
  readonly rows: number;
  /** Of the file. */
  readonly bytes: number;
  /** From the choice of the file to the rows on the page. */
  readonly seconds: number;
  /** Of the page's main thread, from the choice of the file to the end of the scrolling. */
  readonly longestTask: LongestTask;
  /** Of the page with its workers, bytes over those before the import at the highest; null where /proc is not. */
  readonly peakMemory: number | null;
  /** Seconds of processor time that all processes of the browser took; null likewise. */
  readonly processorSeconds: number | null;
}

const WORDS =
  'the of and to in is that it was for on are as with they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know'.split(
    ' ',
  );

/** Rows in Alpaca's form, of about a kilobyte each, no two the same. */
export async function writeAlpaca(path: string, rows: number): Promise<void> {
  const random = stream(1, 'import bench');
  const text = (words: number) =>
    Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
  const file = createWriteStream(path);
  for (let i = 0; i < rows; i++) {
    const row = { instruction: `${i}: ${text(20)}`, input: i % 3 === 0 ? text(30) : '', output: text(165) };
    if (!file.write(`${JSON.stringify(row)}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

/** Writes such a file, imports it by the page's own button, and watches. */
export async function measureImport(rows: number): Promise<ImportFigures> {
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-import-'));
  const path = join(scratch, 'alpaca.jsonl');
  const server = await startServer(await freshDist(console.log));
  try {
    await writeAlpaca(path, rows);
    const { size } = await stat(path);
    const profile = join(scratch, 'profile');
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: setup(),
      headless: true,
      args: chromiumFlags('none'),
    });
    try {
      const page = context.pages()[0] ?? (await context.newPage());

      await page.goto(server.origin);
      await page.getByRole('button', { name: 'Align the example model' }).waitFor();
      const tasks = await watchTasks(page);
      const use = watchProcesses(profile);
      const started = performance.now();
      const chooser = page.waitForEvent('filechooser');
      await page.getByRole('button', { name: 'Use my prompts' }).click();
      await (await chooser).setFiles(path);
      await page
        .getByRole('tab', { name: `${rows.toLocaleString('en')} rows` })
        .waitFor({ timeout: 300_000 });
      const seconds = (performance.now() - started) / 1000;
      const { peakMemory, processorSeconds } = use.stop();
      await scrollThrough(page);
      const longestTask = await tasks.stop();
      return { rows, bytes: size, seconds, longestTask, peakMemory, processorSeconds };
    } finally {
      await context.close();
    }
  } finally {
    await server.close();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The list from end to end, as one drags its scrollbar. */
async function scrollThrough(page: Page): Promise<void> {
  const list = page.getByRole('listbox', { name: 'Rows' });
  for (let step = 0; step <= 40; step++) {
    await list.evaluate((element, share) => element.scrollTo(0, element.scrollHeight * share), step / 40);
    await page.waitForTimeout(25);
  }
  await list.locator('.vrow .clip').last().filter({ hasText: /\w/ }).waitFor();
}

/** 100,000 rows in Alpaca's form through the page's own button. */
export async function importRow(): Promise<Row> {
  const figures = await measureImport(100_000);
  const { rows, bytes, seconds: time, longestTask, peakMemory, processorSeconds } = figures;
  const memory = peakMemory === null ? '' : `, memory ${(peakMemory / bytes).toFixed(1)}x the file`;
  const processor = processorSeconds === null ? '' : ` (processor ${processorSeconds.toFixed(1)} s)`;
  return {
    name: `import of ${rows / 1000}k rows, ${(bytes / 1e6).toFixed(0)} MB JSONL`,
    value: `${time.toFixed(1)} s${processor}, ${(bytes / 1e6 / time).toFixed(0)} MB/s${memory}`,
    peer: `at most 15 s; longest task of the page ${longestTask.wall.toFixed(0)} ms (${longestTask.cpu.toFixed(0)} of its own), at most 100`,
  };
}
