/** The estimate of memory against what a run really takes, in Chromium on WASM. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { chromiumFlags } from '../chromium.ts';
import { setup } from '../setup.ts';
import { PATIENCE, withSources } from './browser.ts';
import { MEMORY_PLANS, type MemoryFigures, type MemoryPlan } from './memory/plan.ts';
import { watchProcesses } from './processes.ts';
import type { Row } from './row.ts';

/** @param names of plans; all where there are none */
export const memoryRows = (names: readonly string[]): Promise<Row[]> =>
  withSources(async (address) => {
    const rows: Row[] = [];
    for (const [name, plan] of Object.entries(MEMORY_PLANS)) {
      if (names.length > 0 && !names.includes(name)) continue;
      rows.push(...rowsOf(plan, await inBrowser(`${address}scripts/bench/memory/index.html`, plan)));
    }
    return rows;
  });

/** In a browser of its own: memory that one model leaves behind must not help another. */
async function inBrowser(url: string, plan: MemoryPlan): Promise<MemoryFigures & { process: number | null }> {
  const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-memory-'));
  const context = await chromium.launchPersistentContext(join(scratch, 'profile'), {
    executablePath: setup(),
    headless: true,
    args: chromiumFlags('none'),
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(PATIENCE);
    await page.goto(url);
    await page.waitForFunction(() => window.memoryBench !== undefined);
    const use = watchProcesses(scratch);
    const figures = await page.evaluate((given) => window.memoryBench(given), plan);
    return { ...figures, process: use.stop().peakMemory };
  } finally {
    await context.close();
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

function rowsOf(plan: MemoryPlan, figures: MemoryFigures & { process: number | null }): Row[] {
  const { need, memory, trades, heapTrained, heapSampled, process, stepSeconds } = figures;
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const against = (estimated: number, measured: number) =>
    `estimated ${mb(estimated)}, measured ${mb(measured)}, ratio ${(estimated / measured).toFixed(2)}`;
  const trainingHeap = need.parts
    .filter(({ place, phases }) => place === 'heap' && phases.includes('training'))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  const what = `${plan.model} ${plan.precision}, 1 + ${plan.negatives} answers x ${plan.answerTokens}`;
  const choice = `${memory.keep ? 'kept' : 'computed again'}, ${memory.segment} layers a graph, ${memory.rows} rows, ${memory.sampleRows} answers`;
  const sampled = plan.samples > 0;
  return [
    {
      name: `${what}: heap, training`,
      value: against(trainingHeap, heapTrained),
      peer: `step ${stepSeconds.toFixed(0)} s; ${choice}. ${trades.join(' ')}`,
    },
    ...(sampled
      ? [{ name: `${what}: heap, all`, value: against(need.heap, heapSampled), peer: 'after sampling, too' }]
      : []),
    ...(process === null
      ? []
      : [
          {
            name: `${what}: process`,
            value: against(sampled ? need.peak : need.trainingPeak - need.heap + trainingHeap, process),
            peer: "the renderer's resident memory over that of the empty page",
          },
        ]),
  ];
}
