/**
 * Reads zip files that come from anywhere (the format: PKWARE's APPNOTE 6.3). Only the directory at the end is read
 * to open one, and entries are inflated piece by piece, so that neither a large file nor a small file that claims or
 * becomes a large one takes memory. Nothing in the file is believed before it is checked; see zip-directory.ts for
 * what is refused. zip64 (files of 4 GB and more, or 65,535 entries and more) is refused by name.
 */
import { Inflate } from 'fflate';
import { Crc32 } from './crc32.ts';
import {
  type ByteSource,
  readDirectory,
  readLocalHeader,
  type ZipEntry,
  ZipError,
  type ZipLimits,
} from './zip-directory.ts';

export { type ByteSource, type ZipEntry, ZipError, type ZipLimits } from './zip-directory.ts';

/** The part of Blob and File that is used here. */
interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

export function blobSource(blob: BlobLike): ByteSource {
  return {
    size: blob.size,
    slice: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  };
}

export function arraySource(bytes: Uint8Array): ByteSource {
  return { size: bytes.byteLength, slice: async (start, end) => bytes.subarray(start, end) };
}

/** What is accepted unless the caller says otherwise: ample for adapters and data sets. */
export const DEFAULT_LIMITS: ZipLimits = {
  entries: 20_000,
  entryBytes: 2 ** 31,
  totalBytes: 2 ** 32,
  ratio: 400,
};

/** Read at once from the file. */
const READ = 1 << 20;
/** Inflated at once: deflate makes at most 1,032 bytes of one, so a piece becomes 17 MB at the very most. */
const PIECE = 1 << 14;

interface Signal {
  throwIfAborted(): void;
}

export class Zip {
  /** By name, in the order of the directory; folders are not among them. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  private readonly source: ByteSource;

  private constructor(source: ByteSource, entries: readonly ZipEntry[]) {
    this.source = source;
    this.entries = new Map(entries.map((entry) => [entry.name, entry]));
  }

  /**
   * Reads and checks the directory.
   *
   * @throws ZipError naming what is wrong and with which entry
   */
  static async open(source: ByteSource, limits: Partial<ZipLimits> = {}): Promise<Zip> {
    return new Zip(source, await readDirectory(source, { ...DEFAULT_LIMITS, ...limits }));
  }

  /**
   * An entry's bytes as they are inflated. The length and the CRC-32 are known to be right only once the last chunk
   * was taken: what must not be half read is to be kept aside until then.
   *
   * @throws ZipError where there is no such entry, or it is damaged, or it is longer than its header says
   */
  async *chunks(name: string, signal?: Signal): AsyncGenerator<Uint8Array, void, undefined> {
    const entry = this.need(name);
    const start = await readLocalHeader(this.source, entry);
    const crc = new Crc32();
    let size = 0;
    for await (const chunk of this.inflated(entry, start, signal)) {
      size += chunk.byteLength;
      if (size > entry.size) {
        throw new ZipError(`"${name}" is longer than the ${entry.size} bytes that its header says`);
      }
      crc.update(chunk);
      if (chunk.byteLength > 0) yield chunk;
    }
    if (size !== entry.size) {
      throw new ZipError(`"${name}" has ${size} bytes, but its header says ${entry.size}`);
    }
    if (crc.value !== entry.crc) throw new ZipError(`"${name}" is damaged: its checksum (CRC-32) differs`);
  }

  /**
   * A whole entry, checked.
   *
   * @param limit more bytes than this are refused before anything is read
   * @throws ZipError
   */
  async bytes(name: string, limit: number, signal?: Signal): Promise<Uint8Array> {
    const { size } = this.need(name);
    if (size > limit) throw new ZipError(`"${name}" has ${size} bytes; at most ${limit} are read`);
    const all = new Uint8Array(size);
    let at = 0;
    for await (const chunk of this.chunks(name, signal)) {
      all.set(chunk, at);
      at += chunk.byteLength;
    }
    return all;
  }

  private need(name: string): ZipEntry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new ZipError(`there is no "${name}" in the zip file`);
    return entry;
  }

  private async *inflated(entry: ZipEntry, start: number, signal?: Signal): AsyncGenerator<Uint8Array> {
    const end = start + entry.compressedSize;
    const out: Uint8Array[] = [];
    const inflate = entry.method === 'deflate' ? new Inflate((chunk) => out.push(chunk)) : null;
    for (let at = start; at < end; at += READ) {
      signal?.throwIfAborted();
      const part = await this.source.slice(at, Math.min(end, at + READ));
      if (inflate === null) {
        yield part;
        continue;
      }
      for (let piece = 0; piece < part.byteLength; piece += PIECE) {
        const last = at + READ >= end && piece + PIECE >= part.byteLength;
        push(inflate, part.subarray(piece, piece + PIECE), last, entry.name);
        yield* out.splice(0);
      }
    }
  }
}

function push(inflate: Inflate, piece: Uint8Array, last: boolean, name: string): void {
  try {
    inflate.push(piece, last);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ZipError(`"${name}" is damaged: ${message}`, { cause: error });
  }
}
