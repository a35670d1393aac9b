/** RunStore over IndexedDB: every save is one transaction. */
import type { IDBPDatabase } from 'idb';
import { type RunManifest, type RunStore, STAGES, type Stage } from '../pipeline/types.ts';
import { under } from './chunks.ts';
import { loadDataset } from './datasets.ts';
import { explained, need, settle } from './errors.ts';
import { loadPrepared, PREPARED_STORES, savePrepared } from './prepared.ts';
import type { Schema, Stores } from './schema.ts';

export function runStore(db: IDBPDatabase<Schema>, id: string): RunStore {
  const manifest = () => need(db.get('runs', id), 'The run');
  return {
    manifest,
    saveManifest: async (next) => {
      await explained(db.put('runs', { ...next, changed: Date.now() }, id));
    },
    dataset: async () => loadDataset(db, (await manifest()).datasetId),
    ...recordStore(db, id),
    clearFrom: (stage, next) => clearFrom(db, id, stage, next),
  };
}

/** What the stages write, of a run or of a lab's piece. */
export type RecordStore = Omit<RunStore, 'manifest' | 'saveManifest' | 'dataset' | 'clearFrom'>;

export function recordStore(db: IDBPDatabase<Schema>, id: string): RecordStore {
  return {
    prepared: () => loadPrepared(db, id),
    savePrepared: (prepared) => savePrepared(db, id, prepared),
    responses: (from = 0, to = Number.POSITIVE_INFINITY) =>
      db.getAll('responses', IDBKeyRange.bound([id, from], [id, to], false, true)),
    sampled: async () => (await db.getAllKeys('responses', under(id))).map(([, index]) => index),
    saveResponses: (records) => {
      const tx = db.transaction('responses', 'readwrite');
      return settle([...records.map((record) => tx.store.put(record, [id, record.index])), tx.done]);
    },
    references: () => db.getAll('references', under(id)),
    saveReferences: (records) => {
      const tx = db.transaction('references', 'readwrite');
      return settle([...records.map((record) => tx.store.put(record, [id, record.index])), tx.done]);
    },
    pairs: async () => (await db.get('pairs', id)) ?? [],
    savePairs: async (pairs) => {
      await explained(db.put('pairs', [...pairs], id));
    },
    metrics: (stage) => db.getAll('metrics', under(id, stage)),
    saveCheckpoint: (checkpoint, metrics) => {
      const tx = db.transaction(['checkpoints', 'metrics'], 'readwrite');
      return settle([
        tx.objectStore('checkpoints').put(checkpoint, [id, checkpoint.stage]),
        ...metrics.map((metric) => tx.objectStore('metrics').put(metric, [id, metric.stage, metric.step])),
        tx.done,
      ]);
    },
    checkpoint: (stage) => db.get('checkpoints', [id, stage]),
    evaluation: () => db.getAll('evaluation', under(id)),
    saveEvaluation: (records) => {
      const tx = db.transaction('evaluation', 'readwrite');
      return settle([
        ...records.map((record) => tx.store.put(record, [id, record.arm, record.index])),
        tx.done,
      ]);
    },
    answers: async () => (await db.get('answers', id)) ?? [],
    saveAnswers: async (answers) => {
      await explained(db.put('answers', [...answers], id));
    },
  };
}

/** Everything that a run's stages write. */
export const RECORD_STORES: Stores = [
  ...PREPARED_STORES,
  'responses',
  'references',
  'pairs',
  'metrics',
  'checkpoints',
  'evaluation',
  'answers',
];

async function clearFrom(
  db: IDBPDatabase<Schema>,
  id: string,
  stage: Stage,
  manifest: RunManifest,
): Promise<void> {
  const from = STAGES.indexOf(stage);
  const redone = (name: Stage) => STAGES.indexOf(name) >= from;
  const stores: Stores = [...RECORD_STORES, 'runs'];
  const tx = db.transaction(stores, 'readwrite');
  const work: Promise<unknown>[] = [
    tx.objectStore('runs').put(manifest, id),
    tx.objectStore('answers').delete(id),
    tx.objectStore('evaluation').delete(under(id)),
  ];
  if (redone('data')) {
    work.push(tx.objectStore('prepared').delete(id));
    for (const name of ['tokens', 'refused'] as const) work.push(tx.objectStore(name).delete(under(id)));
  }
  for (const name of ['sft', 'dpo'] as const) {
    if (!redone(name)) continue;
    work.push(
      tx.objectStore('checkpoints').delete([id, name]),
      tx.objectStore('metrics').delete(under(id, name)),
    );
  }
  // References belong to the SFT policy; which targets have one does not matter.
  if (redone('sft')) work.push(tx.objectStore('references').delete(under(id)));
  if (redone('sample')) work.push(tx.objectStore('responses').delete(under(id)));
  if (redone('filter')) work.push(tx.objectStore('pairs').delete(id));
  await settle([...work, tx.done]);
}
