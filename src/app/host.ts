/** The page's side of storage, opened on first use. */
import type { RunConfig } from '../pipeline/config.ts';
import type { RunManifest, RunStore } from '../pipeline/types.ts';
import type { DataStore } from '../storage/data-store.ts';
import { openStorage, type Storage } from '../storage/index.ts';
import type { LabStorage } from '../storage/labs.ts';
import type { FolderInfo } from '../storage/schema.ts';
import type { FolderFile } from './models/folder.ts';

let opening: Promise<Storage> | null = null;

async function storage(): Promise<Storage> {
  opening ??= openStorage();
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
  labs: async (): Promise<LabStorage> => (await storage()).labs,
  /** Stores a model folder and returns the name under which a run's settings name it. */
  saveModelFolder: async (name: string, files: readonly FolderFile[]): Promise<string> => {
    await (await storage()).saveModelFolder(
      name,
      files.map(({ path, file }) => ({ path, data: file })),
    );
    return name;
  },
  /** The folders that the user gave, start adapters among them. */
  listModelFolders: async (): Promise<FolderInfo[]> => (await storage()).listModelFolders(),
  deleteModelFolder: async (name: string): Promise<void> => (await storage()).deleteModelFolder(name),
};
