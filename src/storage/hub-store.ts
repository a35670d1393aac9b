/** Models fetched from a hub: a record each, and the bytes of their files in parts as they came. */
import type { FileSource, RangedFile } from '../engine/types.ts';
import { InputError, visible } from '../model/text.ts';
import { under } from './chunks.ts';
import { explained, StorageError } from './errors.ts';
import type { Database, HubFile, HubRecord } from './schema.ts';

export interface HubStore {
  list(): Promise<HubRecord[]>;
  get(key: string): Promise<HubRecord | undefined>;
  put(record: HubRecord): Promise<void>;
  /** With all its parts, in one transaction. */
  remove(key: string): Promise<void>;
  /** Bytes of a file that are stored from its beginning on, without a gap. */
  stored(key: string, path: string): Promise<number>;
  /** Adds what comes after `from` stored bytes. */
  addPart(key: string, path: string, from: number, data: Blob): Promise<void>;
  clearFile(key: string, path: string): Promise<void>;
  /** A file's parts, one after the other. */
  parts(key: string, path: string): AsyncGenerator<Blob, void>;
  /** A small file of a model of which others may be missing; null where it is not stored whole itself. */
  read(record: HubRecord, path: string): Promise<Uint8Array | null>;
  /** The files of a model that is stored whole. @throws StorageError where something of it is missing */
  source(record: HubRecord): Promise<FileSource>;
}

export const isComplete = ({ files }: HubRecord): boolean => files.every(({ checked }) => checked);

export function hubStore(db: Database): HubStore {
  const keys = (key: string, path: string) => db.getAllKeys('parts', under(key, path));
  const stored = async (key: string, path: string): Promise<number> => {
    let end = 0;
    for (const part of await keys(key, path)) {
      if (part[2] !== end) break;
      end += (await db.get('parts', part))?.size ?? 0;
    }
    return end;
  };
  const self: HubStore = {
    list: () => db.getAll('hub'),
    get: (key) => db.get('hub', key),
    put: async (record) => {
      await explained(db.put('hub', record, record.key));
    },
    remove: async (key) => {
      const tx = db.transaction(['hub', 'parts'], 'readwrite');
      await explained(
        Promise.all([tx.objectStore('hub').delete(key), tx.objectStore('parts').delete(under(key)), tx.done]),
      );
    },
    stored,
    addPart: async (key, path, from, data) => {
      await explained(db.put('parts', data, [key, path, from]));
    },
    clearFile: (key, path) => db.delete('parts', under(key, path)),
    parts: async function* (key, path) {
      for (const part of await keys(key, path)) {
        const data = await db.get('parts', part);
        if (data !== undefined) yield data;
      }
    },
    read: async (record, path) => {
      const file = record.files.find((each) => each.path === path);
      const whole = file?.checked === true && (await stored(record.key, path)) === file.size;
      return whole ? source(db, record).read(path) : null;
    },
    source: async (record) => {
      for (const { path, size, checked } of record.files) {
        if (!checked || (await stored(record.key, path)) !== size) throw damaged(record, path);
      }
      return source(db, record);
    },
  };
  return self;
}

const damaged = ({ id }: HubRecord, path: string): StorageError =>
  new StorageError(
    'missing',
    `What is stored of ${visible(id)} is not whole: ${visible(path)} is missing or damaged. Download the model again; what is right of it is kept.`,
  );

function source(db: Database, record: HubRecord): FileSource {
  const find = (path: string) => record.files.find((file) => file.path === path);
  const open = async (path: string): Promise<RangedFile | null> => {
    const file = find(path);
    return file === undefined ? null : partedFile(db, record, file);
  };
  return {
    name: record.id,
    open,
    read: async (path) => {
      const file = await open(path);
      return file === null ? null : file.read(0, file.size);
    },
  };
}

/** Reads across parts; a part's bytes are fetched from the disk only where they are asked for. */
async function partedFile(db: Database, record: HubRecord, { path, size }: HubFile): Promise<RangedFile> {
  const starts = (await db.getAllKeys('parts', under(record.key, path))).map(([, , from]) => from);
  return {
    size,
    read: async (start, end, signal) => {
      if (start < 0 || end < start || end > size) {
        throw new InputError(`${path} has ${size} bytes, ${start} to ${end} were asked for`);
      }
      const bytes = new Uint8Array(end - start);
      let at = start;
      // The last part that begins at or before `start`.
      let part = starts.findLastIndex((from) => from <= start);
      while (at < end) {
        signal?.throwIfAborted();
        const from = starts[part];
        const data = from === undefined ? undefined : await db.get('parts', [record.key, path, from]);
        if (from === undefined || data === undefined || from + data.size <= at) throw damaged(record, path);
        const piece = await data.slice(at - from, end - from).arrayBuffer();
        if (piece.byteLength === 0) throw damaged(record, path);
        bytes.set(new Uint8Array(piece), at - start);
        at += piece.byteLength;
        part++;
      }
      return bytes;
    },
  };
}
