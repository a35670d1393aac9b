/** Model folders the user gave: one Blob a file, and a record that makes the folder exist. */
import type { FileSource, RangedFile } from '../engine/types.ts';
import { isClassifier } from '../model/reward-config.ts';
import { InputError } from '../model/text.ts';
import { under } from './chunks.ts';
import { explained } from './errors.ts';
import type { Database, FolderInfo } from './schema.ts';

export interface FolderFile {
  readonly path: string;
  readonly data: Blob;
}

/** @param config config.json, parsed: an embedder and a reward model have the same files */
export function describeFolder(
  name: string,
  files: readonly { readonly path: string; readonly bytes: number }[],
  config?: unknown,
): FolderInfo {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return {
    name,
    kind: kindOf(
      files.map(({ path }) => path),
      config,
    ),
    created: Date.now(),
    files: files.length,
    bytes,
  };
}

function kindOf(paths: readonly string[], config: unknown): FolderInfo['kind'] {
  if (paths.includes('adapter_config.json')) return 'adapter';
  if (!paths.some((path) => path.endsWith('.onnx'))) return 'model';
  return isClassifier(config) ? 'reward' : 'embedder';
}

/** Undefined where there is no such file, or no JSON in it: whoever opens the folder tells of that. */
async function parsed(file: Blob | undefined): Promise<unknown> {
  try {
    return file && JSON.parse(await file.text());
  } catch {
    return undefined;
  }
}

/** In one transaction: there is all of the folder, and nothing of an older one of its name, or none of it. */
export async function saveFolder(db: Database, name: string, files: readonly FolderFile[]): Promise<void> {
  const info = describeFolder(
    name,
    files.map(({ path, data }) => ({ path, bytes: data.size })),
    await parsed(files.find(({ path }) => path === 'config.json')?.data),
  );
  const tx = db.transaction(['models', 'folders'], 'readwrite');
  const models = tx.objectStore('models');
  await explained(
    Promise.all([
      models.delete(under(name)),
      ...files.map(({ path, data }) => models.put({ folder: name, path, data }, [name, path])),
      tx.objectStore('folders').put(info, name),
      tx.done,
    ]),
  );
}

export async function deleteFolder(db: Database, name: string): Promise<void> {
  const tx = db.transaction(['models', 'folders'], 'readwrite');
  await explained(
    Promise.all([
      tx.objectStore('models').delete(under(name)),
      tx.objectStore('folders').delete(name),
      tx.done,
    ]),
  );
}

/** Its files; of a folder that does not exist, or is only half there, none. */
export function folderSource(db: Database, name: string): FileSource {
  const find = async (path: string): Promise<Blob | undefined> => {
    const tx = db.transaction(['models', 'folders']);
    const [folder, file] = await Promise.all([
      tx.objectStore('folders').getKey(name),
      tx.objectStore('models').get([name, path]),
    ]);
    return folder === undefined ? undefined : file?.data;
  };
  return {
    name,
    read: async (path) => {
      const data = await find(path);
      return data ? new Uint8Array(await data.arrayBuffer()) : null;
    },
    open: async (path) => {
      const data = await find(path);
      return data ? blobFile(data) : null;
    },
  };
}

const blobFile = (data: Blob): RangedFile => ({
  size: data.size,
  read: async (start, end) => {
    if (end > data.size) throw new InputError(`the file ends at ${data.size} bytes, before ${end}`);
    return new Uint8Array(await data.slice(start, end).arrayBuffer());
  },
});
