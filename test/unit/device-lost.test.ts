/**
 * A GPU device that is lost in the middle of SFT, sampling and DPO, in one run: it goes on by itself from what is
 * stored, on a new device in a fresh worker, and ends in the bytes of a run that lost nothing. The adapter computes
 * in software, so everything is tiny.
 */
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumFlags } from '../../scripts/chromium.ts';
import { differences } from '../../scripts/crash/run.ts';
import { setup } from '../../scripts/setup.ts';
import type { Stage } from '../../src/pipeline/types.ts';
import { openHeadless, type SmallRun, type SmallRuns, smallRuns } from '../fixtures/small-run.ts';

const PATIENCE = 600_000;

const TINY = {
  backend: 'webgpu',
  // No prompts held out: no previews either, each of which compiles a sampler.
  data: { limit: 2, heldOut: 0 },
  lora: { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
  sft: { batch: 2, epochs: 2 },
  sample: { n: 2, maxTokens: 4 },
  filter: { mode: 'all' },
  dpo: { negatives: 1, batch: 2, epochs: 2 },
};

let runs: SmallRuns;
let browser: Browser;
beforeAll(async () => {
  runs = await smallRuns();
  browser = await chromium.launch({
    executablePath: setup(),
    headless: true,
    args: chromiumFlags('software'),
  });
}, PATIENCE);
afterAll(async () => {
  await browser?.close();
  await runs?.close();
});

/** Lets the test reach the device that the worker has opened; the worker's code is otherwise as built. */
const KEEP_DEVICE = `{
  const open = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    globalThis.openedDevice = await open.apply(this, options);
    return globalThis.openedDevice;
  };
}\n`;

async function loseDevice(page: Page): Promise<void> {
  const worker = page.workers().find((each) => each.url().includes('model'));
  if (!worker) throw new Error('the model worker does not run');
  await worker.evaluate(() => {
    const device: unknown = Reflect.get(globalThis, 'openedDevice');
    if (!(device instanceof GPUDevice)) throw new Error('no device was opened');
    device.destroy();
  });
}

/** Runs to the end, losing the device at the first progress of each of `stages`; returns the warnings. */
async function runLosing(run: SmallRun, stages: readonly Stage[]): Promise<string[]> {
  const page = await browser.newPage();
  await page.route(/assets\/model-.*\.js/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: KEEP_DEVICE + (await response.text()) });
  });
  const left = new Set(stages);
  const warnings: string[] = [];
  await openHeadless(page, run.origin, async (event) => {
    if (event.type === 'warning') warnings.push(event.message);
    if (event.type === 'progress' && left.delete(event.progress.stage)) await loseDevice(page);
  });
  const id = await run.create(page);
  const result = await run.resume(page, id);
  expect(result).toMatchObject({ type: 'done', manifest: { device: { backend: 'webgpu' } } });
  expect([...left]).toEqual([]);
  await page.close();
  return warnings.filter((message) => message.includes('device was lost'));
}

test(
  'a device lost in SFT, sampling and DPO is replaced without a word from the user, to the same bytes',
  async () => {
    const [calm, losing] = [await runs.start(TINY), await runs.start(TINY)];
    expect(await runLosing(calm, [])).toEqual([]);
    expect(await runLosing(losing, ['sft', 'sample', 'dpo'])).toHaveLength(3);
    expect(differences(await calm.files(), await losing.files())).toEqual([]);
    await calm.close();
    await losing.close();
  },
  PATIENCE,
);
