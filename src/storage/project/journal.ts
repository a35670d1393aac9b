/**
 * The ids under which records are being written that nobody may see yet: by an import, by a copy of a run. Kept in a
 * small database of its own, so that what a closed tab or a lost power leaves half written is found and removed.
 */
import { type IDBPDatabase, openDB } from 'idb';
import { hold } from '../datasets.ts';
import { deleteOwner, exists, type Kind } from './records.ts';

export interface Owner {
  readonly kind: Kind;
  readonly id: string;
}

/** Held while anything of the journal is at work. */
export const IMPORT_LOCK = 'import';

const STORE = 'unfinished';
const keyOf = ({ kind, id }: Owner): IDBValidKey => [kind, id];

async function within<T>(db: IDBPDatabase, work: (journal: IDBPDatabase) => Promise<T>): Promise<T> {
  const journal = await openDB(`${db.name}-journal`, 1, {
    upgrade: (fresh) => void fresh.createObjectStore(STORE),
  });
  try {
    return await work(journal);
  } finally {
    journal.close();
  }
}

/** Keeps the sweep of unfinished data sets, in this tab and others, away from these owners until it is released. */
export async function holdAll(owners: readonly Owner[]): Promise<() => void> {
  const releases = await Promise.all(owners.map(({ id }) => hold(id)));
  return () => {
    for (const release of releases) release();
  };
}

/** Before the first record of these owners is written. */
export async function note(db: IDBPDatabase, owners: readonly Owner[]): Promise<void> {
  await within(db, async (journal) => {
    const tx = journal.transaction(STORE, 'readwrite');
    await Promise.all([
      ...owners.map(({ kind, id }) => tx.store.put({ kind, id }, keyOf({ kind, id }))),
      tx.done,
    ]);
  });
}

/** After the last; `delete` removes what was written. */
export async function forget(
  db: IDBPDatabase,
  owners: readonly Owner[],
  what: 'keep' | 'delete',
): Promise<void> {
  if (what === 'delete') for (const { kind, id } of owners) await deleteOwner(db, kind, id);
  await within(db, async (journal) => {
    const tx = journal.transaction(STORE, 'readwrite');
    await Promise.all([...owners.map((owner) => tx.store.delete(keyOf(owner))), tx.done]);
  });
}

/** Removes what was broken off. Only to be called while IMPORT_LOCK is held. */
export async function sweep(db: IDBPDatabase): Promise<void> {
  const unfinished: Owner[] = await within(db, (journal) => journal.getAll(STORE));
  for (const owner of unfinished) {
    // What an import brings becomes visible all at once: what is, was written whole, or since then by someone else.
    await forget(db, [owner], (await exists(db, owner.kind, owner.id)) ? 'keep' : 'delete');
  }
}
