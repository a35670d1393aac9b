/** The export menu and the start from an adapter, in a real browser. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readGguf } from '../../src/model/gguf.ts';
import { readHeader } from '../../src/model/safetensors.ts';
import { type BuiltPage, openBuiltPage } from '../fixtures/built-page.ts';

/** Where pictures go, for people who ask for them. */
const SHOTS = process.env.SCREENSHOTS;

let built: BuiltPage;
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  built = await openBuiltPage();
  context = await built.profile();
  page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => errors.push(error.message));
  await built.dataFile('mine.jsonl', 0, 12);
}, 240_000);
afterAll(() => built?.close());

const shot = async (name: string) => {
  if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}.png`) });
};

async function choose(button: string, file: string): Promise<void> {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: button, exact: true }).click();
  await (await chooser).setFiles(file);
}

async function downloaded(act: () => Promise<void>): Promise<{ name: string; bytes: Uint8Array }> {
  const download = page.waitForEvent('download', { timeout: 120_000 });
  await act();
  const done = await download;
  return { name: done.suggestedFilename(), bytes: new Uint8Array(await readFile(await done.path())) };
}

const menu = () => page.getByRole('button', { name: 'Other formats' }).first();

async function exported(label: RegExp) {
  await menu().click();
  return downloaded(() => page.locator('.exports').getByRole('button', { name: label }).click());
}

let adapter = '';

test('every entry of the menu gives its file, and a benchmark file is answered', async () => {
  await page.goto(built.origin);
  await choose('Use my prompts', join(built.scratch, 'mine.jsonl'));
  await page.getByRole('tab', { name: '12 rows' }).waitFor();
  await page.getByRole('button', { name: 'Run all' }).click();
  await page.getByText('The run is finished.').waitFor({ timeout: 400_000 });
  await page.getByRole('button', { name: /7\s*Result/ }).click();

  await menu().click();
  await page.getByRole('button', { name: /Self-Contrast/, pressed: true }).waitFor();
  await shot('menu');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot('menu-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 400, height: 800 });
  await shot('menu-400');
  // Nothing of the menu may lie outside a narrow window.
  const box = await page.locator('.exports').boundingBox();
  expect(box?.x ?? -1).toBeGreaterThanOrEqual(0);
  expect((box?.x ?? 0) + (box?.width ?? 1000)).toBeLessThanOrEqual(400);
  await page.setViewportSize({ width: 1280, height: 720 });
  // Arrow keys walk through the entries; Escape closes.
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  await expect.poll(() => page.locator('.exports').count()).toBe(0);

  const gguf = await exported(/Adapter for llama.cpp/);
  expect(gguf.name).toMatch(/-lora\.gguf$/);
  expect(readGguf(gguf.bytes).metadata.get('general.type')).toBe('adapter');

  const merged = unzipSync((await exported(/Merged model a Hugging Face folder/)).bytes);
  expect(Object.keys(merged)).toEqual(
    expect.arrayContaining(['merged/config.json', 'merged/tokenizer.json']),
  );
  const { tensors } = readHeader(merged['merged/model.safetensors'] ?? new Uint8Array());
  expect(tensors.get('model.norm.weight')?.dtype).toBe('F16');

  const onnx = unzipSync((await exported(/Model for transformers.js/)).bytes);
  expect(Object.keys(onnx)).toEqual(expect.arrayContaining(['onnx/onnx/model.onnx', 'onnx/config.json']));

  const trl = unzipSync((await exported(/Pairs for TRL/)).bytes);
  expect(Object.keys(trl)).toEqual(['trl/pairs.jsonl', 'trl/pairs-conversational.jsonl']);
  expect((await exported(/Answers as a table/)).name).toBe('responses.parquet');
  const bundle = unzipSync((await exported(/Continue on a cluster/)).bytes);
  expect(Object.keys(bundle)).toEqual(expect.arrayContaining(['cluster/README.md', 'cluster/dpo.yaml']));

  const report = await exported(/^Report/);
  expect(report.name).toMatch(/-report\.html$/);
  expect(new TextDecoder().decode(report.bytes)).toMatch(/^<!doctype html>[\s\S]*Self-Contrast[\s\S]*95 %/);
  const files = unzipSync((await exported(/^… with its data/)).bytes);
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(['report.html', 'report.md', 'report.json', 'arms.csv', 'curves.csv']),
  );

  const prompts = join(built.scratch, 'alpaca.json');
  await writeFile(prompts, JSON.stringify([{ instruction: 'What is the plural of box?' }]));
  await menu().click();
  const chooser = page.waitForEvent('filechooser');
  const answers = await downloaded(async () => {
    await page
      .locator('.exports')
      .getByRole('button', { name: /Answer a benchmark file/ })
      .click();
    await (await chooser).setFiles(prompts);
  });
  expect(JSON.parse(new TextDecoder().decode(answers.bytes))).toMatchObject([
    { instruction: 'What is the plural of box?', generator: expect.stringMatching(/-self-contrast$/) },
  ]);

  const zip = await downloaded(() => page.getByRole('button', { name: 'Download adapter' }).first().click());
  adapter = join(built.scratch, 'aligned.zip');
  await writeFile(adapter, zip.bytes);
  expect(errors).toEqual([]);
}, 600_000);

test('a file that is no benchmark is refused in words', async () => {
  await menu().click();
  const chooser = page.waitForEvent('filechooser');
  await page
    .locator('.exports')
    .getByRole('button', { name: /Answer a benchmark file/ })
    .click();
  await (await chooser).setFiles(join(built.scratch, 'mine.jsonl'));
  await page.getByText('The file is neither MT-Bench').first().waitFor();
  await page.getByRole('button', { name: 'Close this message' }).click();
}, 60_000);

test('a run starts from the adapter: SFT is left out, and its settings are the adapter’s', async () => {
  await page.getByRole('button', { name: /1\s*Model/ }).click();
  await choose('Use an adapter', adapter);
  await page.getByText(/Starts from aligned/).waitFor();
  await page.getByText('It takes the place of SFT').waitFor();
  await shot('adapter');
  await page.setViewportSize({ width: 400, height: 800 });
  await shot('adapter-400');
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(sideways).toBeLessThanOrEqual(0);
  await page.setViewportSize({ width: 1280, height: 720 });
  await page
    .getByRole('button', { name: /^(Run all|Resume|Apply|Redo)/ })
    .first()
    .click();
  await page.getByText('The run is finished.').waitFor({ timeout: 400_000 });
  await page.getByRole('button', { name: /3\s*SFT/ }).click();
  await shot('sft');

  // What SFT handed on is the adapter as it was, so its export is the same file.
  await page.getByRole('button', { name: /7\s*Result/ }).click();
  await menu().click();
  await page.locator('.exports').getByRole('button', { name: 'SFT', exact: true }).click();
  const bundle = unzipSync(
    (
      await downloaded(() =>
        page
          .locator('.exports')
          .getByRole('button', { name: /Continue on a cluster/ })
          .click(),
      )
    ).bytes,
  );
  const before = unzipSync(new Uint8Array(await readFile(adapter)));
  expect(bundle['cluster/adapter-sft/adapter_model.safetensors']).toEqual(
    before['adapter/adapter_model.safetensors'],
  );
  expect(bundle['cluster/adapter/adapter_model.safetensors']).not.toEqual(
    before['adapter/adapter_model.safetensors'],
  );
  expect(errors).toEqual([]);
}, 600_000);
