/** What the project worker does: the work on whole runs that reads or writes all of their records. */
import type { IDBPDatabase } from 'idb';
import type { RunManifest, Stage } from '../pipeline/types.ts';
import { openStorage } from '../storage/index.ts';
import { exportProject, type OwnerRef } from '../storage/project/export.ts';
import { ProjectError } from '../storage/project/format.ts';
import { type Imported, importProject } from '../storage/project/import.ts';
import { forget, holdAll, IMPORT_LOCK, note, type Owner, sweep } from '../storage/project/journal.ts';
import {
  exists,
  HEAD,
  openRecords,
  recordsIn,
  rekeyed,
  sizeOf,
  storesOf,
} from '../storage/project/records.ts';

export interface ProjectWorkerApi {
  /** Bytes a run, data set or model takes, about; every record is looked at. */
  size(owner: Owner): Promise<number>;
  /**
   * Copies a run's records under another id, without those of `from` and the stages after it.
   *
   * @param copy the copy's manifest; it is stored last
   */
  duplicate(id: string, copy: RunManifest, from: Stage | null): Promise<void>;
  /** The runs with their data sets and the models that the user stored, as a zip file. */
  exportProject(runIds: readonly string[], onProgress: (done: number, total: number) => void): Promise<Blob>;
  importProject(file: Blob, onProgress: (done: number, total: number) => void): Promise<Imported[]>;
  /** Ends an export or import; its promise rejects, and nothing is left of it. */
  cancel(): Promise<void>;
}

/** @param database for tests; the page's own by default */
export function createProjectService(database?: string): ProjectWorkerApi {
  let abort = new AbortController();

  const within = async <T>(work: (db: IDBPDatabase, signal: AbortSignal) => Promise<T>): Promise<T> => {
    const db = await openRecords(database);
    abort = new AbortController();
    try {
      return await work(db, abort.signal);
    } finally {
      db.close();
    }
  };
  /** Work that writes under ids that nobody sees yet; one at a time, in all tabs. */
  const unseen = <T>(work: (db: IDBPDatabase, signal: AbortSignal) => Promise<T>): Promise<T> =>
    navigator.locks.request(IMPORT_LOCK, () =>
      within(async (db, signal) => {
        await sweep(db);
        return work(db, signal);
      }),
    );

  return {
    size: ({ kind, id }) => within((db) => sizeOf(db, kind, id)),
    duplicate: (id, copy, from) =>
      unseen(async (db) => {
        const owner: Owner = { kind: 'run', id: copy.id };
        await note(db, [owner]);
        const release = await holdAll([owner]);
        try {
          if (from !== 'model' && from !== 'data') await copyRecords(db, id, copy.id);
          if (from === null) await db.put(HEAD.run, copy, copy.id);
          else await clear(copy, from, database);
        } catch (error) {
          await forget(db, [owner], 'delete');
          throw error;
        } finally {
          release();
        }
        await forget(db, [owner], 'keep');
      }),
    exportProject: (runIds, onProgress) =>
      within(async (db, signal) => {
        const owners = await ownersOf(db, runIds);
        let total = 0;
        for (const { kind, id } of owners) total += await sizeOf(db, kind, id);
        let done = 0;
        return exportProject(db, owners, signal, (bytes) => {
          done += bytes;
          // Lines of JSON are longer or shorter than what is stored: the total is a guess.
          onProgress(Math.min(done, total), total);
        });
      }),
    importProject: (file, onProgress) => unseen((db, signal) => importProject(db, file, signal, onProgress)),
    cancel: async () => abort.abort(new DOMException('cancelled', 'AbortError')),
  };
}

/** The manifest, which makes the run visible, is stored with the removal. */
async function clear(run: RunManifest, from: Stage, database: string | undefined): Promise<void> {
  const storage = await openStorage(database);
  try {
    await storage.run(run.id).clearFrom(from, run);
  } finally {
    storage.close();
  }
}

async function copyRecords(db: IDBPDatabase, from: string, to: string): Promise<void> {
  for (const store of storesOf(db, 'run')) {
    if (store === HEAD.run) continue;
    for await (const { key, value } of recordsIn(db, store, from))
      await db.put(store, value, rekeyed(key, to));
  }
}

/** The runs, and what they need to be whole elsewhere: data sets and stored models, each once. */
async function ownersOf(db: IDBPDatabase, runIds: readonly string[]): Promise<OwnerRef[]> {
  const runs: OwnerRef[] = [];
  const datasets = new Set<string>();
  const models = new Set<string>();
  for (const id of runIds) {
    const manifest: RunManifest | undefined = await db.get(HEAD.run, id);
    if (manifest === undefined) throw new ProjectError('One of the runs is not stored any more.');
    runs.push({ kind: 'run', id, name: manifest.name });
    datasets.add(manifest.datasetId);
    // The default model and models at an address are not stored here; a start adapter is stored as a model is.
    for (const folder of [manifest.config.model, manifest.config.adapter]) {
      if (folder !== undefined && (await exists(db, 'model', folder))) models.add(folder);
    }
  }
  const data: OwnerRef[] = [];
  for (const id of datasets) {
    const dataset: { name: string } | undefined = await db.get(HEAD.dataset, id);
    if (dataset === undefined)
      throw new ProjectError('The data set of one of the runs is not stored any more.');
    data.push({ kind: 'dataset', id, name: dataset.name });
  }
  return [...data, ...[...models].map((id) => ({ kind: 'model' as const, id, name: id })), ...runs];
}
