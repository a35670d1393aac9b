/**
 * The database seen as records that have an owner: a run, a data set or a stored model. A record belongs to the owner
 * whose id is its key or the first part of its key, in whatever object store it lies. So what copies, measures, exports
 * and imports needs no list of the stores, and a store that is added later takes part by itself.
 */
import { type IDBPDatabase, openDB } from 'idb';
import { openStorage } from '../index.ts';

export type Kind = 'run' | 'dataset' | 'model';

export interface StoredRecord {
  readonly store: string;
  readonly key: IDBValidKey;
  readonly value: unknown;
}

/** The stores whose one record makes a run, a data set or a model exist: written last, deleted first. */
export const HEAD: Readonly<Record<Kind, string>> = { run: 'runs', dataset: 'datasets', model: 'folders' };
const OF_MODELS: readonly string[] = ['models', HEAD.model];
/** What came from a hub is there for everyone: it is fetched again, not copied. */
const OF_HUBS: readonly string[] = ['hub', 'parts'];
/** Labs are not part of projects: a lab's findings leave as its report, and its adapters as runs' do. */
const OF_LABS: readonly string[] = ['labs', 'rewards', 'diagnosis', 'verdicts'];
const APART = [...OF_HUBS, ...OF_LABS];

/** Read at once; a record is a prompt's answers, a chunk of rows, or an adapter. */
const BATCH = 64;

/** The page's database, brought up to date, without the types of its stores. */
export async function openRecords(name = 'self-contrast'): Promise<IDBPDatabase> {
  // Migrations, and errors in words where the browser refuses, are openStorage's.
  (await openStorage(name)).close();
  return openDB(name, undefined, { blocking: closeForNewer });
}

/** A newer version of the page in another tab must not wait for this one. */
function closeForNewer(_current: number, _blocked: number | null, event: IDBVersionChangeEvent): void {
  if (event.target instanceof IDBDatabase) event.target.close();
}

export function storesOf(db: IDBPDatabase, kind: Kind): string[] {
  return [...db.objectStoreNames].filter(
    (store) => !APART.includes(store) && OF_MODELS.includes(store) === (kind === 'model'),
  );
}

/** The keys an owner's records may have. */
const ranges = (id: string): IDBKeyRange[] => [IDBKeyRange.only(id), IDBKeyRange.bound([id], [id, []])];

/** An owner's records in one store, in the order of their keys, a batch in memory at a time. */
export async function* recordsIn(
  db: IDBPDatabase,
  store: string,
  id: string,
): AsyncGenerator<StoredRecord, void, undefined> {
  for (const whole of ranges(id)) {
    let range: IDBKeyRange | null = whole;
    while (range !== null) {
      const { keys, values } = await batch(db, store, range);
      for (const [i, key] of keys.entries()) yield { store, key, value: values[i] };
      const last: IDBValidKey | undefined = keys.length < BATCH ? undefined : keys.at(-1);
      range = last === undefined ? null : IDBKeyRange.bound(last, whole.upper, true);
    }
  }
}

async function batch(
  db: IDBPDatabase,
  store: string,
  range: IDBKeyRange,
): Promise<{ keys: IDBValidKey[]; values: unknown[] }> {
  const tx = db.transaction(store);
  const [keys, values] = await Promise.all([
    tx.store.getAllKeys(range, BATCH),
    tx.store.getAll(range, BATCH),
    tx.done,
  ]);
  return { keys, values };
}

/** The key with another owner. */
export function rekeyed(key: IDBValidKey, owner: string): IDBValidKey {
  return Array.isArray(key) ? [owner, ...key.slice(1)] : owner;
}

export function ownerOf(key: IDBValidKey): string | null {
  const owner = Array.isArray(key) ? key[0] : key;
  return typeof owner === 'string' ? owner : null;
}

/** Whether a run, data set or model of that id is there for others to see. */
export async function exists(db: IDBPDatabase, kind: Kind, id: string): Promise<boolean> {
  return (await db.getKey(HEAD[kind], id)) !== undefined;
}

/** Deletes all an owner has, in one transaction. */
export async function deleteOwner(db: IDBPDatabase, kind: Kind, id: string): Promise<void> {
  const stores = storesOf(db, kind);
  const tx = db.transaction(stores, 'readwrite');
  const deletions = stores.flatMap((store) => ranges(id).map((range) => tx.objectStore(store).delete(range)));
  await Promise.all([...deletions, tx.done]);
}

/**
 * The bytes an owner takes, about: strings and numbers as the browser serialises them, binary data as they are. Every
 * record is looked at once, a batch in memory at a time; what the browser adds or compresses is not seen.
 */
export async function sizeOf(db: IDBPDatabase, kind: Kind, id: string): Promise<number> {
  let bytes = 0;
  for (const store of storesOf(db, kind)) {
    for await (const { value } of recordsIn(db, store, id)) bytes += sizeOfValue(value) + 40;
  }
  return bytes;
}

function sizeOfValue(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return 3 + value.length;
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 30 ? 3 : 9;
    case 'object':
      break;
    default:
      return 2;
  }
  if (value === null) return 1;
  if (value instanceof Blob) return value.size;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return 16 + value.byteLength;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOfValue(item), 6);
  let bytes = 4;
  for (const [name, inner] of Object.entries(value)) bytes += 3 + name.length + sizeOfValue(inner);
  return bytes;
}
