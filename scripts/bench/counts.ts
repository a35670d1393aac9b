/**
 * What a round of decoding and a step of training ask of the GPU: dispatches, read-backs, buffers, bytes. Counts do not
 * depend on how fast an adapter is, so the emulated one will do.
 */
import { hasGpu } from '../chromium.ts';
import { withBenchPage } from './browser.ts';
import type { GpuCounts } from './gpu/counter.ts';
import { COUNTS } from './gpu/plan.ts';
import type { Row } from './row.ts';

export async function countRows(): Promise<Row[]> {
  const adapter = hasGpu() ? 'hardware' : 'software';
  return withBenchPage('scripts/bench/gpu/index.html', adapter, async (page) => {
    await page.waitForFunction(() => window.gpuBench !== undefined);
    const found = await page.evaluate(() => window.gpuBench.adapter());
    if (!found) return [{ name: 'GPU counts', value: 'not run', peer: 'the browser offers no GPU adapter' }];
    const { slice, rounds, training } = await page.evaluate((plan) => window.gpuBench.counts(plan), COUNTS);
    return [
      row(`decoding, ${rounds} rounds of ${COUNTS.sampling[0]} rows`, slice, rounds),
      row(`DPO step of ${COUNTS.groups} prompt, ${1 + COUNTS.negatives} answers`, training, 1),
    ];
  });
}

function row(name: string, counts: GpuCounts, rounds: number): Row {
  const { dispatches, submits, readBacks, buffers, bytesAllocated, uploads, bytesUploaded } = counts;
  const each = (n: number) => (n / rounds).toFixed(n % rounds ? 1 : 0);
  return {
    name: `GPU counts, embedded model: ${name}`,
    value: `${each(dispatches)} dispatches${rounds > 1 ? ' a round' : ''}`,
    peer: `${each(submits)} submits, ${each(uploads)} uploads (${each(bytesUploaded)} B)${rounds > 1 ? ' a round' : ''}; in all ${readBacks} read-backs, ${buffers} buffers (${bytesAllocated} B)`,
    facts: { rounds, ...counts },
  };
}
