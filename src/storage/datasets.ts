/** Data sets: rows in chunks, the info written last. */
import type { IDBPTransaction } from 'idb';
import type { LabManifest } from '../lab/types.ts';
import { kindsOf, NO_COUNTS } from '../pipeline/describe.ts';
import type { DataRow, Dataset, DatasetCounts, DatasetInfo, RefusedRow } from '../pipeline/types.ts';
import { Chunker, readItems, refusedSize, rowSize, under } from './chunks.ts';
import { explained, need } from './errors.ts';
import type { Database, Schema, Stores } from './schema.ts';

/** A data set that no run or lab has taken is kept so long: its import ended when its page was closed. */
const UNUSED_MS = 60 * 60 * 1000;

/** After every name of a part. */
const LAST = '\uffff';

/** Stores of a data set, for transactions that delete one. */
export const DATASET_STORES: Stores = ['datasets', 'rows', 'refused'];

export type DatasetDetails = Pick<DatasetInfo, 'name' | 'fingerprint' | 'format' | 'container'>;

/** Takes rows as they are read. Nothing of the data set is seen by anyone before `finish`. */
export interface DatasetWriter {
  readonly id: string;
  addRows(part: 'rows' | 'heldOut', rows: readonly DataRow[]): Promise<void>;
  addRefused(part: 'refused' | 'duplicates', rows: readonly RefusedRow[]): Promise<void>;
  /** Where the same rows are stored already under the same name, theirs is the info and these are dropped. */
  finish(details: DatasetDetails): Promise<DatasetInfo>;
  /** Removes what was written. */
  discard(): Promise<void>;
}

const lockName = (id: string): string => `self-contrast: data set ${id}`;

/** Held while an owner's chunks are written, so that another tab does not take them for left-overs. */
export async function hold(id: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(lockName(id), () => new Promise<void>((release) => resolve(release)))
      .catch(reject);
  });
}

export async function writeDataset(db: Database, id: string = crypto.randomUUID()): Promise<DatasetWriter> {
  const release = await hold(id);
  const counts = { ...NO_COUNTS };
  /** One write is under way while the next chunk is read. */
  let writing: Promise<unknown> = Promise.resolve();
  const inTurn = async (write: () => Promise<unknown>) => {
    await writing;
    writing = explained(write());
    writing.catch(() => undefined); // told by the next call
  };
  const rowChunks = (part: string) =>
    new Chunker<DataRow>(rowSize, (from, chunk) => inTurn(() => db.put('rows', chunk, [id, part, from])));
  const refusedChunks = (part: string) =>
    new Chunker<RefusedRow>(refusedSize, (from, chunk) =>
      inTurn(() => db.put('refused', chunk, [id, part, from])),
    );
  const rows = { rows: rowChunks('rows'), heldOut: rowChunks('heldOut') };
  const refused = { refused: refusedChunks('refused'), duplicates: refusedChunks('duplicates') };
  const discard = async () => {
    await writing.catch(() => undefined);
    try {
      await removeDataset(db, id);
    } finally {
      release();
    }
  };
  return {
    id,
    addRows: async (part, list) => {
      counts[part] += list.length;
      if (part === 'rows') addKinds(counts, kindsOf(list));
      await rows[part].add(list);
    },
    addRefused: async (part, list) => {
      counts[part] += list.length;
      await refused[part].add(list);
    },
    finish: async (details) => {
      for (const chunks of [rows.rows, rows.heldOut, refused.refused, refused.duplicates]) {
        await chunks.flush();
      }
      await writing;
      const info: DatasetInfo = { id, created: Date.now(), ...details, counts: { ...counts } };
      const same = await findSame(db, info);
      if (same !== undefined) {
        await discard();
        return same;
      }
      await explained(db.put('datasets', info, id));
      release();
      return info;
    },
    discard,
  };
}

type Kinds = ReturnType<typeof kindsOf>;

function addKinds(counts: { -readonly [K in keyof DatasetCounts]: number }, kinds: Kinds): void {
  counts.promptOnly += kinds.promptOnly;
  counts.withRejected += kinds.withRejected;
  counts.multiTurn += kinds.multiTurn;
}

async function findSame(
  db: Database,
  { fingerprint, name, counts }: DatasetInfo,
): Promise<DatasetInfo | undefined> {
  const all = await db.getAll('datasets');
  return all.find(
    (other) =>
      other.fingerprint === fingerprint &&
      other.name === name &&
      JSON.stringify(other.counts) === JSON.stringify(counts),
  );
}

/** Stores a data set that is in memory already. */
export async function saveDataset(db: Database, dataset: Dataset): Promise<DatasetInfo> {
  const writer = await writeDataset(db);
  try {
    await writer.addRows('rows', dataset.rows);
    await writer.addRows('heldOut', dataset.heldOut ?? []);
    await writer.addRefused('refused', dataset.refused);
    await writer.addRefused('duplicates', dataset.duplicates ?? []);
    return await writer.finish({ name: dataset.name, fingerprint: dataset.fingerprint });
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** All of a data set; the page reads pages instead. */
export async function loadDataset(db: Database, id: string): Promise<Dataset> {
  const { name, fingerprint, counts } = await need(db.get('datasets', id), "The run's data set");
  const [rows, heldOut, refused, duplicates] = await Promise.all([
    readItems(db.transaction('rows').store, id, 'rows'),
    readItems(db.transaction('rows').store, id, 'heldOut'),
    readItems(db.transaction('refused').store, id, 'refused'),
    readItems(db.transaction('refused').store, id, 'duplicates'),
  ]);
  return {
    id,
    name,
    fingerprint,
    rows,
    refused,
    ...(counts.heldOut > 0 && { heldOut }),
    ...(counts.duplicates > 0 && { duplicates }),
  };
}

export async function removeDataset(db: Database, id: string): Promise<void> {
  const tx = db.transaction([...DATASET_STORES], 'readwrite');
  await Promise.all([...deleteDataset(tx, id), tx.done]);
}

/** Within a transaction over DATASET_STORES. */
export function deleteDataset(tx: IDBPTransaction<Schema, Stores, 'readwrite'>, id: string): Promise<void>[] {
  return [
    tx.objectStore('datasets').delete(id),
    tx.objectStore('rows').delete(under(id)),
    tx.objectStore('refused').delete(under(id)),
  ];
}

/** What keeps data sets: a transaction that removes one by who uses it looks into these. */
export const USER_STORES: Stores = ['runs', 'labs'];

/** Ids of the data sets that runs and labs use, other than the run or lab `except`. */
export async function usedDatasets(
  tx: Pick<IDBPTransaction<Schema, Stores, IDBTransactionMode>, 'objectStore'>,
  except?: string,
): Promise<Set<string>> {
  const [runs, labs] = await Promise.all([tx.objectStore('runs').getAll(), tx.objectStore('labs').getAll()]);
  const used = new Set<string>();
  for (const { id, datasetId } of runs) if (id !== except) used.add(datasetId);
  for (const { id, ...lab } of labs) {
    if (id === except) continue;
    for (const name of datasetsOf(lab)) used.add(name);
  }
  return used;
}

/** The data sets of a lab: its own, and the answers of other models. */
export function datasetsOf({
  datasetId,
  importedId,
}: Pick<LabManifest, 'datasetId' | 'importedId'>): string[] {
  return importedId === undefined ? [datasetId] : [datasetId, importedId];
}

/** Removes chunks of imports that never ended, and data sets that no run or lab has taken for an hour. */
export async function sweepDatasets(db: Database, now = Date.now()): Promise<void> {
  const ids = new Set([
    ...(await db.getAllKeys('datasets')),
    ...(await ownersOf(db, 'rows')),
    ...(await ownersOf(db, 'refused')),
  ]);
  const kept = await keptOwners(db);
  for (const { id, created } of await db.getAll('datasets')) if (now - created < UNUSED_MS) kept.add(id);
  for (const id of ids) {
    if (kept.has(ownerId(id))) continue;
    await navigator.locks.request(lockName(id), { ifAvailable: true }, async (lock) => {
      if (lock !== null && (await isUnused(db, id, now))) await removeDataset(db, id);
    });
  }
}

/** Asked again under the lock: an import may have ended, or a run taken the data set, since the lists were made. */
async function isUnused(db: Database, id: string, now: number): Promise<boolean> {
  const info = await db.get('datasets', id);
  if (info !== undefined && now - info.created < UNUSED_MS) return false;
  return !(await keptOwners(db)).has(ownerId(id));
}

/** Runs, labs, and the data sets they use: whose chunks stay. */
async function keptOwners(db: Database): Promise<Set<string>> {
  const tx = db.transaction([...USER_STORES]);
  const [used, runs, labs] = await Promise.all([
    usedDatasets(tx),
    tx.objectStore('runs').getAllKeys(),
    tx.objectStore('labs').getAllKeys(),
  ]);
  return new Set([...used, ...runs, ...labs]);
}

/** A lab's piece, LAB/KEY, lives as long as its lab. */
const ownerId = (id: string): string => id.split('/')[0] ?? id;

/** Who owns chunks, by skipping from one owner's first key to the next's. */
async function ownersOf(db: Database, store: 'rows' | 'refused'): Promise<string[]> {
  const owners: string[] = [];
  let cursor = await db.transaction(store).store.openKeyCursor();
  while (cursor !== null) {
    const [owner] = cursor.key;
    owners.push(owner);
    cursor = await cursor.continue([owner, LAST, 0]);
  }
  return owners;
}
