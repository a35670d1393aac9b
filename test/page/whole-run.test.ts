import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltPage, openBuiltPage } from '../fixtures/built-page.ts';

const DATA = fileURLToPath(new URL('../../public/datasets/word-helper/train.jsonl', import.meta.url));

let built: BuiltPage;
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  built = await openBuiltPage();
  context = await built.profile();
  page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => errors.push(error.message));
}, 120_000);
afterAll(() => built?.close());

test('the page opens with the example loaded and one primary button', async () => {
  await page.goto(built.origin);
  await page.getByRole('button', { name: 'Align the example model' }).waitFor();
  await expect.poll(() => page.getByText('Runs on this device. Nothing is uploaded.').isVisible()).toBe(true);
  await page.getByText('1,000 prompts, 200 more held out').waitFor();
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(sideways).toBeLessThanOrEqual(0);
}, 60_000);

test('own prompts: a bad row is refused with its line, the rest are aligned, and a reload shows the result', async () => {
  const rows = (await readFile(DATA, 'utf8')).split('\n').slice(0, 20);
  const file = join(built.scratch, 'mine.jsonl');
  await writeFile(file, [...rows, '{"target": "no prompt"}'].join('\n'));
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Use my prompts' }).click();
  await (await chooser).setFiles(file);
  await page.getByRole('tab', { name: '1 refused' }).click();
  await page.getByText('line 21').waitFor();
  await page.getByRole('button', { name: 'Run all' }).click();
  await page.getByText('The run is finished.').waitFor({ timeout: 180_000 });

  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download adapter' }).first().click();
  const path = await (await download).path();
  const zip = unzipSync(new Uint8Array(await readFile(path)));
  const names = Object.keys(zip).map((name) => name.split('/').at(-1));
  expect(names.sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);

  await page.reload();
  await page.getByText('The run is finished.').waitFor();
  await page.getByRole('button', { name: /Filter/ }).click();
  await expect.poll(() => page.locator('.answer').count()).toBeGreaterThan(5);

  // The chat answers with all three models, from what is stored.
  await page.getByRole('button', { name: /7\s*Result/ }).click();
  await page.getByLabel('Your message to the models').fill('What is the plural of box?');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await page.locator('.chat[aria-busy="false"]').waitFor({ timeout: 60_000 });
  const replies = await page.locator('.chat .reply .text').allTextContents();
  expect(replies.length).toBe(3);
  for (const reply of replies) expect(reply).not.toMatch(/^(|waiting)$/);
  expect(errors).toEqual([]);
}, 240_000);

test('a browser that refuses storage is told of in words, and the page stays usable', async () => {
  const refused = await context.newPage();
  await refused.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
  });
  await refused.goto(built.origin);
  await refused.getByText('This browser does not let the page store anything').waitFor();
  await refused.getByRole('button', { name: 'Align the example model' }).waitFor();
  await refused.close();
}, 60_000);
