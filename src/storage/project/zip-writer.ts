/** Writes a zip file piece by piece into Blobs, which browsers keep on disk: memory does not grow with the file. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { Zip, ZipDeflate, ZipPassThrough } from 'fflate';
import { ProjectError } from './format.ts';

export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

/** Where files go: into a zip file, or nowhere, where only their fingerprints are asked for. */
export interface FileWriter {
  /** @param plain not compressed: weights do not get smaller */
  write(path: string, chunks: AsyncIterable<Uint8Array>, plain: boolean): Promise<WrittenFile>;
}

/** Collected before they become a Blob. */
const PART = 8 << 20;
/** Deflated at once. */
const PIECE = 1 << 20;
/** What a zip file without zip64 can hold, less some room for its directory. */
const MAX_BYTES = 2 ** 32 - 2 ** 24;
const MAX_FILES = 65_000;

export class ZipWriter implements FileWriter {
  private readonly parts: Blob[] = [];
  private pending: Uint8Array<ArrayBuffer>[] = [];
  private pendingBytes = 0;
  private written = 0;
  private files = 0;
  private failed: Error | null = null;
  private readonly zip: Zip;

  constructor() {
    this.zip = new Zip((error, chunk) => {
      if (error) this.failed = error;
      else this.take(chunk);
    });
  }

  async write(path: string, chunks: AsyncIterable<Uint8Array>, plain: boolean): Promise<WrittenFile> {
    if (++this.files > MAX_FILES) throw tooLarge();
    const file = plain ? new ZipPassThrough(path) : new ZipDeflate(path, { level: 6 });
    this.zip.add(file);
    const result = await fingerprint(path, chunks, (piece) => {
      file.push(piece);
      this.check();
    });
    file.push(new Uint8Array(), true);
    this.check();
    return result;
  }

  /** The whole file. */
  finish(): Blob {
    this.zip.end();
    this.check();
    this.flush();
    return new Blob(this.parts, { type: 'application/zip' });
  }

  private take(chunk: Uint8Array): void {
    // fflate may hand out parts of buffers that it uses again.
    this.pending.push(chunk.slice());
    this.pendingBytes += chunk.byteLength;
    this.written += chunk.byteLength;
    if (this.pendingBytes >= PART) this.flush();
  }

  private flush(): void {
    this.parts.push(new Blob(this.pending));
    this.pending = [];
    this.pendingBytes = 0;
  }

  private check(): void {
    if (this.failed) throw this.failed;
    if (this.written > MAX_BYTES) throw tooLarge();
  }
}

const tooLarge = (): ProjectError =>
  new ProjectError('This is more than one zip file can hold (4 GB). Export fewer runs at a time.');

/** Keeps nothing. */
export const NOWHERE: FileWriter = { write: (path, chunks) => fingerprint(path, chunks, () => {}) };

async function fingerprint(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  push: (piece: Uint8Array) => void,
): Promise<WrittenFile> {
  const hash = sha256.create();
  let bytes = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += PIECE) push(chunk.subarray(at, at + PIECE));
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { path, bytes, sha256: bytesToHex(hash.digest()) };
}
