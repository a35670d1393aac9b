import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { stageBytes } from '../../src/pipeline/room.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));
const config = parseConfig({
  data: { limit: 4, heldOut: 0 },
  sft: { epochs: 1, batch: 4 },
  sample: { n: 16, maxTokens: 32 },
});

test('what a stage writes at most', () => {
  const counts = { prompts: 1000, heldOut: 200, floats: 100_000 };
  expect(stageBytes('sft', config, counts)).toBe(2_400_000);
  expect(stageBytes('sample', config, counts)).toBe(1000 * 16 * 356);
  expect(stageBytes('evaluate', parseConfig({ ...config, evaluate: { samples: 8 } }), counts)).toBe(
    3 * 200 * 8 * 356,
  );
});

test('a stage that would not fit is not begun, and says what to do; with room it runs', async () => {
  const model = await loadLanguageModel(
    await openDevice({ backend: 'wasm' }),
    folder(`${PUBLIC}models/default-lm`),
  );
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  const store = memoryStore(config, await readDataset('word-helper', text));
  const run = (free: number) =>
    runPipeline(
      {
        config,
        model,
        embedder: () => Promise.reject(new Error('not needed here')),
        store,
        emit: () => {},
        signal: new AbortController().signal,
        now: () => performance.now(),
        room: async () => free,
      },
      'sft',
    );
  await expect(run(1000)).rejects.toThrow(
    /^Fine-tuning may store up to .* MB, but this browser leaves the page only 0 MB .*Delete runs/,
  );
  const { stages, error } = await store.manifest();
  expect(stages).toMatchObject({ data: 'done', sft: 'failed' });
  expect(error?.code).toBe('RoomError');
  expect(await store.checkpoint('sft')).toBeUndefined();
  await run(1e9);
  expect((await store.manifest()).stages.sft).toBe('done');
  await model.dispose();
}, 120_000);
