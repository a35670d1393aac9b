/** The merged model in Hugging Face layout: config, tokenizer and weights, sharded where they are large. */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { merger } from '../../model/merge.ts';
import { elements, modelWeights } from '../../model/parameters.ts';
import {
  beyondHalf,
  bytesPerElement,
  type NamedArray,
  type SafetensorsType,
  writeSafetensors,
} from '../../model/safetensors.ts';
import { openWeights, WEIGHTS_FILE, WEIGHTS_INDEX, type WeightsReader } from '../../model/weights.ts';
import type { ExportFile } from '../worker-api.ts';
import { modelFiles, withDtype } from './model-files.ts';
import { ExportError, type ExportRun } from './types.ts';

interface Planned {
  readonly name: string;
  readonly shape: readonly number[];
}

/** @param folder in which the files are */
export async function* exportMerged(run: ExportRun, folder = 'merged'): AsyncGenerator<ExportFile> {
  const { model, options, signal } = run;
  const reader = await openWeights(model.config, model.files);
  const dtype = await storedType(reader, options.dtype);
  const merge = merger(run.modules);
  const shapes = new Map(modelWeights(model.config).map((w) => [w.name, w.shape]));
  const weights = reader.files.flatMap(({ names }) =>
    names.map((name): Planned => ({ name, shape: shapes.get(name) ?? [] })),
  );
  const shards = planShards(weights, bytesPerElement(dtype), options.shardBytes);
  let done = 0;
  for (const [i, shard] of shards.entries()) {
    const tensors: NamedArray[] = [];
    for (const { name, shape } of shard) {
      signal.throwIfAborted();
      const data = merge(name, (await reader.read(name, signal)).data);
      if (dtype === 'F16' && data.some(beyondHalf)) {
        throw new ExportError(`"${name}" holds numbers too large for F16; export the merged model as F32.`);
      }
      tensors.push({ name, shape, data });
      run.onProgress(++done / weights.length);
    }
    yield {
      path: `${folder}/${shardName(i, shards.length)}`,
      bytes: writeSafetensors(tensors, { format: 'pt' }, dtype),
    };
  }
  if (shards.length > 1)
    yield { path: `${folder}/${WEIGHTS_INDEX}`, bytes: indexOf(shards, bytesPerElement(dtype)) };
  for (const file of await modelFiles(model.files)) {
    const bytes = file.path === 'config.json' ? withDtype(file.bytes, dtype) : file.bytes;
    yield { path: `${folder}/${file.path}`, bytes };
  }
}

/** The type asked for; `base` is that of the embedding, which is the largest of most models' tensors. */
async function storedType(reader: WeightsReader, asked: 'base' | SafetensorsType): Promise<SafetensorsType> {
  const [first] = reader.files.flatMap(({ names }) => names);
  return asked === 'base' ? (await reader.read(first ?? '')).dtype : asked;
}

/** Weights in order, a new file whenever the next one would make the file too large. */
export function planShards(weights: readonly Planned[], width: number, shardBytes: number): Planned[][] {
  const shards: Planned[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const weight of weights) {
    const bytes = elements(weight.shape) * width;
    if (size + bytes > shardBytes) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(weight);
    size += bytes;
  }
  return shards;
}

function shardName(i: number, count: number): string {
  const five = (n: number) => String(n).padStart(5, '0');
  return count === 1 ? WEIGHTS_FILE : `model-${five(i + 1)}-of-${five(count)}.safetensors`;
}

function indexOf(shards: readonly (readonly Planned[])[], width: number): Uint8Array {
  const total = shards.flat().reduce((sum, { shape }) => sum + elements(shape) * width, 0);
  const map = shards.flatMap((shard, i) =>
    shard.map(({ name }) => [name, shardName(i, shards.length)] as const),
  );
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(map) };
  return utf8ToBytes(`${JSON.stringify(index, null, 2)}\n`);
}
