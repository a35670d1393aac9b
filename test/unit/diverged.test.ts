/** A real run that is driven to divergence: it stops before the update, keeps what was good, and goes on from it. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, TextEmbedder, TrainerState } from '../../src/engine/types.ts';
import { NonFiniteError } from '../../src/model/non-finite.ts';
import { parseConfig, type RunConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset, RunStore } from '../../src/pipeline/types.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

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

/** Weight decay times the rate is 10: every step multiplies the adapter by -9, until it overflows. */
const settings = (sft: object): RunConfig =>
  parseConfig({
    backend: 'wasm',
    data: { heldOut: 0, limit: 4 },
    lora: { rank: 2, alpha: 1000, targets: ['q_proj', 'down_proj'] },
    sft: { batch: 2, epochs: 15, schedule: 'constant', warmup: 0, ...sft },
  });

function run(store: RunStore, config: RunConfig): Promise<void> {
  const context = {
    config,
    model,
    embedder: async () => embedder,
    store,
    emit: () => {},
    signal: new AbortController().signal,
    now: () => performance.now(),
  };
  return runPipeline(context, 'sft');
}

const isFiniteState = ({ parameters, m, v }: TrainerState): boolean =>
  [parameters, m, v].every((vectors) => vectors.every((vector) => vector.every(Number.isFinite)));

test('SFT that diverges stops with the reasons and the last good state, and goes on from it with a lower rate', async () => {
  const wild = settings({ learningRate: 1, weightDecay: 10 });
  const store = memoryStore(wild, dataset);
  const failure = await run(store, wild).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(NonFiniteError);
  const { error, stages } = await store.manifest();
  expect(error).toMatchObject({ stage: 'sft', code: 'NonFiniteError', offer: 'lower-rate' });
  expect(stages.sft).toBe('failed');
  const [, failed, kept] = (
    /step (\d+): .*(?:is not a number|are no numbers).*The state after step (\d+)/.exec(
      error?.message ?? '',
    ) ?? []
  ).map(Number);
  expect(failed).toBeGreaterThan(2);
  expect(kept).toBe((failed ?? 0) - 2);
  expect(error?.reasons?.join('\n')).toMatch(/learning rate is too high \(sft.learningRate 1\).*e\.g\. 0\.1/);
  expect(error?.reasons?.join('\n')).toMatch(/loss had risen from/);

  // What is stored gives numbers; it is the state before the update that did the damage.
  const checkpoint = await store.checkpoint('sft');
  expect(checkpoint?.step).toBe(kept);
  if (!checkpoint) throw new Error('nothing is stored');
  expect(isFiniteState(checkpoint.state)).toBe(true);
  const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  const trainer = await model.createTrainer(wild.lora, optimiser, 0);
  await trainer.restore(checkpoint.state);
  const group = { promptIds: [5, 6, 7], responseIds: [[8, 9]] };
  expect((await trainer.logps([group])).flat().every((x) => x.every(Number.isFinite))).toBe(true);
  await trainer.dispose();

  const calm = settings({ learningRate: 1e-4, weightDecay: 0 });
  await store.saveManifest({ ...(await store.manifest()), config: calm });
  await run(store, calm);
  expect((await store.manifest()).stages.sft).toBe('done');
  const after = await store.checkpoint('sft');
  expect(after?.step).toBe(30);
  expect(after && isFiniteState(after.state)).toBe(true);
  const metrics = await store.metrics('sft');
  expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(metrics[(kept ?? 0) - 1]?.values.learningRate).toBe(1);
  expect(metrics[kept ?? 0]?.values.learningRate).toBe(1e-4);
}, 240_000);

test('an adapter that gives no numbers stops scoring, training and sampling, named by its layer', async () => {
  const { lora } = settings({});
  const trainer = await model.createTrainer(
    lora,
    { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    0,
  );
  const good = await trainer.state();
  const parameters = good.parameters.map((vector, layer) => (layer === 2 ? vector.fill(1e30) : vector));
  await trainer.restore({ ...good, parameters });
  const group = { promptIds: [5, 6, 7], responseIds: [[8, 9]] };
  const broken = { name: 'NonFiniteError', what: 'log-probabilities', place: 'layer 2' };
  await expect(trainer.logps([group])).rejects.toMatchObject(broken);
  const loss = () => ({ loss: 0, coefficients: [1], metrics: {} });
  await expect(trainer.step([group], loss, 1e-3)).rejects.toMatchObject(broken);
  expect(await trainer.undo()).toBe(false);
  expect(await trainer.state()).toEqual({ ...good, parameters });
  await trainer.dispose();

  const sampler = await model.createSampler(lora, parameters);
  const sampling = { temperature: 1, topP: 1, topK: 0, maxTokens: 4, stopIds: [] };
  await expect(
    sampler.sample([{ promptIds: [5, 6], n: 2, seed: 1 }], sampling, () => {}),
  ).rejects.toMatchObject({
    name: 'NonFiniteError',
  });
  await sampler.dispose();
}, 120_000);
