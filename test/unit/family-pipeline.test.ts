/** A tiny folder of every family through the whole pipeline, on WASM in Node. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { makeTinyModel, TINY_FAMILIES } from '../../scripts/tiny-model.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import type { TextEmbedder } from '../../src/engine/types.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { loadModel } from '../fixtures/export-run.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 2, limit: 6 },
  sft: { batch: 4, epochs: 2 },
  sample: { n: 4, maxTokens: 8 },
  filter: { percent: 100 },
  dpo: { negatives: 2, batch: 4, epochs: 2 },
  evaluate: { samples: 2 },
});

let scratch = '';
let embedder: TextEmbedder;
let dataset: Dataset;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'self-contrast-tiny-'));
  embedder = await openEmbedder({ source: folder(`${PUBLIC}models/default-embedder`), pooling: 'auto' });
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  dataset = await readDataset('word-helper', text);
}, 120_000);
afterAll(() => rm(scratch, { recursive: true, force: true }));

test.each(TINY_FAMILIES)(
  '%s: every stage is done, with finite losses and weights',
  async (family) => {
    const path = join(scratch, family);
    await makeTinyModel(family, path);
    const model = await loadModel(path);
    const store = memoryStore(config, dataset);
    const losses: number[] = [];
    await runPipeline({
      config,
      model,
      embedder: async () => embedder,
      store,
      emit: (event) => {
        if (event.type === 'metric' && event.metric.stage === 'sft')
          losses.push(event.metric.values.loss ?? Number.NaN);
      },
      signal: new AbortController().signal,
      now: () => performance.now(),
    });
    const { stages, report } = await store.manifest();
    expect(new Set(Object.values(stages))).toEqual(new Set(['done']));
    expect(report?.stages.sample?.responses).toBe(24);
    expect(Number.isFinite(Number(report?.stages.dpo?.rewardMargin))).toBe(true);
    expect(losses.length).toBeGreaterThan(2);
    expect(losses.every(Number.isFinite)).toBe(true);
    const adapter = (await store.checkpoint('dpo'))?.state.parameters ?? [];
    expect(adapter.length).toBe(model.config.layers);
    expect(adapter.flatMap((v) => [...v]).every(Number.isFinite)).toBe(true);
    await model.dispose();
  },
  240_000,
);
