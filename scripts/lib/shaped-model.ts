/**
 * A model of any shape with random weights and a real tokenizer, as the files of its folder. Nothing is stored:
 * every range of model.safetensors is worked out when it is read, so a model of gigabytes costs no disk.
 */
import type { FileSource, RangedFile } from '../../src/engine/types.ts';
import { type ModelConfig, parseModelConfig } from '../../src/model/config.ts';
import { bytesFile } from '../../src/model/files.ts';
import { elements, modelWeights } from '../../src/model/parameters.ts';
import { SHAPES, type ShapeName } from './shapes.ts';

/** Files of a tokenizer, e.g. of the embedded model. */
export type TokenizerFiles = (path: string) => Promise<Uint8Array | null>;

const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'];

/** Standard deviation of the matrices, as is usual for a model before training. */
const DEVIATION = 0.02;

/** @param change of what config.json says of the shape */
export function shapedModel(
  name: ShapeName,
  tokenizer: TokenizerFiles,
  change: Readonly<Record<string, unknown>> = {},
): FileSource {
  const shape = { ...SHAPES[name], ...change };
  const json = (value: unknown) => bytesFile(new TextEncoder().encode(JSON.stringify(value)));
  const open = async (path: string): Promise<RangedFile | null> => {
    if (path === 'config.json') return json(shape);
    if (path === 'model.safetensors') return weightsFile(parseModelConfig(shape));
    const bytes = TOKENIZER.includes(path) ? await tokenizer(path) : null;
    if (!bytes || path !== 'tokenizer.json') return bytes && bytesFile(bytes);
    return json(padded(JSON.parse(new TextDecoder().decode(bytes)), shape.vocab_size));
  };
  return {
    name,
    open,
    read: async (path) => {
      const file = await open(path);
      return file ? file.read(0, file.size) : null;
    },
  };
}

interface TokenizerJson {
  readonly model: { readonly vocab: Record<string, number> };
}

/** Words that no text is made of, up to the size of the model's vocabulary, so that every sampled id is a text. */
function padded(tokenizer: TokenizerJson, size: number): TokenizerJson {
  const { vocab } = tokenizer.model;
  for (let id = Object.keys(vocab).length; id < size; id++) vocab[`word${id}`] = id;
  return tokenizer;
}

/** bfloat16: norms are 1, everything else is uniform around 0. */
function weightsFile(config: ModelConfig): RangedFile {
  const tensors = modelWeights(config);
  let end = 0;
  const places = tensors.map(({ name, shape }) => {
    const start = end;
    end += 2 * elements(shape);
    return { name, shape, start, end };
  });
  const text = JSON.stringify(
    Object.fromEntries(
      places.map(({ name, shape, start, end }) => [
        name,
        { dtype: 'BF16', shape, data_offsets: [start, end] },
      ]),
    ),
  );
  const header = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = 8 + header.length + end;
  const head = new Uint8Array(8 + header.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(header.length), true);
  head.set(header, 8);
  return {
    size,
    read: async (from, to) => {
      const bytes = new Uint8Array(to - from);
      if (from < head.length) bytes.set(head.subarray(from, Math.min(to, head.length)));
      for (const { shape, start, end } of places) {
        const [first, last] = [Math.max(from, head.length + start), Math.min(to, head.length + end)];
        if (first < last) fill(bytes.subarray(first - from, last - from), first, shape.length > 1);
      }
      return bytes;
    },
  };
}

/** @param from place in the file of the first byte; values depend on their place alone */
function fill(bytes: Uint8Array, from: number, random: boolean): void {
  for (let i = 0; i < bytes.length; i++) {
    const element = (from + i) >>> 1;
    const bits = random ? valueBits(element) : ONE;
    bytes[i] = (from + i) % 2 === 0 ? bits & 255 : bits >> 8;
  }
}

/** 1 as bfloat16. */
const ONE = 0x3f80;
const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);

/** A uniform number of the wanted deviation by its index, as bfloat16 (the upper half of a float32). */
function valueBits(index: number): number {
  let h = Math.imul(index ^ (index >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  h ^= h >>> 16;
  single[0] = ((h >>> 0) / 2 ** 32 - 0.5) * Math.sqrt(12) * DEVIATION;
  return (word[0] ?? 0) >>> 16;
}
