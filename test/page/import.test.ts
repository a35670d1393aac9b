/** The user's own files on the built page: dropped, picked, asked about, refused, cancelled. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeAlpaca } from '../../scripts/bench/import.ts';
import { watchTasks } from '../../scripts/bench/tasks.ts';
import { visible } from '../../src/model/text.ts';
import { readDatasetFile } from '../../src/pipeline/dataset.ts';
import { bytesFile } from '../../src/pipeline/import/index.ts';
import { type BuiltPage, dropFiles, openBuiltPage } from '../fixtures/built-page.ts';
import { REAL_DATA, REAL_DATA_NOTE, realFile, realPath } from '../fixtures/realdata.ts';

interface TestFile {
  readonly name: string;
  readonly content: string | Uint8Array;
}

let built: BuiltPage;
let context: BrowserContext;
let page: Page;
let errors: string[];

beforeAll(async () => {
  built = await openBuiltPage();
}, 120_000);

/** A browser of its own for each test, with nothing stored. */
beforeEach(async () => {
  context = await built.profile();
  page = context.pages()[0] ?? (await context.newPage());
  errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('dialog', (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(built.origin);
  await page.getByRole('button', { name: 'Align the example model' }).waitFor();
  await page.getByText('1,000 prompts, 200 more held out').waitFor();
}, 120_000);
afterEach(async () => {
  await context.close();
  expect(errors).toEqual([]);
});
afterAll(() => built?.close());

const drop = (files: readonly TestFile[]) => dropFiles(page, files);

async function pick(files: string | { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Use my prompts' }).first().click();
  await (await chooser).setFiles(files);
}

const jsonl = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const tab = (name: string | RegExp) => page.getByRole('tab', { name });
const line = (list: string, at: number) =>
  page.getByRole('listbox', { name: list }).getByRole('option').nth(at);

/** Which data sets own chunks of rows, and which are complete. */
async function storedData(): Promise<{ owners: string[]; complete: string[] }> {
  return page.evaluate(async () => {
    const open = indexedDB.open('self-contrast');
    await new Promise((resolve) => {
      open.onsuccess = resolve;
    });
    const db = open.result;
    const keys = async (name: string): Promise<IDBValidKey[]> => {
      const request = db.transaction(name).objectStore(name).getAllKeys();
      await new Promise((resolve) => {
        request.onsuccess = resolve;
      });
      return request.result;
    };
    const rows = await keys('rows');
    const complete = (await keys('datasets')).map(String);
    db.close();
    return { owners: [...new Set(rows.map((key) => String(Array.isArray(key) ? key[0] : key)))], complete };
  });
}

const alpaca = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({
    instruction: `Name number ${from + i}.`,
    input: '',
    output: `It is ${from + i}.`,
  }));

test('files of several kinds dropped together become one data set, with refusals and duplicates by file', async () => {
  const csv = `instruction,input,output\n"Say ""hi"",\nplease.",,hi\n${'Name number 1.,,It is 1.'}\nno output,,\n`;
  const parquet = parquetWriteBuffer({
    columnData: [
      { name: 'instruction', data: ['From Parquet.', 'Another.'], type: 'STRING' },
      { name: 'input', data: ['', ''], type: 'STRING' },
      { name: 'output', data: ['yes', 'too'], type: 'STRING' },
    ],
  });
  await drop([
    { name: 'a.jsonl', content: `${jsonl(alpaca(0, 4))}{"instruction": \n` },
    { name: 'b.csv', content: csv },
    { name: 'c.parquet', content: new Uint8Array(parquet) },
    { name: 'd.json.gz', content: gzipSync(JSON.stringify(alpaca(10, 13))) },
  ]);
  // Four, one and a prompt only, two, three.
  await tab('11 rows').waitFor();
  await page.getByRole('heading', { name: 'a.jsonl and 3 more' }).waitFor();
  await page.getByText('JSON Lines; CSV; Parquet; JSON, gzip').waitFor();
  await page.getByText('1 without a target, for evaluation').waitFor();
  await tab('1 refused').click();
  // A line has its number before its page of the list has come.
  await expect.poll(() => line('Refused rows', 0).textContent()).toMatch(/^a\.jsonl, line 5not JSON/);
  await tab('1 duplicate').click();
  await expect
    .poll(() => line('Duplicates', 0).textContent())
    .toBe('b.csv, line 4the same as line 2 of a.jsonl');
  await tab('11 rows').click();
  await line('Rows', 4).filter({ hasText: 'Say' }).click();
  await expect.poll(() => page.locator('.turn dd').first().textContent()).toBe('Say "hi",\nplease.');
  await expect.poll(() => page.locator('.turn.target dd').textContent()).toBe('hi');

  // Stored already: a reload finds it.
  await page.reload();
  await tab('11 rows').waitFor();
}, 120_000);

test('an unknown file is asked about: columns by keyboard, the first rows at once, then read so', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => `${i},Frage ${i}?,Antwort ${i}.,Falsch ${i}.`);
  await drop([{ name: 'odd.csv', content: `id,frage,gut,schlecht\n${rows.join('\n')}\n` }]);
  const panel = page.getByRole('region', { name: 'Which column is what' });
  await panel.getByText('CSV, 4 columns').waitFor();
  // The keyboard is led to the question.
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
    .toBe('Which column is what');
  await page.keyboard.press('Tab');
  await page.keyboard.type('frage');
  await page.keyboard.press('Tab');
  await page.keyboard.type('gut');
  await page.keyboard.press('Tab');
  await page.keyboard.type('schlecht');
  const shown = panel.locator('.previews .turn dd');
  await expect
    .poll(() => shown.allTextContents())
    .toEqual([0, 1, 2].flatMap((i) => [`Frage ${i}?`, `Antwort ${i}.`, `Falsch ${i}.`]));
  await panel.getByRole('button', { name: 'Read the file' }).press('Enter');
  await tab('30 rows').waitFor();
  await page.getByText('30 with rejected answers').waitFor();

  // A file that was read can be read differently, in the place of the old data: the run has not started.
  await page.getByRole('button', { name: 'Read it differently' }).click();
  await panel.getByLabel('Prompt', { exact: true }).selectOption('frage');
  await panel.getByLabel('Target answer').selectOption('schlecht');
  await expect.poll(() => panel.locator('.turn.target dd').first().textContent()).toBe('Falsch 0.');
  await panel.getByRole('button', { name: 'Read the file' }).click();
  await expect.poll(() => page.locator('.turn.target dd').first().textContent()).toBe('Falsch 0.');
  expect((await storedData()).complete.length).toBe(1);
}, 120_000);

test('refused rows are downloaded with line and reason', async () => {
  const rows = alpaca(0, 600).map((row, i) => (i % 200 === 7 ? { ...row, output: 5 } : row));
  await pick([{ name: 'some.jsonl', mimeType: '', buffer: Buffer.from(`${jsonl(rows)}not json at all\n`) }]);
  await tab('4 refused').click();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download refused rows' }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe('some-jsonl-refused.jsonl');
  const lines = (await readFile(await file.path(), 'utf8')).trim().split('\n');
  const refused = lines.map((text) => JSON.parse(text));
  expect(refused.map((row) => row.line)).toEqual([8, 208, 408, 601]);
  for (const row of refused) expect(row.reason).toMatch(/\w/);
  expect(refused[3].reason).toContain('not JSON');
}, 120_000);

test('a conversation is shown turn by turn, and as the model sees it, with the loss mask', async () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello.' },
    { role: 'user', content: 'What is the plural of box?' },
    { role: 'assistant', content: 'The plural of box is boxes.' },
  ];
  const only = { messages: [{ role: 'user', content: 'Only asked?' }] };
  await drop([{ name: 'chat.jsonl', content: jsonl([{ messages }, only]) }]);
  await page.getByText('1 with earlier turns').waitFor();
  await expect
    .poll(() => page.locator('.turn').allTextContents())
    .toEqual([
      'SystemBe brief.',
      'UserHi',
      'AssistantHello.',
      'PromptWhat is the plural of box?',
      'TargetThe plural of box is boxes.',
    ]);
  await page.getByRole('button', { name: 'Show the tokens' }).click();
  const trained = page.locator('.tokens .token.trained');
  await trained.first().waitFor({ timeout: 60_000 });
  const text = async (of: string) =>
    (await page.locator(of).allTextContents()).join('').replaceAll('·', ' ').replace('Target: ', '');
  expect(await text('.tokens .token.trained')).toBe('The plural of box is boxes.<|end|>');
  const prompt = await text('.tokens .token:not(.trained)');
  for (const { content } of messages.slice(0, 4)) expect(prompt).toContain(content);
  // The tokens follow the chosen row.
  await page.getByRole('listbox', { name: 'Rows' }).press('ArrowDown');
  await page.getByRole('heading', { name: 'Row 2 as the model sees it' }).waitFor();
  await expect.poll(() => text('.tokens .token')).toContain('Only asked?');
  await expect.poll(() => trained.count()).toBe(0);
}, 120_000);

test('a cancelled import leaves nothing behind and the old data in place', async () => {
  await drop([{ name: 'first.jsonl', content: jsonl(alpaca(0, 5)) }]);
  await tab('5 rows').waitFor();
  const before = await storedData();
  expect(before.owners).toEqual(before.complete);
  const path = join(built.scratch, 'large.jsonl');
  await writeAlpaca(path, 60_000);
  await pick(path);
  const panel = page.getByRole('region', { name: 'Reading data' });
  await panel.getByText(/of \d+ MB/).waitFor();
  await expect.poll(async () => (await storedData()).owners.length).toBe(2);
  await expect.poll(() => page.getByRole('button', { name: 'Run all' }).count()).toBe(0);
  await panel.getByRole('button', { name: 'Cancel' }).click();
  await panel.waitFor({ state: 'detached', timeout: 10_000 });
  await tab('5 rows').waitFor();
  await expect.poll(storedData, { timeout: 10_000 }).toEqual(before);
  // And the next import works.
  await drop([{ name: 'next.jsonl', content: jsonl(alpaca(0, 6)) }]);
  await tab('6 rows').waitFor();
}, 120_000);

describe('what a file says is never more than text', () => {
  const hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>\u202egnp.exe';

  test('in its name, its columns, its rows and its errors', async () => {
    const rows = [{ [hostile]: `${hostile} a`, b: `${hostile} b` }, { [hostile]: 7 }];
    await drop([{ name: `${hostile}.jsonl`, content: jsonl(rows) }]);
    const panel = page.getByRole('region', { name: 'Which column is what' });
    await panel.getByLabel('Prompt', { exact: true }).selectOption(hostile);
    await panel.getByLabel('Target answer').selectOption('b');
    await panel.getByRole('button', { name: 'Read the file' }).click();
    // Names show what is unseen in them; a row's own text stays as it is.
    await page.getByRole('heading', { name: `${visible(hostile)}.jsonl`, exact: true }).waitFor();
    await expect.poll(() => page.locator('.turn dd').first().textContent()).toBe(`${hostile} a`);
    await drop([{ name: `${hostile}.json`, content: '{"broken' }]);
    await page.getByRole('alert').waitFor();
    await expect.poll(() => page.getByRole('alert').textContent()).toContain(visible(hostile));
    await expect.poll(() => page.locator('img, #app script').count()).toBe(0);
  }, 120_000);

  test('an empty file, a file of no rows and a broken archive are told of in words', async () => {
    for (const [name, content] of [
      ['empty.jsonl', ''],
      ['bad.jsonl', 'no JSON\n[]\n'],
      ['cut.jsonl.gz', gzipSync(jsonl(alpaca(0, 500))).subarray(0, 300)],
      ['not.parquet', 'PAR1 and nothing else'],
    ] as const) {
      await drop([{ name, content }]);
      const alert = page.getByRole('alert').filter({ hasText: `${name} could not be read` });
      await alert.getByText('Nothing was changed.').waitFor();
      await expect.poll(() => page.getByRole('region', { name: 'Reading data' }).count()).toBe(0);
      await page.getByRole('button', { name: 'Close this message' }).click();
    }
    expect(await storedData().catch(() => ({ owners: [] }))).toMatchObject({ owners: [] });
  }, 120_000);
});

describe.skipIf(REAL_DATA === null)(`real data sets on the page (${REAL_DATA_NOTE})`, () => {
  test('each is recognised by itself, with the rows that reading it whole gives', async () => {
    for (const name of (await readdir(realPath('datasets'))).sort()) {
      const whole = await readDatasetFile(bytesFile(await realFile(`datasets/${name}`), name));
      await pick(realPath(`datasets/${name}`));
      await page.getByRole('heading', { name, exact: true }).waitFor({ timeout: 60_000 });
      const counts = [whole.rows.length, whole.refused.length].map((n) => n.toLocaleString('en'));
      await tab(`${counts[0]} rows`).waitFor();
      await tab(`${counts[1]} refused`).waitFor();
      await line('Rows', 0).filter({ hasText: /\w/ }).waitFor();
    }
    // The run has not started, so it took each in turn, and no other is left.
    expect((await storedData()).complete.length).toBe(1);
  }, 240_000);
});

test('while 5,000 rows are read and scrolled through, no task of the page takes 100 ms', async () => {
  const path = join(built.scratch, 'five.jsonl');
  await writeAlpaca(path, 5000);
  const tasks = await watchTasks(page);
  await pick(path);
  await tab('5,000 rows').waitFor({ timeout: 60_000 });
  const list = page.getByRole('listbox', { name: 'Rows' });
  for (let step = 0; step <= 20; step++) {
    await list.evaluate((element, share) => element.scrollTo(0, element.scrollHeight * share), step / 20);
    await page.waitForTimeout(20);
  }
  await list.getByRole('option').last().filter({ hasText: '4999: ' }).waitFor();
  // The processor's time, not the clock's: other tests run beside this one.
  const { cpu } = await tasks.stop();
  expect(cpu).toBeGreaterThan(0);
  expect(cpu).toBeLessThan(100);
}, 180_000);
