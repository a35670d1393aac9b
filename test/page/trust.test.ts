/**
 * A graphics device that computes wrong numbers, in the built page: the run stops before it trains, says so and offers
 * WebAssembly; with a sound device it goes on. The adapter computes in software, so everything is tiny.
 */
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumFlags } from '../../scripts/chromium.ts';
import { failureText } from '../../scripts/headless/summary.ts';
import { setup } from '../../scripts/setup.ts';
import type { HeadlessResult } from '../../src/app/headless.ts';
import { openHeadless, type SmallRun, type SmallRuns, smallRuns } from '../fixtures/small-run.ts';

const PATIENCE = 600_000;

const TINY = {
  data: { limit: 2, heldOut: 0 },
  lora: { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
  sft: { batch: 2, epochs: 1 },
  sample: { n: 2, maxTokens: 4 },
  filter: { mode: 'all' },
  dpo: { negatives: 1, batch: 2, epochs: 1 },
};

let runs: SmallRuns;
beforeAll(async () => {
  runs = await smallRuns();
}, PATIENCE);
afterAll(() => runs?.close());

/** What is written into large buffers arrives a little changed, as on a device whose memory or driver is not sound. */
const UNSOUND = `{
  const write = GPUQueue.prototype.writeBuffer;
  GPUQueue.prototype.writeBuffer = function (buffer, at, data, ...rest) {
    if (data.byteLength >= 65536 && data instanceof Uint8Array) {
      const floats = new Float32Array(data.slice().buffer);
      for (let i = 0; i < floats.length; i += 3) floats[i] += 0.05;
      return write.call(this, buffer, at, floats, ...rest);
    }
    return write.call(this, buffer, at, data, ...rest);
  };
}\n`;

async function resumed(page: Page, run: SmallRun, id: string): Promise<HeadlessResult> {
  await openHeadless(page, run.origin);
  return run.resume(page, id);
}

async function withBrowser<T>(gpu: 'software' | 'none', use: (browser: Browser) => Promise<T>): Promise<T> {
  const browser = await chromium.launch({
    executablePath: setup(),
    headless: true,
    args: chromiumFlags(gpu),
  });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

test(
  'a device that computes wrong numbers is found before training, and a sound one goes on with the run',
  () =>
    withBrowser('software', async (browser) => {
      const run = await runs.start({ ...TINY, backend: 'webgpu' });
      const context = await browser.newContext();
      const unsound = await context.newPage();
      await unsound.route(/assets\/model-.*\.js/, async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: UNSOUND + (await response.text()) });
      });
      await openHeadless(unsound, run.origin);
      const id = await run.create(unsound);
      const stopped = await run.resume(unsound, id);
      if (stopped.type !== 'failed') throw new Error(`the run ended as ${stopped.type}`);
      expect(stopped.error).toMatchObject({ stage: 'model', code: 'SelfCheckError', offer: 'wasm' });
      expect(stopped.error.message).toMatch(
        /the self-check failed: the graphics device .* computes wrong numbers: .* against WebAssembly is off by .* Use WebAssembly/,
      );
      expect(failureText(stopped.error)).toContain('Run it again with --backend wasm.');
      const [manifest] = await unsound.evaluate(() => window.selfContrast.runs());
      expect(manifest?.selfCheck).toMatchObject({ passed: false, offer: 'wasm' });
      expect(manifest?.stages).toMatchObject({ model: 'failed', sft: 'waiting' });
      await unsound.close();

      const result = await resumed(await context.newPage(), run, id);
      expect(result).toMatchObject({
        type: 'done',
        manifest: { selfCheck: { passed: true, backend: 'webgpu' }, stages: { evaluate: 'done' } },
      });
      await run.close();
    }),
  PATIENCE,
);

test(
  'a browser without a GPU adapter says so, and offers WebAssembly',
  () =>
    withBrowser('none', async (browser) => {
      const run = await runs.start({ ...TINY, backend: 'webgpu' });
      const page = await browser.newPage();
      await openHeadless(page, run.origin);
      const result = await run.resume(page, await run.create(page));
      expect(result).toMatchObject({
        type: 'failed',
        error: {
          stage: 'model',
          code: 'DeviceError',
          offer: 'wasm',
          message: expect.stringMatching(
            /WebGPU did not start: .*(no GPU adapter|no WebGPU).* Choose WebAssembly/,
          ),
        },
      });
      await run.close();
    }),
  PATIENCE,
);
