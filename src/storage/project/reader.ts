/** Reads project files: what is in them is checked against project.json before a record is believed. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { blobSource, Zip, ZipError } from '../../model/zip.ts';
import { CodecError, decode, type Source } from './codec.ts';
import type { Watch } from './export.ts';
import { INDEX, ProjectError, type ProjectIndex, type ProjectOwner, parseIndex } from './format.ts';
import type { StoredRecord } from './records.ts';

/** As much as a zip file without zip64 can hold, of as many files as zip-writer.ts writes. */
const LIMITS = { entries: 65_001, entryBytes: 2 ** 32, totalBytes: 2 ** 33 };
const MAX_INDEX = 64 << 20;
/** Characters of one record; JavaScript's strings end at twice that. */
const MAX_LINE = 2 ** 28;

export interface OpenProject {
  readonly zip: Zip;
  readonly index: ProjectIndex;
  /** Of all files but project.json. */
  readonly bytes: number;
}

/** @throws ProjectError */
export async function openProject(file: Blob, schema: number): Promise<OpenProject> {
  const zip = await inWords(() => Zip.open(blobSource(file), LIMITS));
  if (!zip.entries.has(INDEX)) {
    throw new ProjectError(
      `This zip file has no ${INDEX}: it is not a project file of this page, or writing it was broken off.`,
    );
  }
  const text = await inWords(() => zip.bytes(INDEX, MAX_INDEX));
  const index = parseIndex(new TextDecoder().decode(text), schema);
  const listed = new Map<string, number>();
  for (const { folder, files } of index.owners) {
    for (const { path, bytes } of files) {
      if (!path.startsWith(`${folder}/`))
        throw new ProjectError(`${INDEX} lists ${path} outside of ${folder}.`);
      if (listed.has(path)) throw new ProjectError(`${INDEX} lists ${path} twice.`);
      listed.set(path, bytes);
    }
  }
  for (const [path, bytes] of listed) {
    const entry = zip.entries.get(path);
    if (entry === undefined) throw new ProjectError(`The file is incomplete: ${path} is missing.`);
    if (entry.size !== bytes) throw new ProjectError(`The file is damaged: ${path} has another length.`);
  }
  const extra = [...zip.entries.keys()].find((path) => path !== INDEX && !listed.has(path));
  if (extra !== undefined)
    throw new ProjectError(`The file has an entry that ${INDEX} does not list: ${extra}.`);
  return { zip, index, bytes: [...listed.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

/**
 * Compares every file with its SHA-256.
 *
 * @throws ProjectError naming the first that differs
 */
export async function verify({ zip, index }: OpenProject, signal: AbortSignal, watch: Watch): Promise<void> {
  for (const { path, sha256: expected } of index.owners.flatMap(({ files }) => files)) {
    const hash = sha256.create();
    for await (const chunk of words(zip.chunks(path, signal))) {
      hash.update(chunk);
      watch(chunk.byteLength);
    }
    if (bytesToHex(hash.digest()) !== expected) {
      throw new ProjectError(
        `The file is damaged: the fingerprint (SHA-256) of ${path} is not the one listed.`,
      );
    }
  }
}

/**
 * An owner's records in one store, as they were exported.
 *
 * @throws ProjectError with file and line
 */
export async function* readRecords(
  zip: Zip,
  { folder }: ProjectOwner,
  store: string,
  signal: AbortSignal,
  watch: Watch,
): AsyncGenerator<StoredRecord, void> {
  const path = `${folder}/${store}.jsonl`;
  const source = new FileSource(zip, folder, store, signal, watch);
  let line = 0;
  for await (const text of linesOf(zip, path, signal, watch)) {
    line++;
    try {
      const record = await decode(JSON.parse(text), source);
      if (!isRecord(record)) throw new CodecError('there is no key or no value');
      yield { store, key: record.key, value: record.value };
    } catch (error) {
      if (signal.aborted) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new ProjectError(`${path}, line ${line}: ${message}`, { cause: error });
    }
  }
}

/** The stores an owner has records in. */
export function storesIn({ folder, files }: ProjectOwner): string[] {
  return files.flatMap(({ path }) => {
    const name = path.slice(folder.length + 1);
    return /^[\w-]+\.jsonl$/.test(name) ? [name.slice(0, -'.jsonl'.length)] : [];
  });
}

function isRecord(record: unknown): record is { key: IDBValidKey; value: unknown } {
  if (typeof record !== 'object' || record === null || !('key' in record) || !('value' in record))
    return false;
  const { key } = record;
  const part = (x: unknown) => typeof x === 'string' || typeof x === 'number';
  return part(key) || (Array.isArray(key) && key.length > 0 && key.every(part));
}

async function* linesOf(
  zip: Zip,
  path: string,
  signal: AbortSignal,
  watch: Watch,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of words(zip.chunks(path, signal))) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw new ProjectError(`${path} has a line that is too long.`);
    yield* lines;
    watch(chunk.byteLength);
  }
  if (rest !== '') yield rest;
}

/** The binary parts of one store, read from beginning to end beside its lines. */
class FileSource implements Source {
  private readonly zip: Zip;
  private readonly folder: string;
  private readonly path: string;
  private readonly signal: AbortSignal;
  private readonly watch: Watch;
  private chunks: AsyncGenerator<Uint8Array, void> | null = null;
  private rest: Uint8Array = new Uint8Array();
  private at = 0;

  constructor(zip: Zip, folder: string, store: string, signal: AbortSignal, watch: Watch) {
    this.zip = zip;
    this.folder = folder;
    this.path = `${folder}/${store}.bin`;
    this.signal = signal;
    this.watch = watch;
  }

  async bytes(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const size = this.zip.entries.get(this.path)?.size ?? 0;
    if (offset !== this.at || offset + length > size) {
      throw new CodecError(`bytes ${offset} to ${offset + length} are not where ${this.path} has them`);
    }
    this.chunks ??= this.zip.chunks(this.path, this.signal);
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (this.rest.byteLength === 0) {
        const next = await this.chunks.next();
        if (next.done) throw new CodecError(`${this.path} ends early`);
        this.rest = next.value;
      }
      const part = this.rest.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.byteLength;
      this.rest = this.rest.subarray(part.byteLength);
    }
    this.at += length;
    this.watch(length);
    return bytes;
  }

  async file(path: string, type: string): Promise<Blob> {
    const parts: Blob[] = [];
    // Blobs in between are kept on disk by the browser.
    for await (const chunk of this.zip.chunks(`${this.folder}/${path}`, this.signal)) {
      parts.push(new Blob([Uint8Array.from(chunk)]));
      this.watch(chunk.byteLength);
    }
    return new Blob(parts, { type });
  }
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(error);
  }
}

async function* words(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    yield* chunks;
  } catch (error) {
    throw explain(error);
  }
}

function explain(error: unknown): unknown {
  if (!(error instanceof ZipError)) return error;
  return new ProjectError(`The file cannot be read: ${error.message}.`, { cause: error });
}
