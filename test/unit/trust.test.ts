/** A run trusts a device after a self-check, once: what is kept of it, when it is made again, and what a failing one does. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { FileSource, LanguageModel, SelfCheck } from '../../src/engine/types.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { exportFiles } from '../../src/pipeline/export/run-files.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { RunEvent, RunStore, Stage } from '../../src/pipeline/types.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));
const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 0, limit: 2 },
  lora: { rank: 2, alpha: 4, targets: ['q_proj'] },
  sft: { batch: 2, epochs: 1 },
});

const models: LanguageModel[] = [];
async function load(source: FileSource): Promise<LanguageModel> {
  const model = await loadLanguageModel(await openDevice({ backend: 'wasm' }), source);
  models.push(model);
  return model;
}
afterEach(async () => {
  for (const model of models.splice(0)) await model.dispose();
});

const sound = folder(`${PUBLIC}models/default-lm`);

/** The default model with some weights changed, all still finite. */
async function changed(factor: number): Promise<FileSource> {
  const bytes = await sound.read('model.safetensors');
  const tensors = readSafetensors(bytes ?? new Uint8Array()).map((tensor) =>
    tensor.name.includes('layers.1.mlp') ? { ...tensor, data: tensor.data.map((x) => x * factor) } : tensor,
  );
  const weights = writeSafetensors(tensors, {});
  return wholeFiles('changed', async (path) => (path === 'model.safetensors' ? weights : sound.read(path)));
}

const dataset = async () =>
  readDataset('word-helper', await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8'));

async function run(
  model: LanguageModel,
  store: RunStore,
  until: Stage,
  passedCheck?: (key: string) => Promise<SelfCheck | undefined>,
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  await runPipeline(
    {
      config,
      model,
      embedder: () => Promise.reject(new Error('not needed')),
      store,
      emit: (event) => events.push(event),
      signal: new AbortController().signal,
      now: () => performance.now(),
      passedCheck,
    },
    until,
  );
  return events;
}

/** Parts of checks that were computed. */
const checked = (events: readonly RunEvent[]): number =>
  events.filter((event) => event.type === 'progress' && event.progress.unit === 'checks').length;

test('a passed check is in the manifest and run.json, and is not made again on the same device and model', async () => {
  const model = await load(sound);
  const store = memoryStore(config, await dataset());
  const events = await run(model, store, 'model');
  expect(checked(events)).toBeGreaterThan(0);
  const { selfCheck } = await store.manifest();
  expect(selfCheck).toMatchObject({ passed: true, key: model.checkKey });
  expect(events.filter((event) => event.type === 'self-check')).toEqual([
    { type: 'self-check', check: selfCheck },
  ]);
  const record = (await exportFiles(store, model, {})).find(({ path }) => path === 'run.json');
  expect(JSON.parse(new TextDecoder().decode(record?.bytes)).selfCheck).toEqual(selfCheck);

  expect(checked(await run(model, store, 'sft'))).toBe(0);
  // Another run is told of it.
  const second = memoryStore(config, await dataset());
  const known = await run(model, second, 'model', async (key) =>
    key === selfCheck?.key ? selfCheck : undefined,
  );
  expect(checked(known)).toBe(0);
  expect((await second.manifest()).selfCheck).toEqual(selfCheck);
  // One that was last worked on elsewhere, and has still to be trained, is checked here.
  const moved = memoryStore(config, await dataset());
  await run(model, moved, 'data');
  const manifest = await moved.manifest();
  if (!manifest.selfCheck) throw new Error('no check is stored');
  await moved.saveManifest({ ...manifest, selfCheck: { ...manifest.selfCheck, key: 'another device' } });
  expect(checked(await run(model, moved, 'sft'))).toBeGreaterThan(0);
  expect((await moved.manifest()).selfCheck?.key).toBe(model.checkKey);
}, 240_000);

test('weights that overflow are found before anything is trained, by the place where they do', async () => {
  const model = await load(await changed(1e30));
  const store = memoryStore(config, await dataset());
  await expect(run(model, store, 'sft')).rejects.toMatchObject({ name: 'SelfCheckError' });
  const { selfCheck, stages, error } = await store.manifest();
  expect(selfCheck).toMatchObject({ passed: false, advice: expect.stringContaining('load the model again') });
  expect(selfCheck?.problem).toMatch(/layer 1/);
  expect(error).toMatchObject({ stage: 'model', code: 'SelfCheckError' });
  expect(error?.message).toContain(selfCheck?.problem);
  expect(stages).toMatchObject({ model: 'failed', data: 'waiting', sft: 'waiting' });
  // A failed check is no known one.
  await expect(run(model, store, 'sft')).rejects.toMatchObject({ name: 'SelfCheckError' });
}, 240_000);
