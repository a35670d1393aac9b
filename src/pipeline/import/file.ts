/** Files as the readers want them, from whatever holds the bytes. */
import { DataError } from './errors.ts';
import type { DataFile } from './types.ts';

/** Bytes read at a time. */
const PIECE = 2 ** 20;

/** The part of a browser's Blob or File that is used; Node's Blob fits too. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** A file over a Blob, e.g. one that was dropped on the page. Nothing is read before it is asked for. */
export function blobFile(blob: BlobLike, name: string): DataFile {
  return fileOf(name, blob.size, async (start, end) => {
    try {
      return new Uint8Array(await blob.slice(start, end).arrayBuffer());
    } catch (error) {
      // Browsers refuse to read a file that was changed or moved after it was picked.
      throw new DataError(
        `${name} can't be read any more (${error instanceof Error ? error.message : String(error)}); ` +
          'choose it again if it was changed or moved',
      );
    }
  });
}

/** A file over bytes in memory. */
export function bytesFile(bytes: Uint8Array, name: string): DataFile {
  return fileOf(name, bytes.length, async (start, end) => bytes.subarray(start, end));
}

/** A file over any way to read a range. */
export function fileOf(
  name: string,
  size: number,
  read: (start: number, end: number) => Promise<Uint8Array>,
): DataFile {
  const slice = async (start: number, end: number) => {
    if (!(start >= 0 && start <= end && end <= size)) {
      throw new DataError(`${name} is damaged: it points to bytes ${start} to ${end}, but has only ${size}`);
    }
    const bytes = await read(start, end);
    if (bytes.length !== end - start)
      throw new DataError(`${name} changed while it was read; choose it again`);
    return bytes;
  };
  return {
    name,
    size,
    slice,
    async *stream() {
      for (let at = 0; at < size; at += PIECE) yield await slice(at, Math.min(at + PIECE, size));
    },
  };
}
