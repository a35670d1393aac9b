/** What a folder that was dropped or picked is, and which of its files are kept. Pure. */
import type { HubUse } from '../../hub/api.ts';
import { EMBEDDER_FILE, NEEDED } from '../../hub/files.ts';
import { visible } from '../../model/text.ts';
import { WEIGHTS_FILE, WEIGHTS_INDEX } from '../../model/weights.ts';

export interface FolderFile {
  /** With the folders that it lies in. */
  readonly path: string;
  readonly file: File;
}

export interface ModelFolder {
  readonly name: string;
  readonly use: HubUse;
  /** Those that are kept, by their paths inside the folder. */
  readonly files: readonly FolderFile[];
  /** Empty where it is whole. */
  readonly missing: readonly string[];
}

/** Weights in other forms would take room for nothing. */
const OTHER_WEIGHTS = /\.(bin|pt|pth|h5|msgpack|ot|gguf|tflite|safetensors|onnx|onnx_data)$/i;

function isKept(path: string, use: HubUse): boolean {
  if (path.split('/').some((part) => part.startsWith('.'))) return false;
  if (use === 'model' && /^model(-\d+-of-\d+)?\.safetensors$/.test(path)) return true;
  if (use === 'embedder' && path.startsWith(EMBEDDER_FILE)) return true;
  return !OTHER_WEIGHTS.test(path);
}

/** The model is where the config.json with the shortest path is. */
export function modelFolder(files: readonly FolderFile[]): ModelFolder {
  const root = files
    .filter(({ file }) => file.name === 'config.json')
    .map(({ path }) => path.slice(0, -'config.json'.length))
    .sort((a, b) => a.length - b.length)[0];
  const inside = files.flatMap(({ path, file }) =>
    root !== undefined && path.startsWith(root) ? [{ path: path.slice(root.length), file }] : [],
  );
  const has = (path: string) => inside.some((each) => each.path === path);
  // A sharded model has an index in place of the one file.
  const weights = has(WEIGHTS_FILE) || has(WEIGHTS_INDEX);
  const use = !weights && has(EMBEDDER_FILE) ? 'embedder' : 'model';
  return {
    name: visible(root?.split('/').at(-2) ?? '') || 'my-model',
    use,
    files: inside.filter(({ path }) => isKept(path, use)),
    missing: [...NEEDED[use], ...(use === 'model' && !weights ? [WEIGHTS_FILE] : [])].filter(
      (path) => !has(path),
    ),
  };
}
