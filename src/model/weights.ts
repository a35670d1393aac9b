/**
 * A model folder's weights in Hugging Face layout: one model.safetensors, or shards that
 * model.safetensors.index.json lists. At most one file is in memory at a time.
 */
import * as v from 'valibot';
import { type ModelConfig, ModelError } from './config.ts';
import { modelWeights } from './parameters.ts';
import { readHeader, readTensor, type SafetensorsHeader, type SafetensorsType } from './safetensors.ts';

export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX = 'model.safetensors.index.json';

/** Where files come from; a FileSource of the engine is one. */
export interface WeightFiles {
  readonly name: string;
  read(path: string, signal?: AbortSignal): Promise<Uint8Array | null>;
}

export interface WeightsReader {
  /** The files and the weights that each holds: read in this order, each file is opened once. */
  readonly files: readonly { readonly path: string; readonly names: readonly string[] }[];
  /** A weight as float32, and the type it is stored in. @throws ModelError, SafetensorsError */
  read(name: string, signal?: AbortSignal): Promise<{ data: Float32Array; dtype: SafetensorsType }>;
  /** A file's bytes. */
  file(path: string, signal?: AbortSignal): Promise<Uint8Array>;
}

const indexSchema = v.object({ weight_map: v.record(v.string(), v.string()) });

/** A file name within the folder: no path, nothing hidden. */
const SHARD = /^[\w-][\w.-]*\.safetensors$/;

/**
 * @throws ModelError where neither the file nor the index is there, or the index is broken or lacks a weight
 */
export async function openWeights(c: ModelConfig, source: WeightFiles): Promise<WeightsReader> {
  const place = await placesOf(c, source);
  const shapes = new Map(modelWeights(c).map(({ name, shape }) => [name, shape]));
  const files = [...new Set(place.values())].map((path) => ({
    path,
    names: [...place].flatMap(([name, at]) => (at === path ? [name] : [])),
  }));
  let held: { path: string; bytes: Uint8Array; header?: SafetensorsHeader } | undefined;

  const open = async (path: string, signal?: AbortSignal) => {
    if (held?.path === path) return held;
    held = undefined;
    const bytes = await source.read(path, signal);
    if (!bytes) throw new ModelError(`${source.name}: the file ${path} is missing`);
    held = { path, bytes };
    return held;
  };
  return {
    files,
    file: async (path, signal) => (await open(path, signal)).bytes,
    read: async (name, signal) => {
      const path = place.get(name) ?? WEIGHTS_FILE;
      const file = await open(path, signal);
      file.header ??= readHeader(file.bytes);
      const entry = file.header.tensors.get(name);
      if (!entry) throw new ModelError(`${source.name}: ${path} has no tensor "${name}"`);
      const shape = shapes.get(name) ?? [];
      if (entry.shape.join() !== shape.join()) {
        throw new ModelError(
          `${source.name}: "${name}" is [${entry.shape.join(', ')}] in ${path}, but config.json asks for [${shape.join(', ')}]`,
        );
      }
      const data = readTensor(file.bytes, entry);
      if (data.some((x) => !Number.isFinite(x)))
        throw new ModelError(`${source.name}: "${name}" holds numbers that are not finite`);
      return { data, dtype: entry.dtype };
    },
  };
}

/** The file of every weight. Without an index it is the one file. */
async function placesOf(c: ModelConfig, source: WeightFiles): Promise<Map<string, string>> {
  // Some exports of tied models carry the head as well; it is the embedding again, and not asked for.
  const wanted = modelWeights(c).map(({ name }) => name);
  const index = await source.read(WEIGHTS_INDEX);
  if (!index) return new Map(wanted.map((name) => [name, WEIGHTS_FILE]));
  const bad = (why: string) => new ModelError(`${source.name}: ${WEIGHTS_INDEX}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(utf8(index));
  } catch (error) {
    throw bad(`not valid JSON (${error instanceof Error ? error.message : error})`);
  }
  const parsed = v.safeParse(indexSchema, value);
  if (!parsed.success) throw bad('it has no weight_map of names to files');
  const map = new Map(Object.entries(parsed.output.weight_map));
  return new Map(
    wanted.map((name) => {
      const file = map.get(name);
      if (file === undefined) throw bad(`it names no file for "${name}"`);
      if (!SHARD.test(file)) throw bad(`${JSON.stringify(file)} is not a .safetensors file of the folder`);
      return [name, file];
    }),
  );
}

const utf8 = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

// A platform class of every browser and Node that the pure core's library settings leave out.
declare const TextDecoder: new (
  encoding: string,
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string };
