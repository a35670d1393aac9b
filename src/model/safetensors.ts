/**
 * The safetensors format (https://huggingface.co/docs/safetensors): 8 bytes of header length (little endian),
 * a JSON header, then the tensors' bytes. Files come from anywhere, so nothing in the header is believed
 * before it is checked; an error says what is wrong and with which tensor.
 */
import type { RangedFile } from './files.ts';
import { InputError } from './text.ts';

/** Bytes an element, of the types that can be read. */
const BYTES = { F32: 4, F16: 2, BF16: 2 } as const;

export type SafetensorsType = keyof typeof BYTES;

export const bytesPerElement = (dtype: SafetensorsType): number => BYTES[dtype];

export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  /** Byte range in the file. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NamedArray {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export class SafetensorsError extends InputError {
  override name = 'SafetensorsError';
}

/** As in the reference implementation: more is an attack, not a header. */
const MAX_HEADER = 100_000_000;

/**
 * Checks the whole header against the file.
 *
 * @throws SafetensorsError
 */
export function readHeader(file: Uint8Array): SafetensorsHeader {
  const length = headerLength(file.subarray(0, 8), file.byteLength);
  return parseHeader(file.subarray(8, 8 + length), file.byteLength);
}

/** The same of a file that is read in parts: only the header is read, and its bytes handed to `seen`. */
export async function openHeader(
  file: RangedFile,
  signal?: AbortSignal,
  seen: (bytes: Uint8Array) => void = () => {},
): Promise<SafetensorsHeader> {
  const start = await file.read(0, Math.min(8, file.size), signal);
  const length = headerLength(start, file.size);
  const header = await file.read(8, 8 + length, signal);
  seen(start);
  seen(header);
  return parseHeader(header, file.size);
}

/** The header's length, from the first 8 bytes of a file of `size` bytes. */
function headerLength(start: Uint8Array, size: number): number {
  if (start.byteLength < 8) throw new SafetensorsError(`the file has ${size} bytes; a header needs 8`);
  const length = Number(view(start).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > size)
    throw new SafetensorsError(`the header says ${length} bytes, but the file has ${size - 8} after it`);
  return length;
}

function parseHeader(header: Uint8Array, size: number): SafetensorsHeader {
  const text = utf8(header);
  const json = parseJson(text);
  const names = topLevelKeys(text);
  const seen = new Set<string>();
  const repeated = names.find((name) => seen.size === seen.add(name).size);
  if (repeated !== undefined) throw new SafetensorsError(`the name "${repeated}" occurs twice`);
  const base = 8 + header.byteLength;
  const entries = Object.entries(json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(name, value, base));
  checkRanges(entries, base, size);
  return {
    tensors: new Map(entries.map((entry) => [entry.name, entry])),
    metadata: readMetadata(json.__metadata__),
  };
}

/** One tensor as float32. `entry` must come from `readHeader(file)`. */
export function readTensor(file: Uint8Array, entry: TensorEntry): Float32Array {
  return decode(file.subarray(entry.start, entry.end), entry.dtype);
}

/** Stored numbers as float32, in memory of their own. */
export function decode(stored: Uint8Array, dtype: SafetensorsType): Float32Array {
  const count = stored.byteLength / BYTES[dtype];
  // A copy, because a file's tensors need not lie at multiples of four bytes. (Not slice(): a Node Buffer's
  // slice is no copy.)
  const bytes = new Uint8Array(stored);
  if (dtype === 'F32') return new Float32Array(bytes.buffer, 0, count);
  const halves = new Uint16Array(bytes.buffer, 0, count);
  const data = new Float32Array(count);
  if (dtype === 'BF16') {
    const bits = new Uint32Array(data.buffer);
    for (let i = 0; i < count; i++) bits[i] = (halves[i] ?? 0) << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < count; i++) data[i] = table[halves[i] ?? 0] ?? 0;
  }
  return data;
}

/** All tensors, by name. */
export function readSafetensors(file: Uint8Array): NamedArray[] {
  return [...readHeader(file).tensors.values()].map((entry) => ({
    name: entry.name,
    shape: entry.shape,
    data: readTensor(file, entry),
  }));
}

/** The largest number of half precision. */
const LARGEST_HALF = 65504;

export const beyondHalf = (x: number): boolean => Math.abs(x) > LARGEST_HALF;

/** The nearest half-precision number's bits, ties to even; too large becomes infinity (IEEE 754). */
export function halfBits(x: number): number {
  SCRATCH.setFloat32(0, x);
  const bits = SCRATCH.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // Beyond 65,520 nothing finite is nearest.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: whole multiples of 2^-24; Math.round breaks ties upwards, so ties are evened by hand.
    const scaled = Math.abs(x) * 2 ** 24;
    const down = Math.floor(scaled);
    const rest = scaled - down;
    return sign | (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The nearest bfloat16's bits, ties to even: the upper half of a float32, rounded. */
export function bfloatBits(x: number): number {
  SCRATCH.setFloat32(0, x);
  const bits = SCRATCH.getUint32(0);
  // Rounding must not turn a NaN into infinity.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

const SCRATCH = new DataView(new ArrayBuffer(4));

/**
 * A file of F32 (or, to save space, F16 or BF16) tensors in the given order; the data start at a multiple of 8 bytes.
 *
 * @throws SafetensorsError where a name occurs twice or a shape does not fit its data
 */
export function writeSafetensors(
  tensors: readonly NamedArray[],
  metadata: Readonly<Record<string, string>> = {},
  dtype: SafetensorsType = 'F32',
): Uint8Array {
  const header: [string, unknown][] = [['__metadata__', metadata]];
  const names = new Set<string>(['__metadata__']);
  let size = 0;
  for (const { name, shape, data } of tensors) {
    if (names.has(name)) throw new SafetensorsError(`the name "${name}" occurs twice`);
    names.add(name);
    if (product(shape) !== data.length) {
      throw new SafetensorsError(
        `"${name}": shape [${shape.join(', ')}] does not hold ${data.length} numbers`,
      );
    }
    const end = size + data.length * BYTES[dtype];
    header.push([name, { dtype, shape, data_offsets: [size, end] }]);
    size = end;
  }
  // Not an object literal: a name like "1" would be moved to the front.
  const text = `{${header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const bytes = new TextEncoder().encode(text);
  const padded = Math.ceil(bytes.length / 8) * 8;
  const file = new Uint8Array(8 + padded + size);
  view(file).setBigUint64(0, BigInt(padded), true);
  file.fill(0x20, 8, 8 + padded);
  file.set(bytes, 8);
  let at = 8 + padded;
  for (const { data } of tensors) {
    const stored = dtype === 'F32' ? data : Uint16Array.from(data, dtype === 'F16' ? halfBits : bfloatBits);
    file.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength), at);
    at += stored.byteLength;
  }
  return file;
}

function readEntry(name: string, value: unknown, base: number): TensorEntry {
  if (!isRecord(value)) throw new SafetensorsError(`"${name}": expected an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isType(dtype)) {
    const known = Object.keys(BYTES).join(', ');
    throw new SafetensorsError(
      `"${name}": the type ${JSON.stringify(dtype)} can't be read; known are ${known}`,
    );
  }
  if (!isSizes(shape)) throw new SafetensorsError(`"${name}": the shape is not a list of whole numbers`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw new SafetensorsError(`"${name}": data_offsets is not two whole numbers`);
  }
  const [start = 0, end = 0] = offsets;
  const bytes = product(shape) * BYTES[dtype];
  if (end - start !== bytes) {
    throw new SafetensorsError(
      `"${name}": ${dtype} of shape [${shape.join(', ')}] needs ${bytes} bytes, data_offsets give ${end - start}`,
    );
  }
  return { name, dtype, shape, start: base + start, end: base + end };
}

/** The tensors must cover the data exactly: no overlap, no gap, nothing outside. */
function checkRanges(entries: readonly TensorEntry[], base: number, size: number): void {
  let at = base;
  for (const entry of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start < at) throw new SafetensorsError(`"${entry.name}": its bytes overlap another tensor's`);
    if (entry.start > at)
      throw new SafetensorsError(`"${entry.name}": ${entry.start - at} unused bytes before it`);
    if (entry.end > size) {
      throw new SafetensorsError(`"${entry.name}": it ends at byte ${entry.end}, but the file has ${size}`);
    }
    at = entry.end;
  }
  if (at !== size) throw new SafetensorsError(`${size - at} bytes after the last tensor`);
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw new SafetensorsError('__metadata__: expected an object');
  return Object.fromEntries(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw new SafetensorsError(`__metadata__.${key}: expected text`);
      return [key, text];
    }),
  );
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError('the header is not JSON', { cause: error });
  }
  if (!isRecord(value)) throw new SafetensorsError('the header is not a JSON object');
  return value;
}

/** Keys of an object's JSON, repeated ones included: JSON.parse would silently keep the last. */
function topLevelKeys(json: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  // Strings (with the colon that makes them keys) and brackets are all that matters in valid JSON.
  for (const [token, quoted, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[[\]{}]/g)) {
    if (quoted !== undefined) {
      if (depth === 1 && colon !== undefined) keys.push(String(JSON.parse(quoted)));
    } else depth += token === '{' || token === '[' ? 1 : -1;
  }
  return keys;
}

let halves: Float32Array | null = null;

/** float32 of every float16 bit pattern. */
function halfTable(): Float32Array {
  if (halves !== null) return halves;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let value = (1 + fraction / 1024) * 2 ** (exponent - 15);
    if (exponent === 0) value = fraction * 2 ** -24;
    if (exponent === 31) value = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    table[bits] = bits < 32768 ? value : -value;
  }
  halves = table;
  return table;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SafetensorsError('the header is not UTF-8', { cause: error });
  }
}

// Platform classes of every browser and Node that the pure core's library settings leave out.
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  encoding: string,
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string };

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isType(value: unknown): value is SafetensorsType {
  return typeof value === 'string' && Object.hasOwn(BYTES, value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
