/** The whole pipeline and the merged export on bases of fewer bits. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import type { TextEmbedder } from '../../src/engine/types.ts';
import { EMBEDDING } from '../../src/model/parameters.ts';
import { readSafetensors } from '../../src/model/safetensors.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { exportMerged } from '../../src/pipeline/export/merged.ts';
import { DEFAULT_OPTIONS } from '../../src/pipeline/export/types.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { allFiles, DEFAULT_LM, exportRun, loadModel, randomAdapter } from '../fixtures/export-run.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

let embedder: TextEmbedder;
let dataset: Dataset;
beforeAll(async () => {
  embedder = await openEmbedder({ source: folder(`${PUBLIC}models/default-embedder`), pooling: 'auto' });
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  dataset = await readDataset('word-helper', text);
}, 120_000);

describe.each(['f16', 'q8', 'q4'] as const)('%s', (precision) => {
  test('every stage is done, and the manifest says the precision', async () => {
    const config = parseConfig({
      backend: 'wasm',
      precision,
      data: { heldOut: 2, limit: 4 },
      sft: { batch: 4, epochs: 2 },
      sample: { n: 4, maxTokens: 16 },
      filter: { percent: 100 },
      dpo: { negatives: 2, batch: 4, epochs: 2 },
      evaluate: { samples: 1 },
    });
    const model = await loadModel(DEFAULT_LM, precision);
    const store = memoryStore(config, dataset);
    await runPipeline({
      config,
      model,
      embedder: async () => embedder,
      store,
      emit: () => {},
      signal: new AbortController().signal,
      now: () => performance.now(),
    });
    const { stages, model: info } = await store.manifest();
    expect(Object.values(stages).every((state) => state === 'done')).toBe(true);
    expect(info?.precision).toBe(precision);
    const trained = (await store.checkpoint('dpo'))?.state.parameters ?? [];
    expect(trained.every((vector) => vector.every(Number.isFinite))).toBe(true);
    await model.dispose();
  }, 400_000);

  test('a merged export starts from the weights of the files, not from what is kept of them', async () => {
    const [full, few] = [await loadModel(DEFAULT_LM), await loadModel(DEFAULT_LM, precision)];
    const merged = async (model: typeof full) => {
      const options = { ...DEFAULT_OPTIONS, dtype: 'F32' as const };
      const files = await allFiles(exportMerged, exportRun(model, randomAdapter(model), { options }));
      return files.get('merged/model.safetensors')?.bytes ?? new Uint8Array();
    };
    const [expected, bytes] = [await merged(full), await merged(few)];
    expect(Buffer.from(bytes).equals(Buffer.from(expected))).toBe(true);
    expect(readSafetensors(bytes).find(({ name }) => name === EMBEDDING)?.shape).toEqual([1792, 128]);
    await full.dispose();
    await few.dispose();
  });
});
