/** The directory of a zip file, and everything that is refused before a byte is inflated. */
import { InputError } from './text.ts';

/** Bytes that can be read in parts: a file on disk, a Blob (see `blobSource`), an array (see `arraySource`). */
export interface ByteSource {
  readonly size: number;
  /** Bytes from `start` up to, not including, `end`. */
  slice(start: number, end: number): Promise<Uint8Array>;
}

/** A zip file that is damaged or not safe to read. */
export class ZipError extends InputError {
  override name = 'ZipError';
}

export interface ZipLimits {
  readonly entries: number;
  /** Bytes of one entry, inflated. */
  readonly entryBytes: number;
  /** Bytes of all entries, inflated. */
  readonly totalBytes: number;
  /** Inflated bytes a compressed byte, of entries beyond a megabyte. */
  readonly ratio: number;
}

export interface ZipEntry {
  readonly name: string;
  readonly method: 'store' | 'deflate';
  /** Bytes in the file. */
  readonly compressedSize: number;
  /** Bytes once inflated. */
  readonly size: number;
  readonly crc: number;
  /** Where its own header begins. */
  readonly offset: number;
  /** Where what follows it begins. */
  readonly limit: number;
}

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const CENTRAL_SIZE = 46;
const LOCAL_SIZE = 30;
const MAX_COMMENT = 0xffff;
/** A directory of the most entries that are accepted, with names and extra fields of ordinary lengths. */
const MAX_DIRECTORY = 32 << 20;
const MAX_NAME = 1024;
/** Small entries may be anything: a page of blanks is no attack. */
const RATIO_FROM = 1 << 20;

const ENCRYPTED = 1 | (1 << 6) | (1 << 13);
const PATCHED = 1 << 5;

/** @throws ZipError */
export async function readDirectory(source: ByteSource, limits: ZipLimits): Promise<ZipEntry[]> {
  const { count, size, offset } = await readEnd(source);
  if (count > limits.entries) {
    throw new ZipError(`the zip file has ${count} entries; at most ${limits.entries} are read`);
  }
  if (size > MAX_DIRECTORY)
    throw new ZipError(`the zip file's directory has ${size} bytes, which is too much`);
  const bytes = await source.slice(offset, offset + size);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, folder, next } = readCentral(bytes, at, offset);
    at = next;
    checkName(entry.name, names);
    checkSize(entry, limits);
    if (!folder) entries.push(entry);
    else if (entry.size > 0) throw new ZipError(`the folder "${entry.name}" has contents of its own`);
  }
  if (at !== size) throw new ZipError(`the zip file's directory has ${size - at} bytes too many`);
  checkFolders(entries, names);
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > limits.totalBytes) {
    throw new ZipError(`the zip file holds ${total} bytes; at most ${limits.totalBytes} are read`);
  }
  return withLimits(entries, offset);
}

/** The record at the very end, which says where the directory lies. */
async function readEnd(source: ByteSource): Promise<{ count: number; size: number; offset: number }> {
  const from = Math.max(0, source.size - END_SIZE - MAX_COMMENT);
  const tail = await source.slice(from, source.size);
  const view = viewOf(tail);
  let at = tail.byteLength - END_SIZE;
  // The comment's length must lead exactly to the end: a signature within a comment is not the record.
  while (
    at >= 0 &&
    !(view.getUint32(at, true) === END && at + END_SIZE + view.getUint16(at + 20, true) === tail.byteLength)
  )
    at--;
  if (at < 0) throw new ZipError('this is not a zip file, or its end is missing');
  const disks = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  const here = view.getUint16(at + 8, true);
  const count = view.getUint16(at + 10, true);
  const size = view.getUint32(at + 12, true);
  const offset = view.getUint32(at + 16, true);
  if (count === 0xffff || size === 0xffffffff || offset === 0xffffffff) throw zip64();
  if (disks.some((disk) => disk !== 0) || here !== count) {
    throw new ZipError('the zip file is one part of several, which cannot be read');
  }
  if (offset + size !== from + at) {
    throw new ZipError('the zip file is damaged: its directory is not where its end says');
  }
  return { count, size, offset };
}

function readCentral(
  bytes: Uint8Array,
  at: number,
  directory: number,
): { entry: ZipEntry; folder: boolean; next: number } {
  const view = viewOf(bytes);
  if (at + CENTRAL_SIZE > bytes.byteLength || view.getUint32(at, true) !== CENTRAL) {
    throw new ZipError('the zip file is damaged: its directory ends early');
  }
  const nameLength = view.getUint16(at + 28, true);
  const next = at + CENTRAL_SIZE + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  if (next > bytes.byteLength) throw new ZipError('the zip file is damaged: its directory ends early');
  const name = readName(bytes.subarray(at + CENTRAL_SIZE, at + CENTRAL_SIZE + nameLength));
  checkFlags(name, view.getUint16(at + 8, true));
  const compressedSize = view.getUint32(at + 20, true);
  const size = view.getUint32(at + 24, true);
  const offset = view.getUint32(at + 42, true);
  if (compressedSize === 0xffffffff || size === 0xffffffff || offset === 0xffffffff) throw zip64(name);
  if (view.getUint16(at + 34, true) !== 0)
    throw new ZipError(`"${name}" lies in another part of the zip file`);
  const folder = name.endsWith('/');
  checkKind(name, view.getUint16(at + 4, true) >> 8, view.getUint32(at + 38, true) >>> 16, folder);
  const method = methodOf(name, view.getUint16(at + 10, true));
  if (method === 'store' && size !== compressedSize) {
    throw new ZipError(`"${name}" is stored as it is, but its two sizes differ`);
  }
  const least = LOCAL_SIZE + nameLength + compressedSize;
  if (offset + least > directory) throw new ZipError(`"${name}" lies outside the zip file`);
  const crc = view.getUint32(at + 16, true);
  return { entry: { name, method, compressedSize, size, crc, offset, limit: offset + least }, folder, next };
}

/**
 * Checks an entry's own header against the directory.
 *
 * @returns where the data begin
 * @throws ZipError
 */
export async function readLocalHeader(source: ByteSource, entry: ZipEntry): Promise<number> {
  const { name, offset, limit } = entry;
  const head = await source.slice(offset, offset + LOCAL_SIZE);
  const view = viewOf(head);
  if (head.byteLength < LOCAL_SIZE || view.getUint32(0, true) !== LOCAL) {
    throw new ZipError(`"${name}" is damaged: it has no header of its own`);
  }
  checkFlags(name, view.getUint16(6, true));
  const nameLength = view.getUint16(26, true);
  const start = offset + LOCAL_SIZE + nameLength + view.getUint16(28, true);
  if (start + entry.compressedSize > limit) throw new ZipError(`"${name}" overlaps what follows it`);
  const own = readName(await source.slice(offset + LOCAL_SIZE, offset + LOCAL_SIZE + nameLength));
  if (own !== name) throw new ZipError(`"${name}" calls itself "${own}" in its own header`);
  if (methodOf(name, view.getUint16(8, true)) !== entry.method) {
    throw new ZipError(`"${name}" names two different compressions`);
  }
  return start;
}

function checkFlags(name: string, flags: number): void {
  if ((flags & ENCRYPTED) !== 0) throw new ZipError(`"${name}" is encrypted, which cannot be read`);
  if ((flags & PATCHED) !== 0)
    throw new ZipError(`"${name}" is a patch of another file, which cannot be read`);
}

/** Only plain files and folders; a link could lead anywhere. */
function checkKind(name: string, system: number, mode: number, folder: boolean): void {
  const unix = system === 3 || system === 19;
  const kind = unix ? mode & 0xf000 : 0;
  if (kind === 0xa000) throw new ZipError(`"${name}" is a symbolic link, which is refused`);
  if (kind !== 0 && kind !== (folder ? 0x4000 : 0x8000)) {
    throw new ZipError(`"${name}" is neither a plain file nor a folder`);
  }
}

function methodOf(name: string, method: number): ZipEntry['method'] {
  if (method === 0) return 'store';
  if (method === 8) return 'deflate';
  throw new ZipError(
    `"${name}" is compressed by method ${method}; only deflate (8) and none (0) can be read`,
  );
}

function readName(bytes: Uint8Array): string {
  if (bytes.byteLength > MAX_NAME) throw new ZipError(`a name in the zip file has ${bytes.byteLength} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ZipError('a name in the zip file is not UTF-8', { cause: error });
  }
}

function checkName(name: string, seen: Set<string>): void {
  const refuse = (why: string) => {
    throw new ZipError(`the name ${JSON.stringify(name)} ${why}`);
  };
  const parts = name.split('/');
  if (name === '') refuse('is empty');
  if (name.includes('\0')) refuse('contains a NUL');
  if (name.includes('\\')) refuse('contains a backslash');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0001-\u001f\u007f]/.test(name)) refuse('contains a control character');
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) refuse('is an absolute path');
  if (parts.includes('..')) refuse('leads out of its folder (..)');
  if (parts.some((part, i) => part === '.' || (part === '' && i < parts.length - 1))) {
    refuse('has an empty part or a single dot');
  }
  // Names that a file system takes for one must not be two.
  const key = name.normalize('NFC').replace(/\/$/, '');
  if (seen.has(key)) refuse('occurs twice');
  seen.add(key);
}

/** A file can't be a folder, too. */
function checkFolders(entries: readonly ZipEntry[], names: ReadonlySet<string>): void {
  const files = new Set(entries.map(({ name }) => name.normalize('NFC')));
  for (const name of names) {
    for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
      const parent = name.slice(0, at);
      if (files.has(parent)) throw new ZipError(`"${parent}" is both a file and a folder`);
    }
  }
}

function checkSize({ name, size, compressedSize }: ZipEntry, limits: ZipLimits): void {
  if (size > limits.entryBytes) {
    throw new ZipError(`"${name}" has ${size} bytes; at most ${limits.entryBytes} are read`);
  }
  if (size > RATIO_FROM && size > limits.ratio * compressedSize) {
    throw new ZipError(
      `"${name}" says it becomes ${size} bytes of ${compressedSize}, which is not believable`,
    );
  }
}

/** Sets each entry's limit to the beginning of the next. */
function withLimits(entries: readonly ZipEntry[], directory: number): ZipEntry[] {
  const byOffset = [...entries].sort((a, b) => a.offset - b.offset);
  const limits = new Map<ZipEntry, number>();
  for (const [i, entry] of byOffset.entries()) {
    const next = byOffset[i + 1];
    const limit = next?.offset ?? directory;
    if (entry.limit > limit) throw new ZipError(`"${entry.name}" and "${next?.name ?? ''}" overlap`);
    limits.set(entry, limit);
  }
  return entries.map((entry) => ({ ...entry, limit: limits.get(entry) ?? entry.limit }));
}

const zip64 = (name?: string): ZipError =>
  new ZipError(
    `${name === undefined ? 'the zip file' : `"${name}"`} needs zip64 (4 GB or 65,535 entries and more), which cannot be read; make several smaller files of it`,
  );

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

// A platform class of every browser and Node that the pure core's library settings leave out.
declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}
