/** The files beside the weights of a model folder, for exports that make a folder of their own. */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { FileSource } from '../../engine/types.ts';
import type { SafetensorsType } from '../../model/safetensors.ts';
import type { ExportFile } from '../worker-api.ts';
import { ExportError } from './types.ts';

/** What transformers and transformers.js may look for; config.json and tokenizer.json are always there. */
const FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'tokenizer.model',
  'vocab.json',
  'merges.txt',
  'LICENSE',
  'NOTICE.md',
];

/** Copies of those files that the folder has. */
export async function modelFiles(source: FileSource): Promise<ExportFile[]> {
  const files = await Promise.all(FILES.map(async (path) => ({ path, bytes: await source.read(path) })));
  return files.flatMap(({ path, bytes }) => (bytes === null ? [] : { path, bytes }));
}

const TORCH: Readonly<Record<SafetensorsType, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** config.json with the type of the weights that lie beside it. */
export function withDtype(config: Uint8Array, dtype: SafetensorsType): Uint8Array {
  const parsed = parseObject(config);
  // Both spellings: transformers 5 reads dtype, before it torch_dtype.
  const named = {
    ...parsed,
    torch_dtype: TORCH[dtype],
    ...('dtype' in parsed ? { dtype: TORCH[dtype] } : {}),
  };
  return utf8ToBytes(`${JSON.stringify(named, null, 2)}\n`);
}

/** @throws ExportError for what is no JSON object; the model was loaded from it, so that is not expected */
export function parseObject(bytes: Uint8Array): Record<string, unknown> {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ExportError('config.json is not a JSON object');
  }
  return { ...value };
}

// A platform class of every browser and Node that the pure core's library settings leave out.
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };
