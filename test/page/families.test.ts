/**
 * A tiny folder of a family through the whole headless pipeline, a step or two of each stage on WASM: of the three that
 * differ most; with LONG=1 of every family, and on WebGPU as well, which here computes in software.
 */
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumFlags } from '../../scripts/chromium.ts';
import { setup } from '../../scripts/setup.ts';
import { makeTinyModel, TINY_FAMILIES, type TinyFamily } from '../../scripts/tiny-model.ts';
import { openHeadless, type SmallRuns, smallRuns } from '../fixtures/small-run.ts';

const PATIENCE = 900_000;

const TINY = {
  data: { limit: 3, heldOut: 1 },
  lora: { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
  sft: { batch: 2, epochs: 1 },
  sample: { n: 2, maxTokens: 4 },
  filter: { mode: 'all' },
  dpo: { negatives: 1, batch: 2, epochs: 1 },
  evaluate: { samples: 1 },
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

/** In software WebGPU takes minutes: with LONG=1 alone. Each family's graphs are tried on both in test/browser. */
const ON_GPU: readonly TinyFamily[] = process.env.LONG ? TINY_FAMILIES : [];
const ON_WASM: readonly TinyFamily[] = process.env.LONG ? TINY_FAMILIES : ['llama3', 'qwen3', 'gemma3'];
const CASES: readonly (readonly [TinyFamily, 'wasm' | 'webgpu'])[] = [
  ...ON_WASM.map((family) => [family, 'wasm'] as const),
  ...ON_GPU.map((family) => [family, 'webgpu'] as const),
];

test.each(CASES)(
  '%s on %s',
  async (family, backend) => {
    const folder = join(runs.scratch, family);
    await makeTinyModel(family, folder);
    const run = await runs.start({ ...TINY, backend }, folder);
    const page = await browser.newPage();
    await openHeadless(page, run.origin);
    const result = await run.resume(page, await run.create(page));
    if (result.type !== 'done') throw new Error(JSON.stringify(result));
    const { device, stages, report } = result.manifest;
    expect(device?.backend).toBe(backend);
    expect(new Set(Object.values(stages))).toEqual(new Set(['done']));
    expect(report?.stages.sample?.responses).toBe(6);
    for (const figure of [report?.stages.sft?.lastLoss, report?.stages.dpo?.rewardMargin])
      expect(Number.isFinite(figure)).toBe(true);
    const files = await run.files();
    expect(files.has('adapter/adapter_model.safetensors')).toBe(true);
    await page.close();
    await run.close();
  },
  PATIENCE,
);
