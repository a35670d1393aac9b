/** What a folder that was dropped or picked is, and which of its files are kept. Pure. */
import type { HubUse } from '../../hub/api.ts';
import { NEEDED, ONNX_FILE, shardsOf } from '../../hub/files.ts';
import { isClassifier } from '../../model/reward-config.ts';
import { InputError, visible } from '../../model/text.ts';
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
const OTHER_WEIGHTS = /\.(bin|pt|pth|h5|msgpack|ot|gguf|tflite|safetensors(\.index\.json)?|onnx|onnx_data)$/i;

function isKept(path: string, use: HubUse, needed: readonly string[]): boolean {
  if (path.split('/').some((part) => part.startsWith('.'))) return false;
  if (needed.includes(path)) return true;
  // An ONNX file's weights may lie beside it.
  if (use !== 'model' && path.startsWith(ONNX_FILE)) return true;
  return !OTHER_WEIGHTS.test(path);
}

/** @throws InputError where it names no shards */
async function indexed(name: string, index: File): Promise<string[]> {
  let value: unknown;
  try {
    value = JSON.parse(await index.text());
  } catch {
    throw new InputError(`${name}: ${WEIGHTS_INDEX} is not valid JSON`);
  }
  return shardsOf(name, value);
}

/** An embedder has the same files. What is no JSON is told of where the folder is opened. */
async function isReward(config: File): Promise<boolean> {
  try {
    return isClassifier(JSON.parse(await config.text()));
  } catch {
    return false;
  }
}

/**
 * The model is where the config.json with the shortest path is.
 *
 * @throws InputError where the index of its weights is broken
 */
export async function modelFolder(files: readonly FolderFile[]): Promise<ModelFolder> {
  const root = files
    .filter(({ file }) => file.name === 'config.json')
    .map(({ path }) => path.slice(0, -'config.json'.length))
    .sort((a, b) => a.length - b.length)[0];
  const inside = files.flatMap(({ path, file }) =>
    root !== undefined && path.startsWith(root) ? [{ path: path.slice(root.length), file }] : [],
  );
  const name = visible(root?.split('/').at(-2) ?? '') || 'my-model';
  const has = (path: string) => inside.some((each) => each.path === path);
  // A sharded model has an index in place of the one file; where both are there, the one file is as good.
  const index = has(WEIGHTS_FILE) ? undefined : inside.find(({ path }) => path === WEIGHTS_INDEX);
  const config = inside.find(({ path }) => path === 'config.json');
  const isOnnx = !index && !has(WEIGHTS_FILE) && has(ONNX_FILE);
  const use = !isOnnx ? 'model' : config && (await isReward(config.file)) ? 'reward' : 'embedder';
  const weights = index ? [WEIGHTS_INDEX, ...(await indexed(name, index.file))] : [WEIGHTS_FILE];
  const needed = [...NEEDED[use], ...(use === 'model' ? weights : [])];
  return {
    name,
    use,
    files: inside.filter(({ path }) => isKept(path, use, needed)),
    missing: needed.filter((path) => !has(path)),
  };
}
