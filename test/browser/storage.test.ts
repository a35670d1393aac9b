/** Runs, data sets and model folders in the browser's own IndexedDB. */
import { openDB } from 'idb';
import { afterEach, describe, expect, test } from 'vitest';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import type { Checkpoint, Dataset, PromptResponses } from '../../src/pipeline/types.ts';
import { openStorage, type Storage } from '../../src/storage/index.ts';

const opened: Storage[] = [];
let count = 0;

/** A database of its own for each test. */
async function fresh(
  name = `self-contrast-test-${Date.now()}-${count++}`,
): Promise<{ storage: Storage; name: string }> {
  const storage = await openStorage(name);
  opened.push(storage);
  return { storage, name };
}

afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
});

const dataset = await makeDataset('d', [{ prompt: 'p', target: 't', grader: { kind: 'number', value: 1 } }]);
const another = await makeDataset('e', [{ prompt: 'q', target: 't' }]);
const config = defaultConfig();

const checkpoint = (stage: 'sft' | 'dpo', step: number): Checkpoint => ({
  stage,
  step,
  totalSteps: 9,
  state: { step, parameters: [Float32Array.of(step)], m: [Float32Array.of(1)], v: [Float32Array.of(2)] },
});
const responses = (index: number): PromptResponses => ({
  index,
  responses: [{ text: `r${index}`, tokenIds: [1, 2], logp: -1.5, stopped: true }],
});
const metric = (stage: 'sft' | 'dpo', step: number) => ({ stage, step, values: { loss: step } });

/** A run on a stored data set; the same one is stored once. */
async function newRun(storage: Storage, name: string, data: Dataset = dataset) {
  const { id: datasetId } = await storage.data.save(data);
  return storage.createRun({ name, config, datasetId });
}

/** Writes something of every kind. */
async function fill(storage: Storage, id: string): Promise<void> {
  const run = storage.run(id);
  await run.savePrepared({ train: [], heldOut: [], refused: [{ line: 1, reason: 'x' }] });
  await run.saveResponses([10, 2, 0].map(responses));
  await run.saveReferences([{ index: 0, logp: -1 }]);
  await run.savePairs([{ index: 0, response: 0 }]);
  await run.saveCheckpoint(checkpoint('sft', 2), [metric('sft', 1), metric('sft', 2)]);
  await run.saveCheckpoint(checkpoint('dpo', 1), [metric('dpo', 1)]);
  await run.saveEvaluation([
    { arm: 'base', index: 1, answers: [{ text: 'a', tokens: 1 }] },
    { arm: 'sft', index: 0, answers: [], targetLogps: [-1] },
  ]);
  const answer = { text: 'a', similarity: 1 };
  await run.saveAnswers([
    { prompt: 'p', target: 't', answers: { base: answer, sft: answer, selfContrast: answer } },
  ]);
}

async function contents(storage: Storage, id: string) {
  const run = storage.run(id);
  return {
    prepared: (await run.prepared()) !== undefined,
    responses: (await run.responses()).map((r) => r.index),
    references: (await run.references()).length,
    pairs: (await run.pairs()).length,
    sft: [(await run.checkpoint('sft'))?.step, (await run.metrics('sft')).map((m) => m.step)],
    dpo: [(await run.checkpoint('dpo'))?.step, (await run.metrics('dpo')).map((m) => m.step)],
    evaluation: (await run.evaluation()).map(({ arm, index }) => [arm, index]),
    answers: (await run.answers()).length,
  };
}

const FULL = {
  prepared: true,
  responses: [0, 2, 10],
  references: 1,
  pairs: 1,
  sft: [2, [1, 2]],
  dpo: [1, [1]],
  evaluation: [
    ['base', 1],
    ['sft', 0],
  ],
  answers: 1,
};

const EMPTY = {
  prepared: false,
  responses: [],
  references: 0,
  pairs: 0,
  sft: [undefined, []],
  dpo: [undefined, []],
  evaluation: [],
  answers: 0,
};

test('what is stored is there after reopening, in the order of the prompts', async () => {
  const { storage, name } = await fresh();
  const { id } = await newRun(storage, 'one');
  expect(await contents(storage, id)).toEqual(EMPTY);
  await fill(storage, id);
  storage.close();
  const again = (await fresh(name)).storage;
  expect(await contents(again, id)).toEqual(FULL);
  expect(await again.run(id).checkpoint('sft')).toEqual(checkpoint('sft', 2));
  const { datasetId } = await again.run(id).manifest();
  expect(await again.run(id).dataset()).toEqual({ ...dataset, id: datasetId });
  expect(await again.run(id).manifest()).toMatchObject({ id, name: 'one', config });
});

test('a record is replaced, not doubled', async () => {
  const { storage } = await fresh();
  const { id } = await newRun(storage, 'one');
  await fill(storage, id);
  await storage.run(id).saveCheckpoint(checkpoint('sft', 3), [metric('sft', 2), metric('sft', 3)]);
  await storage.run(id).saveResponses([{ ...responses(2), responses: [] }]);
  expect(await contents(storage, id)).toEqual({ ...FULL, sft: [3, [1, 2, 3]] });
  expect((await storage.run(id).responses())[1]?.responses).toEqual([]);
});

test('responses are read by range, without those of other runs', async () => {
  const { storage } = await fresh();
  const [one, two] = [await newRun(storage, 'one'), await newRun(storage, 'two')];
  for (const { id } of [one, two]) await fill(storage, id);
  const run = storage.run(one.id);
  const read = async (from?: number, to?: number) => (await run.responses(from, to)).map((r) => r.index);
  expect(await read()).toEqual([0, 2, 10]);
  expect(await read(1)).toEqual([2, 10]);
  expect(await read(0, 2)).toEqual([0]);
  expect(await read(2, 11)).toEqual([2, 10]);
  expect(await run.sampled()).toEqual([0, 2, 10]);
});

describe('clearFrom', () => {
  test.each([
    ['evaluate', { ...FULL, evaluation: [], answers: 0 }],
    ['dpo', { ...FULL, evaluation: [], answers: 0, dpo: EMPTY.dpo }],
    ['filter', { ...FULL, evaluation: [], answers: 0, dpo: EMPTY.dpo, pairs: 0 }],
    ['sample', { ...EMPTY, prepared: true, sft: FULL.sft, references: 1 }],
    ['sft', { ...EMPTY, prepared: true }],
    ['data', EMPTY],
  ] as const)('%s leaves what comes before it, and other runs', async (stage, left) => {
    const { storage } = await fresh();
    const [one, two] = [await newRun(storage, 'one'), await newRun(storage, 'two')];
    await fill(storage, one.id);
    await fill(storage, two.id);
    const next = { ...one, name: 'cleared' };
    await storage.run(one.id).clearFrom(stage, next);
    // In the same transaction: no manifest may call done what is gone.
    expect(await storage.run(one.id).manifest()).toEqual(next);
    expect(await contents(storage, one.id)).toEqual(left);
    expect(await contents(storage, two.id)).toEqual(FULL);
  });
});

test('deleting a run takes all it owns, and its data set only where no other run has it', async () => {
  const { storage } = await fresh();
  const make = (name: string, data = dataset) => newRun(storage, name, data);
  const [one, two, three] = [await make('one'), await make('two'), await make('three', another)];
  for (const { id } of [one, two, three]) await fill(storage, id);
  await storage.deleteRun(one.id);
  expect(await contents(storage, one.id)).toEqual(EMPTY);
  await expect(storage.run(one.id).manifest()).rejects.toMatchObject({
    name: 'StorageError',
    code: 'missing',
  });
  expect(await storage.run(two.id).dataset()).toEqual({ ...dataset, id: two.datasetId });
  expect(await contents(storage, three.id)).toEqual(FULL);
  expect((await storage.listRuns()).map((run) => run.name).sort()).toEqual(['three', 'two']);
  await storage.deleteRun(two.id);
  await storage.deleteRun(three.id);
  expect(await storage.listRuns()).toEqual([]);
});

test('a model folder is read back by path; one of the same name replaces it whole', async () => {
  const { storage } = await fresh();
  const file = (path: string, ...bytes: number[]) => ({ path, data: new Blob([Uint8Array.from(bytes)]) });
  await storage.saveModelFolder('mine', [file('config.json', 1), file('onnx/model.onnx', 2, 3)]);
  await storage.saveModelFolder('mine-2', [file('config.json', 4)]);
  expect(await storage.modelFolder('mine').read('onnx/model.onnx')).toEqual(Uint8Array.of(2, 3));
  await storage.saveModelFolder('mine', [file('config.json', 9)]);
  expect(await storage.modelFolder('mine').read('config.json')).toEqual(Uint8Array.of(9));
  expect(await storage.modelFolder('mine').read('onnx/model.onnx')).toBeNull();
  expect(await storage.listModelFolders()).toEqual([
    expect.objectContaining({ name: 'mine', kind: 'model', files: 1, bytes: 1 }),
    expect.objectContaining({ name: 'mine-2', kind: 'model', files: 1, bytes: 1 }),
  ]);
  await storage.deleteModelFolder('mine');
  expect((await storage.listModelFolders()).map(({ name }) => name)).toEqual(['mine-2']);
});

test('a database of a newer version of the page is not touched', async () => {
  const name = `self-contrast-test-newer-${Date.now()}`;
  const newer = await openDB(name, 99);
  newer.close();
  await expect(openStorage(name)).rejects.toMatchObject({ name: 'StorageError' });
});
