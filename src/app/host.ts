/** The page's side of storage, opened on first use. */
import { WEIGHTS_FILE, WEIGHTS_INDEX } from '../model/weights.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { RunManifest, RunStore } from '../pipeline/types.ts';
import type { DataStore } from '../storage/data-store.ts';
import type { Storage } from '../storage/index.ts';
import { type FolderFile, ONNX_FILE } from './models/folder.ts';
import type { StoredFolder } from './models/state.ts';

let opening: Promise<Storage> | null = null;

async function storage(): Promise<Storage> {
  opening ??= import('../storage/index.ts').then(({ openStorage }) => openStorage());
  try {
    return await opening;
  } catch (error) {
    // The next call tries again: the user may have allowed storage meanwhile.
    opening = null;
    throw error;
  }
}

export const host = {
  listRuns: async (): Promise<RunManifest[]> => (await storage()).listRuns(),
  runStore: async (id: string): Promise<RunStore> => (await storage()).run(id),
  deleteRun: async (id: string): Promise<void> => (await storage()).deleteRun(id),
  createRun: async (run: { name: string; config: RunConfig; datasetId: string }): Promise<RunManifest> =>
    (await storage()).createRun(run),
  /** Gives a run that has not started other data. */
  changeDataset: async (id: string, datasetId: string): Promise<RunManifest> =>
    (await storage()).changeDataset(id, datasetId),
  data: async (): Promise<DataStore> => (await storage()).data,
  /** Stores a model folder and returns the name under which a run's settings name it. */
  saveModelFolder: async (name: string, files: readonly FolderFile[]): Promise<string> => {
    await (await storage()).saveModelFolder(
      name,
      files.map(({ path, file }) => ({ path, data: file })),
    );
    return name;
  },
  /** The folders that the user gave, with their sizes; start adapters are not among them. */
  listModelFolders: async (sizeOf: (name: string) => Promise<number>): Promise<StoredFolder[]> => {
    const store = await storage();
    const folders: StoredFolder[] = [];
    for (const name of await store.listModelFolders()) {
      const folder = store.modelFolder(name);
      const has = async (path: string) => (await folder.open(path)) !== null;
      const weights = (await has(WEIGHTS_FILE)) || (await has(WEIGHTS_INDEX));
      const use = weights ? 'model' : (await has(ONNX_FILE)) ? 'embedder' : null;
      if (use !== null) folders.push({ name, use, bytes: await sizeOf(name) });
    }
    return folders;
  },
  deleteModelFolder: async (name: string): Promise<void> => (await storage()).deleteModelFolder(name),
};
