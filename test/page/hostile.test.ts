/**
 * A data set, names and a model made to break the page: HTML, Markdown, javascript: addresses, direction overrides and
 * control characters in every text that comes from a file. All of it must arrive as text, and only as text.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BuiltPage, openBuiltPage } from '../fixtures/built-page.ts';

const DEFAULT_LM = fileURLToPath(new URL('../../public/models/default-lm', import.meta.url));

const HTML = '<img src=x onerror="window.hit=1"><script>window.hit=1</script><svg onload="window.hit=1">';
const MARKDOWN = '[click](javascript:window.hit=1) ![x](https://example.invalid/x.png) **bold** `x`';
const OVERRIDES = 'good \u202egnp.txt\u202c \u2066isolated \u2067 never closed \u200b\u0007\u001b[31m';
const NAME = 'evil \u202elnosj <b onmouseover=alert(1)>';

const ROWS = [
  { prompt: `What is ${HTML}`, target: `It is ${MARKDOWN}` },
  { prompt: MARKDOWN, target: HTML },
  { prompt: `${OVERRIDES} tail`, target: `${OVERRIDES} end` },
  ...Array.from({ length: 9 }, (_, i) => ({ prompt: `${HTML} ${i}`, target: `${OVERRIDES} ${i}` })),
];
const DATA = [
  ...ROWS.map((row) => JSON.stringify(row)),
  `{"prompt": ${HTML} ${OVERRIDES}`,
  '{"target": "x"}',
].join('\n');

let built: BuiltPage;
let context: BrowserContext;
let page: Page;
const events: string[] = [];

beforeAll(async () => {
  built = await openBuiltPage();
  context = await built.profile();
  page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => events.push(error.message));
  page.on('dialog', (dialog) => {
    events.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(built.origin) && !/^(blob|data):/.test(request.url()))
      events.push(request.url());
  });
}, 240_000);
afterAll(() => built?.close());

/** Nothing but text came of it, and no override reaches beyond its own box. */
async function onlyText(): Promise<void> {
  const found = await page.evaluate(() => {
    const overrides = /[\u202a-\u202e\u2066-\u2069]/;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const loose: string[] = [];
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (parent === null || !overrides.test(node.textContent ?? '')) continue;
      const { display, unicodeBidi } = getComputedStyle(parent);
      if (display.startsWith('inline') && !unicodeBidi.includes('isolate'))
        loose.push(parent.outerHTML.slice(0, 200));
    }
    const attributes = [...document.querySelectorAll('[aria-label], [title], [data-tip], [alt]')].flatMap(
      (element) =>
        ['aria-label', 'title', 'data-tip', 'alt'].flatMap((name) => element.getAttribute(name) ?? []),
    );
    return {
      hit: 'hit' in window,
      // The page itself has no image, frame, inline handler or script address.
      elements: [
        ...document.querySelectorAll(
          'main img, main script, iframe, [onerror], [onload], [onmouseover], a[href^="javascript"]',
        ),
      ].map((element) => element.outerHTML.slice(0, 200)),
      loose,
      title: overrides.test(document.title),
      labels: attributes.filter((text) => overrides.test(text) && /evil/.test(text)),
    };
  });
  expect(found).toEqual({ hit: false, elements: [], loose: [], title: false, labels: [] });
  expect(events).toEqual([]);
}

test('rows, refused rows, file and run names', async () => {
  await page.goto(built.origin);
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Use my prompts' }).click();
  await (await chooser).setFiles({
    name: `${NAME}.jsonl`,
    mimeType: 'text/plain',
    buffer: Buffer.from(DATA),
  });
  await page.getByRole('tab', { name: /refused/ }).waitFor({ timeout: 60_000 });
  await page.getByText(`What is ${HTML}`).first().waitFor();
  await page.getByText(String.raw`evil \u202elnosj <b onmouseover=alert(1)>`).first().waitFor();
  await onlyText();
  await page.getByRole('tab', { name: /refused/ }).click();
  await page.getByText('not JSON').first().waitFor();
  await onlyText();
}, 180_000);

test('a run on them: answers, tokens and downloads', async () => {
  await page.getByRole('button', { name: 'Run all' }).click();
  await page.getByText('The run is finished.').waitFor({ timeout: 400_000 });
  await onlyText();
  for (const stage of [/2\s*Data/, /4\s*Sample/, /5\s*Filter/, /7\s*Result/]) {
    await page.getByRole('button', { name: stage }).click();
    await page.waitForTimeout(300);
    await onlyText();
  }
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download adapter' }).first().click();
  expect((await download).suggestedFilename()).toMatch(/^[\p{L}\p{N}-]+\.zip$/u);
}, 500_000);

test("a model folder's name and its chat template's own words", async () => {
  const folder = join(built.scratch, NAME);
  await cp(DEFAULT_LM, folder, { recursive: true });
  const path = join(folder, 'tokenizer_config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  const template = `{{ raise_exception(${JSON.stringify(`${HTML}${OVERRIDES}`)}) }}`;
  await writeFile(
    path,
    JSON.stringify({
      ...config,
      chat_template: template,
    }),
  );
  await page.getByRole('button', { name: /1\s*Model/ }).click();
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Use another model' }).click();
  await page.getByRole('tab', { name: 'From a folder' }).click();
  await page.getByRole('button', { name: 'Choose a folder' }).click();
  await (await chooser).setFiles(folder);
  await page.getByText(String.raw`evil \u202elnosj`).first().waitFor({ timeout: 60_000 });
  await onlyText();
  await page.getByRole('button', { name: /2\s*Data/ }).click();
  await page
    .getByRole('button', { name: /Show the tokens|Redo|Run all|Resume/ })
    .first()
    .click();
  await page.getByRole('alert').getByText('onerror').first().waitFor({ timeout: 120_000 });
  await page.getByRole('alert').getByText('Details', { exact: true }).click();
  await onlyText();
}, 240_000);
