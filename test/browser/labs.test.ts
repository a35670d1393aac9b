/** Labs in the browser's own IndexedDB: pieces beside runs, and what keeps data sets alive. */
import { openDB } from 'idb';
import { afterEach, expect, test } from 'vitest';
import type { Verdict } from '../../src/lab/types.ts';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { openStorage, type Storage, waitingStages } from '../../src/storage/index.ts';
import { openVersionThree } from '../fixtures/old-versions.ts';

const opened: Storage[] = [];
let count = 0;
const freshName = () => `self-contrast-labs-test-${Date.now()}-${count++}`;

async function open(name = freshName()): Promise<Storage> {
  const storage = await openStorage(name);
  opened.push(storage);
  return storage;
}

afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
});

const config = defaultConfig();
const own = await makeDataset('own', [{ prompt: 'p', target: 't' }]);
const others = await makeDataset('others', [{ prompt: 'p', rejected: ['x'] }]);
const [ONE, TWO] = ['1'.repeat(64), '2'.repeat(64)];

async function newLab(
  storage: Storage,
  { imported = others, ...more }: { imported?: Dataset; name?: string } = {},
) {
  const { id: datasetId } = await storage.data.save(own);
  const { id: importedId } = await storage.data.save(imported);
  return storage.labs.create({
    name: 'a lab',
    config,
    datasetId,
    importedId,
    plans: [],
    arms: [{ id: 'sft', name: 'SFT', policy: { kind: 'sft' } }],
    seeds: [1, 2],
    finalShare: 0.25,
    ...more,
  });
}

/** Writes something of every kind into one piece. */
async function fill(storage: Storage, lab: string, key: string): Promise<void> {
  const store = storage.labs.lab(lab);
  const piece = store.piece(key);
  await piece.savePrepared({ train: [], heldOut: [], refused: [{ line: 1, reason: 'x' }] });
  await piece.saveResponses([7, 3].map((index) => ({ index, responses: [] })));
  await piece.saveReferences([{ index: 0, logp: -1 }]);
  await piece.savePairs([{ index: 0, response: 0 }]);
  const state = { step: 1, parameters: [Float32Array.of(1)], m: [], v: [] };
  await piece.saveCheckpoint({ stage: 'sft', step: 1, totalSteps: 1, state }, [
    { stage: 'sft', step: 1, values: { loss: 1 } },
  ]);
  await piece.saveEvaluation([{ arm: 'sft', index: 2, answers: [] }]);
  await piece.saveAnswers([]);
  await store.saveRewards(key, [
    { index: 10, scores: [1, 2] },
    { index: 9, scores: [3, 4], target: 5 },
  ]);
  await store.saveDiagnosis(key, {});
}

async function contents(storage: Storage, lab: string, key: string) {
  const store = storage.labs.lab(lab);
  const piece = store.piece(key);
  return {
    prepared: (await piece.prepared())?.refused.length,
    responses: await piece.sampled(),
    references: (await piece.references()).length,
    pairs: (await piece.pairs()).length,
    sft: [(await piece.checkpoint('sft'))?.step, (await piece.metrics('sft')).length],
    evaluation: (await piece.evaluation()).map(({ index }) => index),
    rewards: (await store.rewards(key)).map(({ index }) => index),
    diagnosis: await store.diagnosis(key),
  };
}

const FULL = {
  prepared: 1,
  responses: [3, 7],
  references: 1,
  pairs: 1,
  sft: [1, 1],
  evaluation: [2],
  rewards: [9, 10],
  diagnosis: {},
};
const EMPTY = {
  prepared: undefined,
  responses: [],
  references: 0,
  pairs: 0,
  sft: [undefined, 0],
  evaluation: [],
  rewards: [],
  diagnosis: undefined,
};

/** How many records each store holds, seen from outside. */
async function records(name: string): Promise<Record<string, number>> {
  const db = await openDB(name);
  const counts: Record<string, number> = {};
  for (const store of db.objectStoreNames) {
    const n = await db.count(store);
    if (n > 0) counts[store] = n;
  }
  db.close();
  return counts;
}

test('a lab is there after reopening, with its pieces apart from one another and from runs', async () => {
  const name = freshName();
  const storage = await open(name);
  const lab = await newLab(storage);
  await fill(storage, lab.id, ONE);
  await storage.labs.lab(lab.id).saveManifest({ ...lab, looks: [5] });
  storage.close();
  const again = await open(name);
  expect(await again.labs.list()).toEqual([{ ...lab, looks: [5], changed: expect.any(Number) }]);
  expect(await contents(again, lab.id, ONE)).toEqual(FULL);
  expect(await contents(again, lab.id, TWO)).toEqual(EMPTY);
  expect(await again.listRuns()).toEqual([]);
  const piece = again.labs.lab(lab.id).piece(ONE);
  expect(await piece.dataset()).toEqual({ ...own, id: lab.datasetId });
  await expect(piece.manifest()).rejects.toThrow('has no manifest of its own');
});

test('a lab whose data are not stored is refused', async () => {
  const storage = await open();
  const { id: datasetId } = await storage.data.save(own);
  const lab = { name: 'l', config, datasetId, plans: [], arms: [], seeds: [1], finalShare: 0 };
  await expect(storage.labs.create({ ...lab, importedId: 'gone' })).rejects.toMatchObject({
    code: 'missing',
  });
  expect(await storage.labs.list()).toEqual([]);
});

test('clearing a piece leaves the others', async () => {
  const storage = await open();
  const { id } = await newLab(storage);
  await fill(storage, id, ONE);
  await fill(storage, id, TWO);
  await storage.labs.lab(id).clearPiece(ONE);
  expect(await contents(storage, id, ONE)).toEqual(EMPTY);
  expect(await contents(storage, id, TWO)).toEqual(FULL);
});

test('a verdict replaces the same judge’s on the same comparison, and no other', async () => {
  const storage = await open();
  const [one, two] = [await newLab(storage), await newLab(storage, { name: 'another' })];
  const store = storage.labs.lab(one.id);
  const verdict = (id: string, choice: Verdict['choice'], judge = 'you'): Verdict => ({
    id,
    choice,
    judge,
    at: 1,
  });
  await store.saveVerdicts([verdict('x', 'a'), verdict('y', 'b'), verdict('x', 'tie', 'file.jsonl')]);
  await store.saveVerdicts([verdict('x', 'b')]);
  await storage.labs.lab(two.id).saveVerdicts([verdict('x', 'a')]);
  expect(await store.verdicts()).toEqual([
    verdict('x', 'tie', 'file.jsonl'),
    verdict('x', 'b'),
    verdict('y', 'b'),
  ]);
  await store.deleteVerdicts([{ id: 'x', judge: 'you' }]);
  expect(await store.verdicts()).toEqual([verdict('x', 'tie', 'file.jsonl'), verdict('y', 'b')]);
  expect(await storage.labs.lab(two.id).verdicts()).toHaveLength(1);
});

test('deleting a lab takes all of it, and the data sets that no run and no lab needs', async () => {
  const name = freshName();
  const storage = await open(name);
  const more = await makeDataset('more', [{ prompt: 'q', rejected: ['y'] }]);
  const [one, two] = [await newLab(storage), await newLab(storage, { imported: more })];
  const run = await storage.createRun({ name: 'r', config, datasetId: one.datasetId });
  for (const { id } of [one, two]) {
    await fill(storage, id, ONE);
    await fill(storage, id, TWO);
    await storage.labs.lab(id).saveVerdicts([{ id: 'x', choice: 'a', judge: 'you', at: 1 }]);
  }
  const there = async () => {
    const db = await openDB(name);
    const all: { name: string }[] = await db.getAll('datasets');
    db.close();
    return all.map((each) => each.name).sort();
  };
  await storage.labs.remove(one.id);
  expect(await contents(storage, one.id, ONE)).toEqual(EMPTY);
  expect(await contents(storage, one.id, TWO)).toEqual(EMPTY);
  expect(await contents(storage, two.id, ONE)).toEqual(FULL);
  expect(await there()).toEqual(['more', 'own']);
  // The other lab needs the data that the run leaves.
  await storage.deleteRun(run.id);
  expect(await there()).toEqual(['more', 'own']);
  await storage.labs.remove(two.id);
  expect(await records(name)).toEqual({});
});

test('sweeping leaves what labs use, and the rows refused in their pieces', async () => {
  const name = freshName();
  const storage = await open(name);
  const lab = await newLab(storage);
  await fill(storage, lab.id, ONE);
  const unused = await makeDataset('unused', [{ prompt: 'u', target: 't' }]);
  await storage.data.save(unused);
  const later = Date.now() + 2 * 60 * 60 * 1000;
  await storage.data.sweep(later);
  expect(await contents(storage, lab.id, ONE)).toEqual(FULL);
  expect(await records(name)).toMatchObject({ datasets: 2, refused: 1 });
  // A run that gets other data leaves its old ones to the lab.
  const run = await storage.createRun({ name: 'r', config, datasetId: lab.datasetId });
  const { id: next } = await storage.data.save(unused);
  await storage.changeDataset(run.id, next);
  expect((await storage.data.info(lab.datasetId)).name).toBe('own');
  await storage.labs.remove(lab.id);
  await storage.data.sweep(later);
  expect(await records(name)).toEqual({ datasets: 1, rows: 1, runs: 1 });
});

test('a database of version 3 keeps its runs, and can hold labs', async () => {
  const name = freshName();
  const old = await openVersionThree(name);
  const run = {
    id: 'r',
    name: 'old',
    created: 5,
    config,
    datasetId: 'd',
    stages: waitingStages(),
    seconds: {},
  };
  await old.put('runs', run, 'r');
  await old.put('responses', { index: 0, responses: [] }, ['r', 0]);
  old.close();
  const storage = await open(name);
  expect(await storage.listRuns()).toEqual([run]);
  expect(await storage.run('r').sampled()).toEqual([0]);
  expect(await storage.labs.list()).toEqual([]);
  const lab = await newLab(storage);
  await fill(storage, lab.id, ONE);
  expect(await contents(storage, lab.id, ONE)).toEqual(FULL);
});
