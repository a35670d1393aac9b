/**
 * A GPU device that is lost in the middle of SFT, sampling and DPO, in one run (without LONG=1 of sampling alone): it
 * goes on by itself from what is stored, on a new device in a fresh worker, and ends in the bytes of a run that lost
 * nothing. The adapter computes in software, so everything is tiny.
 */
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumFlags } from '../../scripts/chromium.ts';
import { differences } from '../../scripts/crash/run.ts';
import { setup } from '../../scripts/setup.ts';
import type { RunEvent, Stage } from '../../src/pipeline/types.ts';
import { openHeadless, type SmallRun, type SmallRuns, smallRuns } from '../fixtures/small-run.ts';

const PATIENCE = 600_000;

/** A loss costs a fresh worker and all its compiled shaders. */
const LOST: readonly Stage[] = process.env.LONG ? ['sft', 'sample', 'dpo'] : ['sample'];

const TINY = {
  backend: 'webgpu',
  // No prompts held out: no previews either, each of which compiles a sampler.
  data: { limit: 2, heldOut: 0 },
  lora: { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
  sft: { batch: 2, epochs: 3 },
  sample: { n: 2, maxTokens: 4 },
  filter: { mode: 'all' },
  dpo: { negatives: 1, batch: 2, epochs: 3 },
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

/** Training has taken a step of several by then; sampling, which is soon over, has just begun. */
function isAmid(stage: Stage, event: RunEvent): boolean {
  return stage === 'sample'
    ? event.type === 'stage' && event.stage === stage && event.state === 'running'
    : event.type === 'progress' && event.progress.stage === stage;
}

/** Runs to the end, losing the device once amid each of `stages`; returns the stages that were met by a loss. */
async function runLosing(run: SmallRun, stages: readonly Stage[]): Promise<Stage[]> {
  const page = await browser.newPage();
  await page.route(/assets\/model-.*\.js/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: KEEP_DEVICE + (await response.text()) });
  });
  const left = [...stages];
  const met: Stage[] = [];
  await openHeadless(page, run.origin, async (event) => {
    if (event.type === 'stage' && event.summary.includes('device was lost')) met.push(event.stage);
    const [next] = left;
    if (next === undefined || !isAmid(next, event)) return;
    left.shift();
    await loseDevice(page);
  });
  const id = await run.create(page);
  const result = await run.resume(page, id);
  expect(result).toMatchObject({ type: 'done', manifest: { device: { backend: 'webgpu' } } });
  await page.close();
  return met;
}

test(
  `a device lost in ${LOST.join(', ')} is replaced without a word from the user, to the same bytes`,
  async () => {
    const [calm, losing] = [await runs.start(TINY), await runs.start(TINY)];
    expect(await runLosing(calm, [])).toEqual([]);
    expect(await runLosing(losing, LOST)).toEqual(LOST);
    expect(differences(await calm.files(), await losing.files())).toEqual([]);
    await calm.close();
    await losing.close();
  },
  PATIENCE,
);
