/** A run that was interrupted ends with the same bits: which units are computed together never depends on the past. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, Sample, TextEmbedder } from '../../src/engine/types.ts';
import { HEAP_LIMIT } from '../../src/model/fit.ts';
import { seedOf, shuffle, stream } from '../../src/model/random.ts';
import { parseConfig, type RunConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { exportFiles } from '../../src/pipeline/export/run-files.ts';
import { type Limits, lengthsOf, memoryOf, roomOf } from '../../src/pipeline/fit.ts';
import { prepareData } from '../../src/pipeline/prepare.ts';
import { repeatable } from '../../src/pipeline/repeatable.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset, RunStore, Stage } from '../../src/pipeline/types.ts';
import { copyOfStore, type MemoryStore, memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

let model: LanguageModel;
let embedder: TextEmbedder;
let dataset: Dataset;
beforeAll(async () => {
  model = await loadLanguageModel(
    await openDevice({ backend: 'wasm' }),
    folder(`${PUBLIC}models/default-lm`),
  );
  embedder = await openEmbedder({ source: folder(`${PUBLIC}models/default-embedder`), pooling: 'mean' });
  dataset = await readDataset(
    'word-helper',
    await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8'),
  );
}, 120_000);
afterAll(() => model.dispose());

test('at scale, samples and their log-probabilities are the same bits whatever was finished before', async () => {
  const rows = prepareData(dataset, model.tokenizer, model.info.contextLength, parseConfig({})).train.slice(
    0,
    200,
  );
  const lengths = new Set(rows.map((row) => row.promptIds.length));
  expect(lengths.size).toBeGreaterThan(10);
  // Five answers a prompt: batches are not whole, and the last one is padded.
  const requests = rows.map(({ promptIds }, i) => ({ promptIds, n: 5, seed: seedOf(1, 'sample', i) }));
  const settings = { temperature: 1, topP: 1, topK: 0, maxTokens: 24, stopIds: model.tokenizer.stopIds };
  const sampler = await model.createSampler(parseConfig({}).lora, null);
  const sample = async (finished: ReadonlySet<number>) => {
    const results = new Map<number, Sample[]>();
    await sampler.sample(requests, settings, (index, samples) => void results.set(index, samples), {
      finished,
    });
    return results;
  };
  const whole = await sample(new Set());
  expect(whole.size).toBe(200);
  for (const [seed, share] of [0.5, 0.97].entries()) {
    const order = shuffle(
      rows.map((_, i) => i),
      stream(seed, 'finished'),
    );
    const finished = new Set(order.slice(0, Math.floor(share * rows.length)));
    const rest = await sample(finished);
    expect([...rest.keys()].sort((a, b) => a - b)).toEqual(
      rows.map((_, i) => i).filter((i) => !finished.has(i)),
    );
    for (const [index, samples] of rest) expect(samples).toEqual(whole.get(index));
  }
  await sampler.dispose();
}, 240_000);

const tiny = parseConfig({
  backend: 'wasm',
  data: { heldOut: 4, limit: 9 },
  sft: { batch: 3, epochs: 1 },
  sample: { n: 4, maxTokens: 16 },
  filter: { percent: 100 },
  dpo: { negatives: 2, batch: 3, epochs: 1, learningRate: 1e-3 },
  evaluate: { samples: 2 },
});

function run(
  store: RunStore,
  change: {
    config?: RunConfig;
    embedder?: TextEmbedder;
    model?: LanguageModel;
    limits?: Limits;
    until?: Stage;
  } = {},
) {
  return runPipeline(
    {
      config: change.config ?? tiny,
      model: change.model ?? model,
      embedder: async () => change.embedder ?? embedder,
      store,
      emit: () => {},
      limits: change.limits,
      signal: new AbortController().signal,
      now: () => performance.now(),
    },
    change.until,
  );
}

/** The files of a run that must not depend on interruptions, and its report without timings. */
async function results(store: RunStore): Promise<Record<string, string>> {
  const files = await exportFiles(store, model, {});
  const entries = files
    .filter(({ path }) => !['run.json', 'report.json'].includes(path))
    .map(({ path, bytes }) => [path, Buffer.from(bytes).toString('base64')] as const);
  const { report } = await store.manifest();
  return { ...Object.fromEntries(entries), report: report ? JSON.stringify(repeatable(report)) : 'none' };
}

/** Calls `afterWrite` after every write that has reached the store. */
function watched(store: MemoryStore, afterWrite: (what: string) => void): RunStore {
  return new Proxy<RunStore>(store, {
    get: (target, name: keyof RunStore) => {
      const method = target[name];
      if (!/^(save|clear)/.test(name)) return method;
      return async (...parameters: unknown[]) => {
        await Reflect.apply(method, target, parameters);
        afterWrite(name);
      };
    },
  });
}

describe('a run that ends after any one of its writes', () => {
  test('goes on to the same bits', async () => {
    const snapshots: { what: string; store: MemoryStore }[] = [];
    const whole = memoryStore(tiny, dataset);
    await run(watched(whole, (what) => snapshots.push({ what, store: copyOfStore(whole, dataset) })));
    const expected = await results(whole);
    expect(expected.report).toContain('selfContrast');
    const kinds = new Set(snapshots.map(({ what }) => what));
    for (const kind of [
      'savePrepared',
      'saveCheckpoint',
      'saveResponses',
      'savePairs',
      'saveReferences',
      'saveEvaluation',
      'saveAnswers',
    ])
      expect(kinds).toContain(kind);
    // All of them take minutes: LONG=1.
    const every = process.env.LONG ? 1 : 7;
    for (const [i, { what, store }] of snapshots.entries()) {
      if (i % every !== every - 1) continue;
      await run(store);
      expect(await results(store), `after write ${i}, ${what}`).toEqual(expected);
    }
  }, 600_000);
});

const LIMITS: Limits = {
  backend: 'wasm',
  float16: true,
  heap: HEAP_LIMIT,
  maxBuffer: null,
  storageLeft: null,
  deviceMemory: null,
};

describe('memory that is chosen', () => {
  test('stays what it was when less is there in a later sitting', async () => {
    const [whole, cut] = [memoryStore(tiny, dataset), memoryStore(tiny, dataset)];
    await run(whole, { limits: LIMITS });
    await run(cut, { limits: LIMITS, until: 'sft' });
    const { memory } = await cut.manifest();
    const less = { ...LIMITS, deviceMemory: 2 ** 28 };
    const data = await cut.prepared();
    if (!data) throw new Error('no data');
    const anew = memoryOf(model.config, tiny, lengthsOf(data), 'f32', 'wasm', roomOf(less));
    expect(anew).not.toEqual(memory);
    await run(cut, { limits: less });
    expect((await cut.manifest()).memory).toEqual(memory);
    expect(await results(cut)).toEqual(await results(whole));
    const file = (await exportFiles(cut, model, {})).find(({ path }) => path === 'run.json');
    expect(JSON.parse(new TextDecoder().decode(file?.bytes)).memory).toEqual(memory);
  }, 240_000);

  test('is chosen anew on another kind of device', async () => {
    const store = memoryStore(tiny, dataset);
    const memory = { rows: 300, segment: 1, keep: false, sampleRows: 4 };
    const device = { ...model.device, backend: 'webgpu' as const };
    await store.saveManifest({ ...(await store.manifest()), memory, device });
    await run(store, { until: 'sft' });
    expect((await store.manifest()).memory).toMatchObject({ rows: 2048, sampleRows: 128 });
  }, 120_000);

  test('is not there for data that are too long: refused once they are read', async () => {
    const store = memoryStore(tiny, dataset);
    await expect(run(store, { limits: { ...LIMITS, heap: 20e6 } })).rejects.toThrow(
      /does not fit this device. WebAssembly's memory ends at 20 MB/,
    );
    const { stages, error, memory } = await store.manifest();
    expect(stages).toMatchObject({ model: 'done', data: 'failed', sft: 'waiting' });
    expect(error?.code).toBe('FitError');
    expect(memory).toBeUndefined();
  }, 120_000);
});

describe('a run that goes on with other files under the same names', () => {
  test('is refused with another model, before anything is written', async () => {
    const store = memoryStore(tiny, dataset);
    await store.saveManifest({ ...(await store.manifest()), model: { ...model.info, fingerprint: 'f00d' } });
    const before = store.dump();
    await expect(run(store)).rejects.toThrow(/began with the model default-lm .*f00d.*another one/);
    expect(store.dump()).toEqual(before);
  });

  test('is refused in another precision once something is computed', async () => {
    const store = memoryStore(tiny, dataset);
    const begun = { ...(await store.manifest()), model: { ...model.info, precision: 'f16' as const } };
    await store.saveManifest({ ...begun, seconds: { sft: 1 } });
    const before = store.dump();
    await expect(run(store)).rejects.toThrow(/default-lm kept as f16, .* keep them as f32/);
    expect(store.dump()).toEqual(before);
  });

  test('is refused with another embedder, and its similarities stay', async () => {
    const store = memoryStore(tiny, dataset);
    const first = { ...embedder, info: { name: 'mine', fingerprint: 'aaaa' } };
    const stopped = new Error('stopped here');
    const stopping = watched(store, (what) => {
      if (what === 'savePairs') throw stopped;
    });
    await expect(run(stopping, { embedder: first })).rejects.toThrow('stopped here');
    const { embedder: named, error } = await store.manifest();
    expect(named).toEqual(first.info);
    expect(error).toMatchObject({ stage: 'filter', message: 'stopped here' });
    const scored = await store.responses();
    expect(scored.every(({ responses }) => responses.every((r) => r.similarity !== undefined))).toBe(true);

    const other = { ...embedder, info: { name: 'mine', fingerprint: 'bbbb' } };
    await expect(run(store, { embedder: other })).rejects.toThrow(
      /embedder mine .*aaaa.*another one.*bbbb.*redo the run from the filter/,
    );
    expect(await store.responses()).toEqual(scored);
    await run(store, { embedder: first });
    expect((await store.manifest()).stages.evaluate).toBe('done');
  }, 120_000);

  test('redone from the filter, nothing of the first embedder is left', async () => {
    const store = memoryStore(tiny, dataset);
    await run(store, { embedder: { ...embedder, info: { name: 'mine', fingerprint: 'aaaa' } } });
    const { embedder: _first, ...rest } = await store.manifest();
    await store.clearFrom('filter', {
      ...rest,
      stages: { ...rest.stages, filter: 'waiting', dpo: 'waiting', evaluate: 'waiting' },
    });
    // Everything points the same way: every similarity is 1.
    const flat: TextEmbedder = {
      info: { name: 'flat', fingerprint: 'cccc' },
      embed: async (texts) => texts.map(() => Float32Array.of(1, 0)),
    };
    await run(store, { embedder: flat });
    const all = (await store.responses()).flatMap(({ responses }) => responses.map((r) => r.similarity));
    expect(new Set(all)).toEqual(new Set([1]));
    expect((await store.manifest()).embedder).toEqual(flat.info);
  }, 120_000);
});
