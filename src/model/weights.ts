/**
 * A model folder's weights in Hugging Face layout: one model.safetensors, or shards that
 * model.safetensors.index.json lists. Files are read in parts, so that no more than a piece of one tensor is in
 * memory at a time.
 */
import * as v from 'valibot';
import { type ModelConfig, ModelError } from './config.ts';
import type { FileSource, RangedFile } from './files.ts';
import { modelWeights } from './parameters.ts';
import {
  bytesPerElement,
  decode,
  openHeader,
  SafetensorsError,
  type SafetensorsHeader,
  type SafetensorsType,
  type TensorEntry,
} from './safetensors.ts';

export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX = 'model.safetensors.index.json';

/** Bytes of a file that are read at once. */
const PIECE_BYTES = 2 ** 23;

/** Part of a weight: whole rows of a matrix, an even number of them but for the last ones. */
export interface WeightPiece {
  readonly name: string;
  /** Elements of the weight before it. */
  readonly at: number;
  readonly values: Float32Array;
}

export interface PiecesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Given every byte of every file, in order. */
  readonly seen?: (path: string, bytes: Uint8Array) => void;
}

export interface WeightsReader {
  /** The files and the weights that each holds. */
  readonly files: readonly { readonly path: string; readonly names: readonly string[] }[];
  /** Bytes of all files. */
  size(signal?: AbortSignal): Promise<number>;
  /** Every weight, piece by piece, as its file has it: each byte is read once. @throws as `read` */
  pieces(options?: PiecesOptions): AsyncGenerator<WeightPiece>;
  /** A weight as float32, and the type it is stored in. @throws ModelError, SafetensorsError */
  read(name: string, signal?: AbortSignal): Promise<{ data: Float32Array; dtype: SafetensorsType }>;
}

/** The parsed index: the file of every weight. */
export const weightsIndex = v.object({ weight_map: v.record(v.string(), v.string()) });

/** A file name within the folder: no path, nothing hidden. */
export const SHARD = /^[\w-][\w.-]*\.safetensors$/;

/**
 * @throws ModelError where neither the file nor the index is there, or the index is broken or lacks a weight
 */
export async function openWeights(c: ModelConfig, source: FileSource): Promise<WeightsReader> {
  const place = await placesOf(c, source);
  const shapes = new Map(modelWeights(c).map(({ name, shape }) => [name, shape]));
  const files = [...new Set(place.values())].map((path) => ({
    path,
    names: [...place].flatMap(([name, at]) => (at === path ? [name] : [])),
  }));
  const opened = new Map<string, Promise<RangedFile>>();
  const headers = new Map<string, SafetensorsHeader>();

  /** A file's header; what is wrong with it is said with the file's name. */
  const header = async (path: string, signal?: AbortSignal, seen?: (bytes: Uint8Array) => void) => {
    try {
      return await openHeader(await open(path, signal), signal, seen);
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
      throw new SafetensorsError(`${source.name}: ${path}: ${error.message}`);
    }
  };
  const open = (path: string, signal?: AbortSignal): Promise<RangedFile> => {
    const before = opened.get(path);
    if (before) return before;
    const file = source.open(path, signal).then((found) => {
      if (!found) throw new ModelError(`${source.name}: the file ${path} is missing`);
      return found;
    });
    opened.set(path, file);
    // What failed, by cancelling for example, is tried again the next time.
    file.catch(() => opened.delete(path));
    return file;
  };
  const keepHeader = async (path: string, signal?: AbortSignal) => {
    const kept = await header(path, signal);
    headers.set(path, kept);
    return kept;
  };
  /** The place of a weight in its file, of the shape that the config asks for. */
  const find = (path: string, tensors: SafetensorsHeader['tensors'], name: string): TensorEntry => {
    const entry = tensors.get(name);
    if (!entry) throw new ModelError(`${source.name}: ${path} has no tensor "${name}"`);
    const shape = shapes.get(name) ?? [];
    if (entry.shape.join() !== shape.join()) {
      throw new ModelError(
        `${source.name}: "${name}" is [${entry.shape.join(', ')}] in ${path}, but config.json asks for [${shape.join(', ')}]`,
      );
    }
    return entry;
  };
  const finite = (name: string, values: Float32Array): Float32Array => {
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i]))
        throw new ModelError(`${source.name}: "${name}" holds numbers that are not finite`);
    }
    return values;
  };
  return {
    files,
    size: async (signal) => {
      let total = 0;
      for (const { path } of files) total += (await open(path, signal)).size;
      return total;
    },
    pieces: async function* ({ signal, seen }: PiecesOptions = {}) {
      for (const { path, names } of files) {
        const file = await open(path, signal);
        const { tensors } = await header(path, signal, (bytes) => seen?.(path, bytes));
        const wanted = new Set(names);
        for (const name of names) find(path, tensors, name);
        // In the order of their bytes, for who looks at all of them those that are not wanted too.
        for (const entry of [...tensors.values()].sort((a, b) => a.start - b.start || a.end - b.end)) {
          if (!wanted.has(entry.name) && !seen) continue;
          const width = bytesPerElement(entry.dtype);
          const step = pieceBytes(entry, width);
          for (let start = entry.start; start < entry.end; start += step) {
            signal?.throwIfAborted();
            const bytes = await file.read(start, Math.min(entry.end, start + step), signal);
            seen?.(path, bytes);
            if (!wanted.has(entry.name)) continue;
            const values = finite(entry.name, decode(bytes, entry.dtype));
            yield { name: entry.name, at: (start - entry.start) / width, values };
          }
        }
      }
    },
    read: async (name, signal) => {
      const path = place.get(name) ?? WEIGHTS_FILE;
      const file = await open(path, signal);
      const { tensors } = headers.get(path) ?? (await keepHeader(path, signal));
      const entry = find(path, tensors, name);
      const data = new Float32Array((entry.end - entry.start) / bytesPerElement(entry.dtype));
      const step = pieceBytes(entry, bytesPerElement(entry.dtype));
      for (let start = entry.start; start < entry.end; start += step) {
        const bytes = await file.read(start, Math.min(entry.end, start + step), signal);
        data.set(decode(bytes, entry.dtype), (start - entry.start) / bytesPerElement(entry.dtype));
      }
      return { data: finite(name, data), dtype: entry.dtype };
    },
  };
}

/** Bytes of a tensor's pieces: whole rows, two of them at least. */
function pieceBytes({ shape }: TensorEntry, width: number): number {
  const pair = 2 * width * (shape.length > 1 ? shape.slice(1).reduce((a, b) => a * b, 1) : 1);
  return pair * Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, pair)));
}

/** The file of every weight. Without an index it is the one file. */
async function placesOf(c: ModelConfig, source: FileSource): Promise<Map<string, string>> {
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
  const parsed = v.safeParse(weightsIndex, value);
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
