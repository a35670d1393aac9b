/**
 * LabStore over IndexedDB. What a lab's pieces compute is stored as a run's records are, in the same stores, under an
 * id that begins with the lab's; so all of a lab is found, and deleted, by that beginning.
 */
import type { IDBPTransaction } from 'idb';
import type { LabManifest, LabStore } from '../lab/types.ts';
import { visible } from '../model/text.ts';
import type { RunStore } from '../pipeline/types.ts';
import { under } from './chunks.ts';
import {
  DATASET_STORES,
  datasetsOf,
  deleteDataset,
  loadDataset,
  USER_STORES,
  usedDatasets,
} from './datasets.ts';
import { explained, need, settle } from './errors.ts';
import { RECORD_STORES, recordStore } from './run-store.ts';
import type { Database, Schema, Stores } from './schema.ts';

/** What is decided before a lab begins. */
export type NewLab = Pick<
  LabManifest,
  'name' | 'config' | 'datasetId' | 'importedId' | 'plans' | 'arms' | 'seeds' | 'finalShare' | 'rewardModel'
>;

export interface LabStorage {
  /** @throws StorageError where a data set is not stored */
  create(lab: NewLab): Promise<LabManifest>;
  /** The newest first. */
  list(): Promise<LabManifest[]>;
  /** Deletes a lab with all its pieces, and the data sets that no run and no other lab needs, in one transaction. */
  remove(id: string): Promise<void>;
  lab(id: string): LabStore;
}

/** Everything that a piece writes. */
const PIECE_STORES: Stores = [...RECORD_STORES, 'rewards', 'diagnosis'];

/** Keys are hex (src/lab/keys.ts), so that a slash ends the lab's id. */
const pieceId = (lab: string, key: string): string => `${lab}/${key}`;

export function labStorage(db: Database): LabStorage {
  return {
    create: async (lab) => {
      const manifest: LabManifest = {
        ...lab,
        id: crypto.randomUUID(),
        // Names stand within sentences of the page: none may reorder them.
        name: visible(lab.name),
        created: Date.now(),
        looks: [],
        marks: [],
        pieces: {},
      };
      const tx = db.transaction(['datasets', 'labs'], 'readwrite');
      for (const id of datasetsOf(lab)) await need(tx.objectStore('datasets').getKey(id), 'The data set');
      await settle([tx.objectStore('labs').put(manifest, manifest.id), tx.done]);
      return manifest;
    },
    list: async () => (await db.getAll('labs')).sort((a, b) => b.created - a.created),
    remove: (id) => removeLab(db, id),
    lab: (id) => labStore(db, id),
  };
}

function labStore(db: Database, id: string): LabStore {
  const manifest = () => need(db.get('labs', id), 'The lab');
  return {
    manifest,
    saveManifest: async (next) => {
      await explained(db.put('labs', { ...next, changed: Date.now() }, id));
    },
    piece: (key) => pieceStore(db, id, key),
    clearPiece: (key) => {
      const tx = db.transaction(PIECE_STORES, 'readwrite');
      const piece = pieceId(id, key);
      // A record's key is the piece, or begins with it.
      return settle([...deletions(tx, IDBKeyRange.only(piece)), ...deletions(tx, under(piece)), tx.done]);
    },
    rewards: (key) => db.getAll('rewards', under(pieceId(id, key))),
    saveRewards: (key, records) => {
      const tx = db.transaction('rewards', 'readwrite');
      const piece = pieceId(id, key);
      return settle([...records.map((record) => tx.store.put(record, [piece, record.index])), tx.done]);
    },
    diagnosis: (key) => db.get('diagnosis', pieceId(id, key)),
    saveDiagnosis: async (key, diagnosis) => {
      await explained(db.put('diagnosis', diagnosis, pieceId(id, key)));
    },
    verdicts: () => db.getAll('verdicts', under(id)),
    saveVerdicts: (verdicts) => {
      const tx = db.transaction('verdicts', 'readwrite');
      return settle([
        ...verdicts.map((verdict) => tx.store.put(verdict, [id, verdict.judge, verdict.id])),
        tx.done,
      ]);
    },
    deleteVerdicts: (ids) => {
      const tx = db.transaction('verdicts', 'readwrite');
      return settle([...ids.map((verdict) => tx.store.delete([id, verdict.judge, verdict.id])), tx.done]);
    },
  };
}

/** A piece's records; what a run's manifest says of a piece, the lab's says. */
function pieceStore(db: Database, lab: string, key: string): RunStore {
  const never = (what: string) => async (): Promise<never> => {
    throw new Error(`internal: a lab's piece has no ${what} of its own`);
  };
  return {
    ...recordStore(db, pieceId(lab, key)),
    manifest: never('manifest'),
    saveManifest: never('manifest'),
    dataset: async () => loadDataset(db, (await need(db.get('labs', lab), 'The lab')).datasetId),
    clearFrom: never('stages'),
  };
}

async function removeLab(db: Database, id: string): Promise<void> {
  const stores: Stores = [
    ...new Set([...PIECE_STORES, ...DATASET_STORES, ...USER_STORES, 'verdicts' as const]),
  ];
  const tx = db.transaction(stores, 'readwrite');
  const manifest = await tx.objectStore('labs').get(id);
  const used = await usedDatasets(tx, id);
  const orphans = manifest === undefined ? [] : datasetsOf(manifest).filter((name) => !used.has(name));
  await settle([
    tx.objectStore('labs').delete(id),
    tx.objectStore('verdicts').delete(under(id)),
    ...orphans.flatMap((name) => deleteDataset(tx, name)),
    // '0' follows '/': from the first to after the last of the ids that begin with the lab's.
    ...deletions(tx, IDBKeyRange.bound(`${id}/`, `${id}0`, false, true)),
    ...deletions(tx, IDBKeyRange.bound([`${id}/`], [`${id}0`], false, true)),
    tx.done,
  ]);
}

const deletions = (tx: IDBPTransaction<Schema, Stores, 'readwrite'>, range: IDBKeyRange): Promise<void>[] =>
  PIECE_STORES.map((name) => tx.objectStore(name).delete(range));
