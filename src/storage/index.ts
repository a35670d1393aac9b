/** Runs, data sets and model folders in IndexedDB. */
import { type IDBPDatabase, openDB } from 'idb';
import type { FileSource } from '../engine/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { type Dataset, type RunManifest, type RunStore, STAGES, type Stage } from '../pipeline/types.ts';
import { runStore } from './run-store.ts';
import { migrate, type Schema, VERSION } from './schema.ts';

/** The browser would not store something. What was stored before is unharmed. */
export class StorageError extends Error {
  override name = 'StorageError';
  readonly code: 'unavailable' | 'quota' | 'blocked' | 'missing';

  constructor(code: StorageError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Turns the browser's own errors into ones that say what to do. */
export async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError') {
      throw new StorageError(
        'quota',
        'This browser gives the page no more storage. Delete old runs or free disk space, then resume: everything finished is kept.',
        error,
      );
    }
    throw error;
  }
}

export interface Storage {
  createRun(run: { name: string; config: RunConfig; dataset: Dataset }): Promise<RunManifest>;
  /** The newest first. */
  listRuns(): Promise<RunManifest[]>;
  /** Deletes a run with all it owns, in one transaction. */
  deleteRun(id: string): Promise<void>;
  run(id: string): RunStore;
  /** Stores the files of a model folder; replaces one of the same name. */
  saveModelFolder(name: string, files: readonly { path: string; data: Blob }[]): Promise<void>;
  modelFolder(name: string): FileSource;
  listModelFolders(): Promise<string[]>;
  deleteModelFolder(name: string): Promise<void>;
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
      upgrade: (database, oldVersion) => migrate(database, oldVersion),
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
    db = await Promise.race([opening, blocked]);
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new StorageError(
      'unavailable',
      'This browser lets the page store nothing (a private window, or storage is switched off), so runs could not be kept.',
      error,
    );
  }
  return {
    createRun: async ({ name: title, config, dataset }) => {
      const manifest: RunManifest = {
        id: crypto.randomUUID(),
        name: title,
        created: Date.now(),
        config,
        datasetId: dataset.id,
        stages: waitingStages(),
        seconds: {},
      };
      const tx = db.transaction(['datasets', 'runs'], 'readwrite');
      await explained(
        Promise.all([
          tx.objectStore('datasets').put(dataset, dataset.id),
          tx.objectStore('runs').put(manifest, manifest.id),
          tx.done,
        ]),
      );
      return manifest;
    },
    listRuns: async () => (await db.getAll('runs')).sort((a, b) => b.created - a.created),
    deleteRun: (id) => deleteRun(db, id),
    run: (id) => runStore(db, id),
    saveModelFolder: async (folder, files) => {
      const tx = db.transaction('models', 'readwrite');
      await explained(
        Promise.all([
          tx.store.delete(folderRange(folder)),
          ...files.map(({ path, data }) => tx.store.put({ folder, path, data }, [folder, path])),
          tx.done,
        ]),
      );
    },
    modelFolder: (folder) => ({
      name: folder,
      read: async (path) => {
        const file = await db.get('models', [folder, path]);
        return file ? new Uint8Array(await file.data.arrayBuffer()) : null;
      },
    }),
    listModelFolders: async () => [...new Set((await db.getAllKeys('models')).map(([folder]) => folder))],
    deleteModelFolder: (folder) => db.delete('models', folderRange(folder)),
    close: () => db.close(),
  };
}

export function waitingStages(): RunManifest['stages'] {
  const states = STAGES.map((stage) => [stage, 'waiting'] as const);
  return Object.fromEntries(states) as Record<Stage, 'waiting'>;
}

const folderRange = (folder: string): IDBKeyRange => IDBKeyRange.bound([folder], [folder, []]);

async function deleteRun(db: IDBPDatabase<Schema>, id: string): Promise<void> {
  const tx = db.transaction(
    [
      'datasets',
      'runs',
      'prepared',
      'responses',
      'references',
      'pairs',
      'metrics',
      'checkpoints',
      'evaluation',
      'answers',
    ],
    'readwrite',
  );
  const all = IDBKeyRange.bound([id], [id, []]);
  const manifest = await tx.objectStore('runs').get(id);
  const others = (await tx.objectStore('runs').getAll()).filter((run) => run.id !== id);
  const orphan = manifest && !others.some((run) => run.datasetId === manifest.datasetId);
  await Promise.all([
    ...(orphan ? [tx.objectStore('datasets').delete(manifest.datasetId)] : []),
    ...(['runs', 'prepared', 'pairs', 'answers'] as const).map((store) => tx.objectStore(store).delete(id)),
    ...(['responses', 'references', 'metrics', 'checkpoints', 'evaluation'] as const).map((store) =>
      tx.objectStore(store).delete(all),
    ),
    tx.done,
  ]);
}
