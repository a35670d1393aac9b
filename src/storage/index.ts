/** Runs, data sets and model folders in IndexedDB. */
import { type IDBPDatabase, openDB } from 'idb';
import type { FileSource } from '../engine/types.ts';
import { visible } from '../model/text.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { type RunManifest, type RunStore, STAGES, type Stage } from '../pipeline/types.ts';
import { under } from './chunks.ts';
import { type DataStore, dataStore } from './data-store.ts';
import { DATASET_STORES, deleteDataset, sweepDatasets, USER_STORES, usedDatasets } from './datasets.ts';
import { explained, need, StorageError } from './errors.ts';
import { deleteFolder, folderSource, saveFolder } from './folders.ts';
import { type HubStore, hubStore } from './hub-store.ts';
import { type LabStorage, labStorage } from './labs.ts';
import { migrate } from './migrations.ts';
import { changeModel } from './model-locks.ts';
import { RECORD_STORES, runStore } from './run-store.ts';
import { type FolderInfo, type Schema, type Stores, VERSION } from './schema.ts';

export { StorageError };

export interface Storage {
  /** Data sets and prepared rows, page by page. */
  readonly data: DataStore;
  /** @throws StorageError where the data set is not stored */
  createRun(run: { name: string; config: RunConfig; datasetId: string }): Promise<RunManifest>;
  /** Gives a run that has not started other data; the old goes where no other run and no lab needs it. */
  changeDataset(id: string, datasetId: string): Promise<RunManifest>;
  /** The newest first. */
  listRuns(): Promise<RunManifest[]>;
  /** Deletes a run with all it owns, in one transaction. */
  deleteRun(id: string): Promise<void>;
  run(id: string): RunStore;
  /** Stores the files of a model folder; replaces one of the same name. */
  saveModelFolder(name: string, files: readonly { path: string; data: Blob }[]): Promise<void>;
  modelFolder(name: string): FileSource;
  /** The newest first. */
  listModelFolders(): Promise<FolderInfo[]>;
  /** @throws StorageError where it is in use */
  deleteModelFolder(name: string): Promise<void>;
  readonly labs: LabStorage;
  /** Models fetched from a hub. */
  readonly hub: HubStore;
  close(): void;
}

/** @throws StorageError where the browser refuses (private windows, a blocked upgrade) */
export async function openStorage(name = 'self-contrast'): Promise<Storage> {
  let db: IDBPDatabase<Schema>;
  let refuse: (error: StorageError) => void = () => {};
  const blocked = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  blocked.catch(() => undefined);
  try {
    const opening = openDB<Schema>(name, VERSION, {
      upgrade: (database, oldVersion, _new, tx) => {
        migrate(database, tx, oldVersion).catch((error: unknown) => {
          refuse(upgradeFailed(error));
          tx.done.catch(() => undefined);
          // What the older version stored stays as it was.
          tx.abort();
        });
      },
      blocked: () =>
        refuse(
          new StorageError(
            'blocked',
            'Another tab holds an older version of this page open. Close it, then reload.',
          ),
        ),
      // A newer version in another tab must not wait for this one.
      blocking: (_current, _blocked, event) => {
        if (event.target instanceof IDBDatabase) event.target.close();
      },
    });
    opening.catch(() => undefined); // told by `blocked` where that came first
    // Opened after all, once the other tab was closed: nobody waits for it any more.
    blocked.catch(() => opening.then((late) => late.close())).catch(() => undefined);
    db = await Promise.race([opening, blocked]);
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new StorageError(
      'unavailable',
      'This browser lets the page store nothing (a private window, or storage is switched off), so runs could not be kept.',
      error,
    );
  }
  // Not waited for, and never a reason not to open: what is left over only takes space.
  void sweepDatasets(db).catch(() => undefined);
  return {
    data: dataStore(db),
    createRun: async ({ name: title, config, datasetId }) => {
      const manifest: RunManifest = {
        id: crypto.randomUUID(),
        // Names stand within sentences of the page: none may reorder them.
        name: visible(title),
        created: Date.now(),
        config,
        datasetId,
        stages: waitingStages(),
        seconds: {},
      };
      const tx = db.transaction(['datasets', 'runs'], 'readwrite');
      await need(tx.objectStore('datasets').getKey(datasetId), 'The data set');
      await explained(Promise.all([tx.objectStore('runs').put(manifest, manifest.id), tx.done]));
      return manifest;
    },
    changeDataset: (id, datasetId) => changeDataset(db, id, datasetId),
    listRuns: async () => (await db.getAll('runs')).sort((a, b) => b.created - a.created),
    deleteRun: (id) => deleteRun(db, id),
    run: (id) => runStore(db, id),
    saveModelFolder: (folder, files) => saveFolder(db, folder, files),
    modelFolder: (folder) => folderSource(db, folder),
    listModelFolders: async () => (await db.getAll('folders')).sort((a, b) => b.created - a.created),
    deleteModelFolder: (folder) => changeModel(folder, () => deleteFolder(db, folder)),
    labs: labStorage(db),
    hub: hubStore(db),
    close: () => db.close(),
  };
}

export function waitingStages(): RunManifest['stages'] {
  const states = STAGES.map((stage) => [stage, 'waiting'] as const);
  return Object.fromEntries(states) as Record<Stage, 'waiting'>;
}

function upgradeFailed(error: unknown): StorageError {
  return new StorageError(
    'unavailable',
    'What an older version of this page stored could not be brought up to date, so it was left as it is.',
    error,
  );
}

async function changeDataset(db: IDBPDatabase<Schema>, id: string, datasetId: string): Promise<RunManifest> {
  const stores: Stores = [...DATASET_STORES, ...USER_STORES];
  const tx = db.transaction(stores, 'readwrite');
  const runs = tx.objectStore('runs');
  const manifest = await need(runs.get(id), 'The run');
  await need(tx.objectStore('datasets').getKey(datasetId), 'The data set');
  const next = { ...manifest, datasetId };
  await explained(runs.put(next, id));
  const orphan = !(await usedDatasets(tx)).has(manifest.datasetId);
  await Promise.all([...(orphan ? deleteDataset(tx, manifest.datasetId) : []), tx.done]);
  return next;
}

async function deleteRun(db: IDBPDatabase<Schema>, id: string): Promise<void> {
  const owned: Stores = [...RECORD_STORES, 'runs'];
  const tx = db.transaction([...DATASET_STORES, ...RECORD_STORES, ...USER_STORES], 'readwrite');
  const manifest = await tx.objectStore('runs').get(id);
  const orphan = manifest && !(await usedDatasets(tx, id)).has(manifest.datasetId);
  await Promise.all([
    ...(orphan ? deleteDataset(tx, manifest.datasetId) : []),
    // A record's key is the run, or begins with it.
    ...owned.flatMap((name) => [tx.objectStore(name).delete(id), tx.objectStore(name).delete(under(id))]),
    tx.done,
  ]);
}
