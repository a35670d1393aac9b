/**
 * Sampling and a LoRA DPO step of models of real shapes with random weights, on the GPU that a browser finds here; the
 * same step in PyTorch beside it. Where there is no GPU nothing is measured, and that is what it says.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { hasGpu } from '../chromium.ts';
import { PATIENCE, withBenchPage } from './browser.ts';
import type { GpuBench } from './gpu/page.ts';
import { type AdapterFacts, type Measured, PEAK, PLANS, type Plan, TINY } from './gpu/plan.ts';
import type { Row } from './row.ts';

/**
 * @param tiny on the emulated adapter, with shapes that it can carry: shows that the benchmark itself works
 */
export async function gpuRows(tiny: boolean): Promise<Row[]> {
  if (!tiny && !hasGpu()) return [notRun('this machine shows no graphics processor')];
  return withBenchPage('scripts/bench/gpu/index.html', tiny ? 'software' : 'hardware', async (page) => {
    await page.waitForFunction(() => window.gpuBench !== undefined);
    const adapter = await page.evaluate(() => window.gpuBench.adapter());
    if (!adapter) return [notRun('the browser offers no GPU adapter on this machine')];
    if (adapter.software && !tiny) return [notRun(`the only adapter computes in software (${adapter.name})`)];
    return await measured(page, adapter, tiny);
  });
}

const notRun = (why: string): Row => ({
  name: 'GPU: sampling and training',
  value: 'not run',
  peer: `${why}; --tiny tries the benchmark itself on the emulated one`,
});

async function measured(page: Page, adapter: AdapterFacts, tiny: boolean): Promise<Row[]> {
  const rows: Row[] = [
    {
      name: 'GPU',
      value: adapter.name,
      peer: `${adapter.software ? 'EMULATED: its speed means nothing; ' : ''}buffers to ${(adapter.maxBufferBytes / 2 ** 20).toFixed(0)} MiB, shader-f16 ${adapter.halfPrecision ? 'yes' : 'no'}`,
    },
  ];
  for (const precision of ['f32', 'f16'] as const) {
    if (precision === 'f16' && !adapter.halfPrecision) {
      rows.push({ name: 'GPU, f16', value: 'not run', peer: 'the adapter has no shader-f16' });
      continue;
    }
    const dtype = precision === 'f32' ? 'float32' : 'float16';
    const peak = await call(page, 'peak', dtype, PEAK[tiny ? 'tiny' : 'real'], 3);
    rows.push({
      name: `bare products, ${precision}`,
      value: flops(peak),
      peer: 'square, nothing else: the peak',
    });
    for (const plan of tiny ? TINY : PLANS) {
      // What one model can't do (a tensor too large for this adapter, say) is no word on the others.
      const result = await call(page, 'measure', plan, precision).catch((error: unknown) => firstLine(error));
      if (typeof result === 'string') {
        rows.push({ name: `${plan.model}, ${precision}`, value: 'failed', peer: result });
      } else rows.push(...modelRows(plan, precision, result, peak), torchRow(plan, precision, result));
    }
  }
  return rows;
}

async function call<K extends 'peak' | 'measure'>(
  page: Page,
  name: K,
  ...given: Parameters<GpuBench[K]>
): Promise<Awaited<ReturnType<GpuBench[K]>>> {
  const handle = await page.evaluateHandle(() => window.gpuBench);
  return handle.evaluate((bench, [which, parameters]) => Reflect.apply(bench[which], bench, parameters), [
    name,
    given,
  ] as const);
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

const flops = (rate: number): string =>
  rate >= 1e12 ? `${(rate / 1e12).toFixed(1)} TFLOP/s` : `${(rate / 1e9).toFixed(1)} GFLOP/s`;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

function modelRows(plan: Plan, precision: string, m: Measured, peak: number): Row[] {
  const name = `${plan.model} (${(m.parameters / 1e6).toFixed(0)} M), ${precision}`;
  return [
    ...m.sampling.map(({ rows, tokensPerSecond }) => ({
      name: `${name}: sampling, ${rows} rows`,
      value: `${tokensPerSecond.toFixed(0)} tokens/s`,
      peer: `${plan.promptTokens} prompt tokens, ${plan.maxTokens} sampled a row`,
    })),
    {
      name: `${name}: DPO step`,
      value: `${(m.stepSeconds * 1000).toFixed(0)} ms, ${(m.stepTokens / m.stepSeconds).toFixed(0)} tokens/s`,
      peer: `${flops(m.stepOperations)} of products, ${((100 * m.stepOperations) / peak).toFixed(0)} % of the peak; buffers ${mebibytes(m.peakBytes)} at most; loaded in ${m.loadSeconds.toFixed(0)} s`,
    },
  ];
}

interface TorchResult {
  readonly device: string;
  readonly dtype: string;
  readonly seconds: number;
  readonly peakBytes: number | null;
  readonly torch: string;
}

/** The step in PyTorch, on CUDA where it finds that, else on the processor. PYTHON names another interpreter. */
function torchRow(plan: Plan, precision: 'f32' | 'f16', m: Measured): Row {
  const name = `${plan.model}, ${precision}: PyTorch`;
  const script = fileURLToPath(new URL('gpu/step.py', import.meta.url));
  const python = process.env.PYTHON ?? 'python3';
  if (spawnSync(python, ['-c', 'import torch']).status !== 0)
    return { name, value: 'not run', peer: `${python} has no torch` };
  const input = JSON.stringify({ ...plan, shape: m.shape, half: precision === 'f16', threads: 0 });
  const { status, stdout, stderr } = spawnSync(python, [script], {
    input,
    encoding: 'utf8',
    timeout: PATIENCE,
  });
  if (status !== 0) return { name, value: 'failed', peer: stderr.trim().split('\n').at(-1) ?? '' };
  const result: TorchResult = JSON.parse(stdout);
  const memory = result.peakBytes === null ? '' : `, ${mebibytes(result.peakBytes)} at most`;
  return {
    name,
    value: `${(result.seconds * 1000).toFixed(0)} ms, ${(m.stepTokens / result.seconds).toFixed(0)} tokens/s`,
    peer: `${result.device}, ${result.dtype}${memory}, torch ${result.torch}; the prompt again with every response`,
  };
}
