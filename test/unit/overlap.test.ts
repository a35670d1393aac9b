/** Comparing while sampling: the same records as comparing afterwards, wherever a run is interrupted. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { clearedManifest } from '../../src/app/state.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, TextEmbedder } from '../../src/engine/types.ts';
import { stream } from '../../src/model/random.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import { SLICE } from '../../src/pipeline/similarity.ts';
import type { Dataset, RunEvent, RunStore, Stage } from '../../src/pipeline/types.ts';
import { copyOfStore, type MemoryStore, memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

let model: LanguageModel;
let dataset: Dataset;
beforeAll(async () => {
  const lm = folder(`${PUBLIC}models/default-lm`);
  model = await loadLanguageModel(await openDevice({ backend: 'wasm' }), lm);
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  dataset = await readDataset('word-helper', text);
}, 120_000);
afterAll(() => model.dispose());

const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 0, limit: 2 * SLICE },
  sft: { epochs: 0 },
  // Several batches, so that prompts are finished one after the other.
  sample: { n: 4, maxTokens: 4 },
  filter: { percent: 100 },
  dpo: { negatives: 1 },
});

/** A vector that depends on the text alone, and how often it was asked for. */
function countingEmbedder(fingerprint = 'aaaa'): TextEmbedder & { calls: number; texts: number } {
  const embedder = {
    info: { name: 'counting', fingerprint },
    calls: 0,
    texts: 0,
    embed: async (texts: readonly string[]) => {
      embedder.calls++;
      embedder.texts += texts.length;
      return texts.map((text) => {
        const random = stream(1, fingerprint, text);
        const vector = Float32Array.from({ length: 8 }, () => random() - 0.5);
        return vector.map((x) => x / Math.hypot(...vector));
      });
    },
  };
  return embedder;
}

interface Change {
  readonly overlap?: boolean;
  readonly until?: Stage;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

const run = (
  store: RunStore,
  embedder: () => Promise<TextEmbedder>,
  {
    overlap = true,
    until = 'filter',
    signal = new AbortController().signal,
    onEvent = () => {},
  }: Change = {},
) =>
  runPipeline(
    { config, model, embedder, store, emit: onEvent, signal, overlap, now: () => performance.now() },
    until,
  );

const records = async (store: RunStore) => ({
  responses: await store.responses(),
  pairs: await store.pairs(),
});

/** Calls `afterWrite` after every write of responses that has reached the store. */
const watched = (store: MemoryStore, afterWrite: () => void): RunStore => ({
  ...store,
  saveResponses: async (list) => {
    await store.saveResponses(list);
    afterWrite();
  },
});

test('similarities and pairs are the same bytes with and without it, and after every interruption', async () => {
  const [plain, overlapped] = [memoryStore(config, dataset), memoryStore(config, dataset)];
  await run(plain, async () => countingEmbedder(), { overlap: false });
  const expected = await records(plain);
  expect(expected.pairs.length).toBeGreaterThan(0);

  // What is left behind where the process dies: some prompts sampled, some compared.
  const snapshots: MemoryStore[] = [];
  let writes = 0;
  let comparedWhileSampling = 0;
  await run(
    watched(overlapped, () => {
      if (writes++ % 30 === 29) snapshots.push(copyOfStore(overlapped, dataset));
    }),
    async () => countingEmbedder(),
    {
      onEvent: (event) => {
        if (event.type !== 'progress' || event.progress.stage !== 'sample') return;
        comparedWhileSampling = event.progress.figures.compared ?? 0;
      },
    },
  );
  expect(await records(overlapped)).toEqual(expected);
  expect(comparedWhileSampling).toBeGreaterThanOrEqual(SLICE);

  expect(snapshots.length).toBeGreaterThan(1);
  for (const store of snapshots) {
    await run(store, async () => countingEmbedder());
    expect(await records(store)).toEqual(expected);
  }
}, 120_000);

test('a run that is stopped writes nothing after it has ended', async () => {
  const store = memoryStore(config, dataset);
  const abort = new AbortController();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow: TextEmbedder = {
    ...countingEmbedder(),
    embed: async (texts) => {
      abort.abort(new Error('stopped'));
      await held;
      return countingEmbedder().embed(texts);
    },
  };
  await expect(run(store, async () => slow, { signal: abort.signal })).rejects.toThrow('stopped');
  const before = store.dump();
  release();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(store.dump()).toEqual(before);
  expect((await store.manifest()).stages).toMatchObject({ sample: 'waiting', filter: 'waiting' });
}, 60_000);

test('an embedder that fails spoils no sampling; the filter tells of it', async () => {
  const store = memoryStore(config, dataset);
  const broken = () => Promise.reject(new Error('no such embedder'));
  await expect(run(store, broken)).rejects.toThrow('no such embedder');
  const { stages, error } = await store.manifest();
  expect(stages).toMatchObject({ sample: 'done', filter: 'failed' });
  expect(error?.stage).toBe('filter');
  expect(await store.responses()).toHaveLength(2 * SLICE);
}, 60_000);

test('a filter that is redone embeds nothing again, unless the embedder is another one', async () => {
  const store = memoryStore(config, dataset);
  const embedder = countingEmbedder();
  await run(store, async () => embedder);
  const { calls } = embedder;
  const expected = await records(store);
  const redo = async () => store.clearFrom('filter', clearedManifest(await store.manifest(), 'filter'));
  await redo();
  await run(store, async () => embedder);
  expect(embedder.calls).toBe(calls);
  expect(await records(store)).toEqual(expected);

  await redo();
  const other = countingEmbedder('bbbb');
  await run(store, async () => other);
  expect(other.texts).toBeGreaterThan(2 * SLICE);
  expect((await store.manifest()).embedder).toEqual(other.info);
  expect((await records(store)).responses).not.toEqual(expected.responses);
}, 60_000);
