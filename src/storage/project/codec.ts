/**
 * Stored values as lines of JSON that people can read. What JSON cannot say is an object with one key that begins
 * with a dollar sign:
 *
 *   {"$bytes": ["Float32Array", 4096, 1024]}   1,024 bytes from byte 4,096 of the store's .bin file, as they are in
 *                                              memory: little-endian numbers, one after the other
 *   {"$file": ["files/config.json", "text/plain"]}   a file of its own, and its media type
 *   {"$number": "NaN"}    also "Infinity", "-Infinity", "-0"
 *   {"$object": [["$a", 1]]}    an object that has such a key itself
 */

export class CodecError extends Error {
  override name = 'CodecError';
}

/** Takes what does not fit into a line. */
export interface Sink {
  /** Returns where in the .bin file the bytes will stand. */
  bytes(bytes: Uint8Array): number;
  /** Returns the path under which the file will stand. */
  file(blob: Blob): string;
}

export interface Source {
  /** Bytes of the .bin file; the ranges are asked for in ascending order. */
  bytes(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  file(path: string, type: string): Promise<Blob>;
}

/** Every kind of binary value that may be stored. */
const VIEWS = {
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
} as const;

type ViewName = keyof typeof VIEWS;

const isViewName = (name: unknown): name is ViewName =>
  typeof name === 'string' && Object.hasOwn(VIEWS, name);

/** @throws CodecError for a value of a kind that no record has */
export function encode(value: unknown, sink: Sink): unknown {
  if (typeof value === 'number') return encodeNumber(value);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value !== 'object') throw new CodecError(`internal: a ${typeof value} cannot be exported`);
  if (value instanceof Blob) return { $file: [sink.file(value), value.type] };
  if (value instanceof ArrayBuffer) return binary('ArrayBuffer', new Uint8Array(value), sink);
  if (ArrayBuffer.isView(value)) {
    const name = value.constructor.name;
    if (!isViewName(name)) throw new CodecError(`internal: a ${name} cannot be exported`);
    return binary(name, new Uint8Array(value.buffer, value.byteOffset, value.byteLength), sink);
  }
  if (Array.isArray(value)) return value.map((item) => encode(item, sink));
  const kind = Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) {
    throw new CodecError(`internal: a ${value.constructor.name} cannot be exported`);
  }
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => [name, encode(inner, sink)] as const);
  if (entries.some(([name]) => name.startsWith('$'))) return { $object: entries };
  return Object.fromEntries(entries);
}

function binary(name: ViewName | 'ArrayBuffer', bytes: Uint8Array, sink: Sink): unknown {
  return { $bytes: [name, sink.bytes(bytes), bytes.byteLength] };
}

function encodeNumber(value: number): unknown {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return { $number: Object.is(value, -0) ? '-0' : String(value) };
}

/**
 * The value again.
 *
 * @param json from JSON.parse; anything may stand in it
 * @throws CodecError
 */
export async function decode(json: unknown, source: Source): Promise<unknown> {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) {
    const items: unknown[] = [];
    // One after the other: the source gives its bytes in order. Most items are plain and need no waiting.
    for (const item of json) items.push(isPlain(item) ? item : await decode(item, source));
    return items;
  }
  const [first] = Object.entries(json);
  if (first?.[0].startsWith('$')) return decodeSpecial(first[0], first[1], source);
  return decodeEntries(Object.entries(json), source);
}

const isPlain = (json: unknown): boolean => typeof json !== 'object' || json === null;

/** fromEntries defines properties and sets none, so that a key "__proto__" is a key like any other. */
async function decodeEntries(
  entries: readonly (readonly [string, unknown])[],
  source: Source,
): Promise<unknown> {
  const decoded: [string, unknown][] = [];
  for (const [name, inner] of entries) {
    decoded.push([name, isPlain(inner) ? inner : await decode(inner, source)]);
  }
  return Object.fromEntries(decoded);
}

const NUMBERS: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity, '-0': -0 };

async function decodeSpecial(name: string, value: unknown, source: Source): Promise<unknown> {
  const wrong = () => new CodecError(`${JSON.stringify({ [name]: value }).slice(0, 80)} cannot be read`);
  if (name === '$number') {
    const number = typeof value === 'string' && Object.hasOwn(NUMBERS, value) ? NUMBERS[value] : undefined;
    if (number === undefined) throw wrong();
    return number;
  }
  if (!Array.isArray(value)) throw wrong();
  if (name === '$object') {
    const isEntry = (entry: unknown): entry is [string, unknown] =>
      Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string';
    if (!value.every(isEntry)) throw wrong();
    return decodeEntries(value, source);
  }
  const [kind, offset, length]: unknown[] = value;
  if (name === '$file' && typeof kind === 'string' && typeof offset === 'string')
    return source.file(kind, offset);
  if (name !== '$bytes' || !isCount(offset) || !isCount(length)) throw wrong();
  if (kind === 'ArrayBuffer') return (await source.bytes(offset, length)).buffer;
  if (!isViewName(kind) || length % VIEWS[kind].BYTES_PER_ELEMENT !== 0) throw wrong();
  return new VIEWS[kind]((await source.bytes(offset, length)).buffer);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
