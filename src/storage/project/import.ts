/**
 * Brings a project file into the browser's storage. Everything is verified before anything is written; records go in
 * under ids that nobody sees yet, and what makes runs and data sets visible is written last, all at once. What a
 * broken-off import leaves is listed in the journal, and goes with the next `sweep`.
 */
import type { IDBPDatabase } from 'idb';
import { checkSpace } from '../space.ts';
import { exportOwner, type Watch } from './export.ts';
import { fingerprintOf, ProjectError, type ProjectOwner } from './format.ts';
import { forget, holdAll, note } from './journal.ts';
import { openProject, readRecords, storesIn, verify } from './reader.ts';
import { exists, HEAD, type Kind, ownerOf, rekeyed, type StoredRecord, storesOf } from './records.ts';
import { checkRecord, renamed } from './records-check.ts';
import { inScratch } from './scratch.ts';
import { NOWHERE } from './zip-writer.ts';

export interface Imported {
  readonly kind: Kind;
  readonly name: string;
  /** Under which it is stored now. */
  readonly id: string;
  /** `same`: it was there already; `renamed`: another of its id was there. */
  readonly how: 'new' | 'same' | 'renamed';
}

/** Records written in one transaction. */
const BATCH = 128;
const BATCH_BYTES = 4 << 20;

/**
 * @param watch is told of twice the file's bytes: verified, then stored
 * @throws ProjectError; whatever `signal` was aborted with. Nothing is left of the import then.
 */
export async function importProject(
  db: IDBPDatabase,
  file: Blob,
  signal: AbortSignal,
  watch: (done: number, total: number) => void,
): Promise<Imported[]> {
  const project = await openProject(file, db.version);
  await checkSpace(
    project.bytes,
    (need, left) =>
      new ProjectError(
        `The file holds ${need}, and the browser gives this page only ${left} more. Delete runs you no longer need.`,
      ),
  );
  let done = 0;
  const step: Watch = (bytes) => {
    done += bytes;
    watch(done, project.bytes * 2);
  };
  await verify(project, signal, step);
  const { owners, schema } = project.index;
  const read = (owner: ProjectOwner, store: string) => readRecords(project.zip, owner, store, signal, step);
  if (schema === db.version) return store(db, owners, read, storesIn, signal);
  // The records of an older page become a database of that age, which is then brought up to date as any other.
  return inScratch(project.index, read, (from, stores) => store(db, owners, from, stores, signal));
}

type Read = (owner: ProjectOwner, store: string) => AsyncIterable<StoredRecord>;

async function store(
  db: IDBPDatabase,
  owners: readonly ProjectOwner[],
  read: Read,
  stores: (owner: ProjectOwner) => readonly string[],
  signal: AbortSignal,
): Promise<Imported[]> {
  const results: Imported[] = [];
  for (const owner of owners) results.push(await place(db, owner, signal));
  const ids = (kind: Kind) =>
    new Map(
      owners.flatMap((owner, i) => (owner.kind === kind ? [[owner.id, results[i]?.id ?? owner.id]] : [])),
    );
  const names = { model: ids('model'), dataset: ids('dataset') };
  const fresh = results.filter(({ how }) => how !== 'same');
  await note(db, fresh);
  const release = await holdAll(fresh);
  try {
    const heads: StoredRecord[] = [];
    for (const [i, owner] of owners.entries()) {
      const result = results[i];
      if (result === undefined || result.how === 'same') continue;
      for (const name of stores(owner)) {
        if (!storesOf(db, owner.kind).includes(name))
          throw new ProjectError(`${name} is not a kind of record.`);
        const records = rewritten(read(owner, name), owner, result.id, names);
        if (name === HEAD[owner.kind]) for await (const record of records) heads.push(record);
        else await write(db, name, records, signal);
      }
      if (!heads.some((head) => head.store === HEAD[owner.kind] && head.key === result.id)) {
        throw new ProjectError(`${owner.folder} lacks ${HEAD[owner.kind]}.jsonl.`);
      }
    }
    signal.throwIfAborted();
    await show(db, heads);
  } catch (error) {
    await forget(db, fresh, 'delete');
    throw error;
  } finally {
    release();
  }
  await forget(db, fresh, 'keep');
  return results;
}

/** Whether an owner is here already, and if not, under which id it will be. */
async function place(db: IDBPDatabase, owner: ProjectOwner, signal: AbortSignal): Promise<Imported> {
  const { kind, id, name } = owner;
  if (!(await exists(db, kind, id))) return { kind, name, id, how: 'new' };
  const files = await exportOwner(db, { kind, id }, owner.folder, NOWHERE, signal, () => {});
  if (contentOf({ ...owner, files }) === contentOf(owner)) return { kind, name, id, how: 'same' };
  if (kind !== 'model') return { kind, name, id: crypto.randomUUID(), how: 'renamed' };
  let next = 2;
  while (await exists(db, kind, `${id}-${next}`)) next++;
  return { kind, name, id: `${id}-${next}`, how: 'renamed' };
}

/** A model is its files, whenever they were stored. */
const contentOf = ({ kind, folder, files }: ProjectOwner): string =>
  fingerprintOf({
    folder,
    files: kind === 'model' ? files.filter(({ path }) => path !== `${folder}/${HEAD.model}.jsonl`) : files,
  });

/** Records under their new owner, with what they name renamed. */
async function* rewritten(
  records: AsyncIterable<StoredRecord>,
  owner: ProjectOwner,
  id: string,
  names: Readonly<Record<'model' | 'dataset', ReadonlyMap<string, string>>>,
): AsyncGenerator<StoredRecord, void> {
  for await (const record of records) {
    if (ownerOf(record.key) !== owner.id) {
      throw new ProjectError(`${owner.folder}/${record.store}.jsonl has a record of another owner.`);
    }
    const value = renamed(record.store, record.value, id, names);
    checkRecord(record.store, value, owner.folder);
    yield { store: record.store, key: rekeyed(record.key, id), value };
  }
}

async function write(
  db: IDBPDatabase,
  store: string,
  records: AsyncIterable<StoredRecord>,
  signal: AbortSignal,
): Promise<void> {
  let batch: StoredRecord[] = [];
  let bytes = 0;
  const flush = async () => {
    const tx = db.transaction(store, 'readwrite');
    await Promise.all([...batch.map(({ key, value }) => tx.store.put(value, key)), tx.done]);
    batch = [];
    bytes = 0;
  };
  for await (const record of records) {
    signal.throwIfAborted();
    batch.push(record);
    bytes += 1000 + weight(record.value);
    if (batch.length >= BATCH || bytes >= BATCH_BYTES) await flush();
  }
  await flush();
}

/** Bytes of what is large in a record, at a glance. */
function weight(value: unknown): number {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null || value instanceof Blob) return 8;
  return Object.values(value).reduce<number>((sum, inner) => sum + weight(inner), 8);
}

/** Makes runs, data sets and models visible, all at once. */
async function show(db: IDBPDatabase, heads: readonly StoredRecord[]): Promise<void> {
  if (heads.length === 0) return;
  const tx = db.transaction([...new Set(['datasets', ...heads.map(({ store: name }) => name)])], 'readwrite');
  const present = new Set<unknown>([
    ...(await tx.objectStore('datasets').getAllKeys()),
    ...heads.map(({ key }) => key),
  ]);
  // One that was there when the import began may have been deleted with its last run meanwhile.
  const lost = ({ value }: StoredRecord) =>
    typeof value === 'object' && value !== null && 'datasetId' in value && !present.has(value.datasetId);
  if (heads.some(lost)) {
    tx.abort();
    await tx.done.catch(() => undefined);
    throw new ProjectError('a data set was deleted while the file was read; import it again.');
  }
  await Promise.all([
    ...heads.map(({ store: name, key, value }) => tx.objectStore(name).put(value, key)),
    tx.done,
  ]);
}
