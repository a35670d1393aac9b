/** Writes project files; format.ts describes them. */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { IDBPDatabase } from 'idb';
import { encode, type Sink } from './codec.ts';
import { FOLDER, FORMAT, INDEX, LAYOUT, type ProjectIndex, type ProjectOwner } from './format.ts';
import { type Kind, recordsIn, type StoredRecord, storesOf } from './records.ts';
import { type FileWriter, type WrittenFile, ZipWriter } from './zip-writer.ts';

export interface OwnerRef {
  readonly kind: Kind;
  readonly id: string;
  readonly name: string;
}

/** Told how much is written, in bytes before compression. */
export type Watch = (bytes: number) => void;

/**
 * All that belongs to the owners, as one zip file. The caller sees to it that none of them is written to meanwhile.
 *
 * @throws ProjectError where it would not fit into one file; whatever `signal` was aborted with
 */
export async function exportProject(
  db: IDBPDatabase,
  owners: readonly OwnerRef[],
  signal: AbortSignal,
  watch: Watch,
): Promise<Blob> {
  const writer = new ZipWriter();
  const counts: Record<Kind, number> = { run: 0, dataset: 0, model: 0 };
  const written: ProjectOwner[] = [];
  for (const owner of owners) {
    const folder = `${FOLDER[owner.kind]}/${++counts[owner.kind]}`;
    written.push({ ...owner, folder, files: await exportOwner(db, owner, folder, writer, signal, watch) });
  }
  const index: ProjectIndex = {
    format: FORMAT,
    version: LAYOUT,
    schema: db.version,
    created: new Date().toISOString(),
    stores: [...db.objectStoreNames],
    owners: written,
  };
  const text = `${JSON.stringify(index, null, 2)}\n`;
  await writer.write(INDEX, one(utf8ToBytes(text)), false);
  return writer.finish();
}

/** The files of one owner; with NOWHERE as the writer, only their fingerprints. */
export async function exportOwner(
  db: IDBPDatabase,
  { kind, id }: Pick<OwnerRef, 'kind' | 'id'>,
  folder: string,
  writer: FileWriter,
  signal: AbortSignal,
  watch: Watch,
): Promise<WrittenFile[]> {
  const files: WrittenFile[] = [];
  const write = async (path: string, chunks: AsyncIterable<Uint8Array>, plain: boolean) => {
    files.push(await writer.write(`${folder}/${path}`, watched(chunks, signal, watch), plain));
  };
  for (const store of storesOf(db, kind)) {
    const pass = new Pass();
    const lines = encoded(recordsIn(db, store, id), pass);
    const first = await lines.next();
    if (first.done) continue;
    await write(`${store}.jsonl`, withFirst(first.value, lines), false);
    // The lines said where the bytes will be; now the records are read again for the bytes themselves.
    if (pass.size > 0) await write(`${store}.bin`, binaries(recordsIn(db, store, id)), true);
    for (const [path, blob] of pass.files) await write(path, chunksOf(blob), true);
  }
  return files;
}

/** What one reading of a store's records has met. */
class Pass implements Sink {
  size = 0;
  readonly files = new Map<string, Blob>();
  /** Suggested by the record's key. */
  name = '';

  bytes(bytes: Uint8Array): number {
    const at = this.size;
    this.size += bytes.byteLength;
    return at;
  }

  file(blob: Blob): string {
    // A name that is not plain, or was used before, is replaced: what stands in a key comes from the user's disk.
    const plain = /^(?!.*\.\.)[\w-][\w.-]{0,80}(\/[\w-][\w.-]{0,80}){0,4}$/.test(this.name);
    const wanted = `files/${this.name}`;
    const taken = [...this.files.keys()].some((path) => path === wanted || nested(path, wanted));
    const path = plain && !taken ? wanted : `files/${this.files.size + 1}.file`;
    this.files.set(path, blob);
    return path;
  }
}

const nested = (a: string, b: string): boolean => a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

async function* encoded(records: AsyncIterable<StoredRecord>, pass: Pass): AsyncGenerator<Uint8Array, void> {
  for await (const { key, value } of records) {
    pass.name = Array.isArray(key) ? key.slice(1).map(String).join('/') : '';
    yield utf8ToBytes(`${JSON.stringify({ key, value: encode(value, pass) })}\n`);
  }
}

async function* binaries(records: AsyncIterable<StoredRecord>): AsyncGenerator<Uint8Array, void> {
  const found: Uint8Array[] = [];
  const sink: Sink = { bytes: (bytes) => found.push(bytes), file: () => '' };
  for await (const { value } of records) {
    encode(value, sink);
    yield* found.splice(0);
  }
}

async function* chunksOf(blob: Blob): AsyncGenerator<Uint8Array, void> {
  const size = 4 << 20;
  for (let at = 0; at < blob.size; at += size) {
    yield new Uint8Array(await blob.slice(at, at + size).arrayBuffer());
  }
}

async function* withFirst(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  yield first;
  yield* rest;
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  watch: Watch,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    yield chunk;
    watch(chunk.byteLength);
  }
}
