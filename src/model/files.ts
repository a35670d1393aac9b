/** Files of a model, wherever they are: the embedded folder, a stored one, a hub, a disk. */
import { InputError } from './text.ts';

export interface FileSource {
  readonly name: string;
  /** The file's bytes, or null where there is no such file. */
  read(path: string, signal?: AbortSignal): Promise<Uint8Array | null>;
  /** A file to be read in parts, as large ones are; null where there is no such file. */
  open(path: string, signal?: AbortSignal): Promise<RangedFile | null>;
}

export interface RangedFile {
  readonly size: number;
  /** Bytes [start, end). @throws InputError where the file ends before `end` */
  read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Bytes in memory as a file. */
export function bytesFile(bytes: Uint8Array): RangedFile {
  return {
    size: bytes.length,
    read: async (start, end) => {
      if (end > bytes.length) throw new InputError(`the file ends at ${bytes.length} bytes, before ${end}`);
      return bytes.subarray(start, end);
    },
  };
}

/** A source whose files are read whole and held in memory: small ones, and those of tests. */
export function wholeFiles(name: string, read: FileSource['read']): FileSource {
  return {
    name,
    read,
    open: async (path, signal) => {
      const bytes = await read(path, signal);
      return bytes && bytesFile(bytes);
    },
  };
}
