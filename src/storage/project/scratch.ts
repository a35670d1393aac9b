/** Records of an older schema, brought up to date by the migrations of the database itself. */
import { deleteDB, type IDBPDatabase, openDB } from 'idb';
import type { ProjectIndex, ProjectOwner } from './format.ts';
import { storesIn } from './reader.ts';
import { openRecords, recordsIn, type StoredRecord, storesOf } from './records.ts';

type Read = (owner: ProjectOwner, store: string) => AsyncIterable<StoredRecord>;

/**
 * Fills a database of its own, as old as the records; opens it as this page opens any old database; and hands its
 * records on. It is deleted in the end.
 */
export async function inScratch<T>(
  { schema, stores, owners }: Pick<ProjectIndex, 'schema' | 'stores' | 'owners'>,
  read: Read,
  use: (read: Read, stores: (owner: ProjectOwner) => readonly string[]) => Promise<T>,
): Promise<T> {
  const name = `self-contrast-import-${crypto.randomUUID()}`;
  let current: IDBPDatabase | null = null;
  try {
    const old = await openDB(name, schema, {
      upgrade: (db) => {
        for (const store of stores) db.createObjectStore(store);
      },
    });
    for (const owner of owners) {
      for (const store of storesIn(owner)) {
        for await (const { key, value } of read(owner, store)) await old.put(store, value, key);
      }
    }
    old.close();
    const fresh = await openRecords(name);
    current = fresh;
    return await use(
      (owner, store) => recordsIn(fresh, store, owner.id),
      ({ kind }) => storesOf(fresh, kind),
    );
  } finally {
    current?.close();
    await deleteDB(name);
  }
}
