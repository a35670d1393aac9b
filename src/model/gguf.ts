/**
 * GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), as far as a LoRA adapter needs them:
 * the container, little endian, version 3. A file from elsewhere is checked length by length before it is used.
 */
import type { NamedArray } from './safetensors.ts';
import { InputError } from './text.ts';

/** A GGUF file that can't be read; says where. */
export class GgufError extends InputError {
  override name = 'GgufError';
}

export type GgufValue = string | number | boolean | bigint | readonly GgufValue[];

export interface GgufFile {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Shapes as in Hugging Face files, the fastest dimension last; GGUF stores them the other way round. */
  readonly tensors: readonly NamedArray[];
}

const MAGIC = 0x46554747; // "GGUF"
const VERSION = 3;
const ALIGNMENT = 32;
const F32 = 0;
const MAX_DIMENSIONS = 4;

/** Value types by their number in the format. */
const UINT32 = 4;
const FLOAT32 = 6;
const STRING = 8;

/** A value to be written, with its type. */
export type GgufEntry =
  | { readonly key: string; readonly type: 'string'; readonly value: string }
  | { readonly key: string; readonly type: 'float32' | 'uint32'; readonly value: number };

const align = (at: number, to: number): number => Math.ceil(at / to) * to;

/** A file of F32 tensors; every tensor's data start at a multiple of 32 bytes, as the format's default has it. */
export function writeGguf(metadata: readonly GgufEntry[], tensors: readonly NamedArray[]): Uint8Array {
  const head = new ByteWriter();
  head.u32(MAGIC);
  head.u32(VERSION);
  head.u64(tensors.length);
  head.u64(metadata.length);
  for (const entry of metadata) {
    head.string(entry.key);
    if (entry.type === 'string') {
      head.u32(STRING);
      head.string(entry.value);
    } else if (entry.type === 'float32') {
      head.u32(FLOAT32);
      head.f32(entry.value);
    } else {
      head.u32(UINT32);
      head.u32(entry.value);
    }
  }
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    head.string(name);
    head.u32(shape.length);
    for (const size of shape.toReversed()) head.u64(size);
    head.u32(F32);
    head.u64(offset);
    offset += align(data.byteLength, ALIGNMENT);
  }
  const start = align(head.length, ALIGNMENT);
  const file = new Uint8Array(start + offset);
  file.set(head.bytes(), 0);
  let at = start;
  for (const { data } of tensors) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += align(data.byteLength, ALIGNMENT);
  }
  return file;
}

/** @throws GgufError for anything but a whole, little-endian GGUF file of version 2 or 3 with F32 tensors */
export function readGguf(file: Uint8Array): GgufFile {
  const r = new ByteReader(file);
  if (r.u32('the magic number') !== MAGIC) throw new GgufError('this is not a GGUF file');
  const version = r.u32('the version');
  if (version !== 2 && version !== 3)
    throw new GgufError(`version ${version} is not supported, only 2 and 3`);
  // The least a tensor and a value take bounds how many a file can hold.
  const tensorCount = r.count('the number of tensors', 24);
  const valueCount = r.count('the number of values', 12);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < valueCount; i++) {
    const key = r.string('a key');
    if (metadata.has(key)) throw new GgufError(`the key "${key}" occurs twice`);
    metadata.set(key, readValue(r, r.u32(`the type of ${key}`), key, 0));
  }
  const infos = Array.from({ length: tensorCount }, () => readInfo(r));
  const alignment = metadata.get('general.alignment') ?? ALIGNMENT;
  if (typeof alignment !== 'number' || alignment < 1 || alignment > 65_536 || alignment % 8 !== 0) {
    throw new GgufError(`general.alignment is ${String(alignment)}, not a multiple of 8`);
  }
  const start = align(r.at, alignment);
  const names = new Set<string>();
  const tensors = infos.map(({ name, shape, offset }) => {
    if (names.has(name)) throw new GgufError(`the tensor "${name}" occurs twice`);
    names.add(name);
    if (offset % alignment !== 0)
      throw new GgufError(`"${name}" starts at ${offset}, not a multiple of ${alignment}`);
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    if (!Number.isSafeInteger(bytes) || start + offset + bytes > file.byteLength) {
      throw new GgufError(`"${name}" ends outside the file of ${file.byteLength} bytes`);
    }
    const copy = new Uint8Array(file.subarray(start + offset, start + offset + bytes));
    return { name, shape, data: new Float32Array(copy.buffer, 0, bytes / 4) };
  });
  return { metadata, tensors };
}

function readInfo(r: ByteReader): { name: string; shape: number[]; offset: number } {
  const name = r.string("a tensor's name");
  const dimensions = r.u32(`the dimensions of "${name}"`);
  if (dimensions > MAX_DIMENSIONS) throw new GgufError(`"${name}" has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => r.u64(`a size of "${name}"`)).reverse();
  const type = r.u32(`the type of "${name}"`);
  if (type !== F32) throw new GgufError(`"${name}" is of type ${type}; only F32 can be read`);
  return { name, shape, offset: r.u64(`the offset of "${name}"`) };
}

/** Lists may be nested in the format; nobody nests them deeply. */
const DEEPEST = 4;

function readValue(r: ByteReader, type: number, key: string, depth: number): GgufValue {
  switch (type) {
    case 0:
      return r.take(1, key).getUint8(0);
    case 1:
      return r.take(1, key).getInt8(0);
    case 2:
      return r.take(2, key).getUint16(0, true);
    case 3:
      return r.take(2, key).getInt16(0, true);
    case UINT32:
      return r.u32(key);
    case 5:
      return r.take(4, key).getInt32(0, true);
    case FLOAT32:
      return r.take(4, key).getFloat32(0, true);
    case 7:
      return r.take(1, key).getUint8(0) !== 0;
    case STRING:
      return r.string(key);
    case 9: {
      if (depth === DEEPEST) throw new GgufError(`${key}: lists nested too deeply`);
      const inner = r.u32(`the type of ${key}`);
      const length = r.count(`the length of ${key}`, 1);
      return Array.from({ length }, () => readValue(r, inner, key, depth + 1));
    }
    case 10:
      return r.take(8, key).getBigUint64(0, true);
    case 11:
      return r.take(8, key).getBigInt64(0, true);
    case 12:
      return r.take(8, key).getFloat64(0, true);
    default:
      throw new GgufError(`${key} is of the unknown type ${type}`);
  }
}

/** Reads forwards and never past the end. */
class ByteReader {
  at = 0;
  private readonly file: Uint8Array;
  private readonly view: DataView;

  constructor(file: Uint8Array) {
    this.file = file;
    this.view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  }

  take(bytes: number, what: string): DataView {
    if (bytes > this.file.byteLength - this.at) {
      throw new GgufError(`the file ends at byte ${this.file.byteLength}, within ${what}`);
    }
    const start = this.file.byteOffset + this.at;
    this.at += bytes;
    return new DataView(this.view.buffer, start, bytes);
  }

  u32 = (what: string): number => this.take(4, what).getUint32(0, true);

  u64(what: string): number {
    const value = Number(this.take(8, what).getBigUint64(0, true));
    if (!Number.isSafeInteger(value)) throw new GgufError(`${what} is ${value}`);
    return value;
  }

  /** A count of things of at least `least` bytes each, which must fit into what is left of the file. */
  count(what: string, least: number): number {
    const value = this.u64(what);
    const most = Math.floor((this.file.byteLength - this.at) / least);
    if (value > most) throw new GgufError(`${what} is ${value}, but the file has room for ${most} at most`);
    return value;
  }

  string(what: string): string {
    const length = this.u64(what);
    const view = this.take(length, what);
    return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset, length));
  }
}

class ByteWriter {
  private readonly parts: Uint8Array[] = [];
  length = 0;

  private push(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.byteLength;
  }

  private number(bytes: number, write: (view: DataView) => void): void {
    const part = new Uint8Array(bytes);
    write(new DataView(part.buffer));
    this.push(part);
  }

  u32 = (x: number): void => this.number(4, (v) => v.setUint32(0, x, true));
  f32 = (x: number): void => this.number(4, (v) => v.setFloat32(0, x, true));
  u64 = (x: number): void => this.number(8, (v) => v.setBigUint64(0, BigInt(x), true));

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.byteLength);
    this.push(bytes);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.byteLength;
    }
    return all;
  }
}

// Platform classes of every browser and Node that the pure core's library settings leave out.
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };
