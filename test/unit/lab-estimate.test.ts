import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, TextEmbedder } from '../../src/engine/types.ts';
import { labLengths } from '../../src/lab/amounts.ts';
import { Clock, guessedSpeeds } from '../../src/lab/clock.ts';
import { estimateLab } from '../../src/lab/estimate.ts';
import { planOf } from '../../src/lab/plans.ts';
import { type LabContext, runLab } from '../../src/lab/run.ts';
import { bytesOf } from '../../src/lab/sizes.ts';
import type { LabManifest } from '../../src/lab/types.ts';
import { planWork } from '../../src/lab/work.ts';
import { HEAP_LIMIT } from '../../src/model/fit.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { labContext, labManifest, memoryLab } from '../fixtures/memory-lab.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 4, limit: 8 },
  lora: { targets: ['q_proj'] },
  sample: { n: 6, maxTokens: 24 },
  dpo: { negatives: 2 },
  evaluate: { samples: 4 },
});

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

const { arms, info } = planOf('negatives', config, { hasRejected: false, imported: 0 });
const manifest: LabManifest = labManifest(config, {
  plans: [info],
  arms: arms.filter(({ id }) => ['sft', 'k2'].includes(id)),
});

const limits = {
  ...({ backend: 'wasm', float16: true, heap: HEAP_LIMIT } as const),
  ...{ maxBuffer: null, storageLeft: null, deviceMemory: null },
};

const estimate = (measure: boolean, change: Partial<LabContext> = {}, of = manifest) =>
  estimateLab(labContext(memoryLab(of, dataset), dataset, model, embedder, change), { measure });

test('before a lab starts: every piece with its time, and the whole with tokens, storage and memory', async () => {
  const found = await estimate(false, { room: async () => 1e9 });
  const labels = planWork(manifest, dataset.fingerprint).works.map(({ label }) => label);
  expect(found.pieces.map(({ label }) => label)).toEqual(labels);
  expect(found.measured).toBe(false);
  expect(found.seconds).toBeCloseTo(found.pieces.reduce((sum, { seconds }) => sum + seconds, 0));
  expect(found.tokens).toBeGreaterThan(8 * 6);
  expect(found.memoryBytes).toBeGreaterThan(1e6);
  expect(found.bytesFree).toBe(1e9);
  expect(found.problem).toBeUndefined();
  // Three seeds cost three times as much, but for the data and the diagnosis.
  const three = await estimate(false, {}, { ...manifest, seeds: [1, 2, 3] });
  expect(three.tokens / found.tokens).toBeGreaterThan(2);
  expect(three.tokens / found.tokens).toBeLessThan(3);
});

test('a lab larger than storage or memory says so, with what to do', async () => {
  const full = await estimate(false, { room: async () => 1000 });
  expect(full.problem).toContain('The lab would store about');
  expect(full.problem).toContain('sample fewer answers (sample.n)');
  const small = await estimate(true, {
    open: async () => ({
      ...{ model, embedder: async () => embedder },
      limits: { ...limits, heap: 1e6 },
    }),
  });
  expect(small.problem).toContain('The lab does not fit this device');
  expect(small.problem).toContain("WebAssembly's memory ends at 1 MB");
  // What does not fit is not tried out.
  expect(small.measured).toBe(false);
});

test('records take about as many bytes as the estimate says, and tokens are about as many', async () => {
  const lab = memoryLab(manifest, dataset);
  await runLab(labContext(lab, dataset, model, embedder));
  const plan = planWork(manifest, dataset.fingerprint);
  const prepared = await lab.piece(plan.works[0]?.key ?? '').prepared();
  if (!prepared) throw new Error('no data');
  const lengths = labLengths(prepared, manifest, 'working');
  for (const work of plan.works) {
    const store = lab.piece(work.key);
    const checkpoints = [await store.checkpoint('sft'), await store.checkpoint('dpo')];
    const metrics = [...(await store.metrics('sft')), ...(await store.metrics('dpo'))];
    const records = {
      answers: await store.responses(),
      evaluation: await store.evaluation(),
      policy: [checkpoints, metrics, await store.pairs(), await store.references()],
      data: undefined,
      reward: undefined,
      diagnosis: undefined,
    }[work.kind];
    if (records === undefined) continue;
    const ratio = bytesOf(work, plan, lengths, model.config) / serialize(records).length;
    expect(ratio, `${work.label} ${ratio}`).toBeGreaterThan(0.5);
    expect(ratio, `${work.label} ${ratio}`).toBeLessThan(2.5);
  }
  // Done: nothing is left to cost anything.
  const after = await estimateLab(labContext(lab, dataset, model, embedder), { measure: false });
  expect(after).toMatchObject({ pieces: [], seconds: 0, tokens: 0, bytes: 0 });
}, 240_000);

test('measured speeds are of this device, and done pieces correct what is left', async () => {
  const found = await estimate(true);
  expect(found.measured).toBe(true);
  expect(found.seconds).toBeGreaterThan(0);
  const plan = planWork(manifest, dataset.fingerprint);
  const lengths = {
    ...{ prompts: 16, promptTokens: 200, targetTokens: 160 },
    ...{ heldOut: 8, heldOutTokens: 180 },
  };
  const clock = new Clock(plan, lengths, guessedSpeeds(1e6));
  const before = clock.seconds({});
  const [data, sft] = plan.works;
  if (!data || !sft) throw new Error('no pieces');
  // SFT took ten times as long as thought: so will everything that has not shown otherwise.
  const seconds = 10 * (before.get(sft.key) ?? 0);
  const done = { ...({ seed: 1, state: 'done', figures: {} } as const), seconds };
  const { key, kind, label } = sft;
  const after = clock.seconds({ [key]: { ...done, key, kind, label } });
  expect(after.get(key)).toBe(seconds);
  for (const work of plan.works.slice(2))
    expect(after.get(work.key)).toBeCloseTo(10 * (before.get(work.key) ?? 0));
}, 240_000);
