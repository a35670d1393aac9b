/** Fetches what a stored model lacks, and checks what it has. */

import { StorageError } from '../storage/errors.ts';
import type { HubStore } from '../storage/hub-store.ts';
import type { HubFile, HubRecord } from '../storage/schema.ts';
import { checkSpace, type EstimateStorage } from '../storage/space.ts';
import { isRight } from './check.ts';
import { HubError } from './errors.ts';
import type { Hub } from './http.ts';
import type { Meter } from './meter.ts';
import type { Patience } from './patience.ts';
import { bytesOf } from './stored.ts';
import { fetchFile, type Transfer } from './transfer.ts';

export interface Download {
  readonly hub: Hub;
  readonly store: HubStore;
  readonly meter: Meter;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly estimate: EstimateStorage;
}

/** Share of the bytes that the browser needs beyond them. */
const ASIDE = 0.02;

/** Bytes of a model's files that are stored. */
export async function storedBytes(store: HubStore, { key, files }: HubRecord): Promise<number> {
  let sum = 0;
  for (const { path, size } of files) sum += Math.min(size, await store.stored(key, path));
  return sum;
}

/**
 * Looks at every stored file that is said to be right.
 *
 * @returns the record, with those that are damaged not so any more
 */
export async function checkStored(
  { store, meter, signal }: Pick<Download, 'store' | 'meter' | 'signal'>,
  record: HubRecord,
): Promise<HubRecord> {
  meter.begin('checking', 0, bytesOf({ files: record.files.filter(({ checked }) => checked) }));
  const files: HubFile[] = [];
  for (const file of record.files) {
    if (file.checked) meter.at(file.path);
    const right = file.checked && (await isRight(store, record.key, file, signal, (n) => meter.add(n)));
    files.push({ ...file, checked: right });
  }
  return { ...record, files };
}

/**
 * Fetches and checks every file that is not known to be right. What stands in the way of one leaves those before it
 * stored; the caller sees to it that nobody reads or writes the model meanwhile.
 *
 * @throws HubError and its kinds, StorageError where there is no room, the reason of the signal
 */
export async function fetchMissing(download: Download, record: HubRecord): Promise<HubRecord> {
  const { store, meter, signal } = download;
  let now = record;
  const remember = async (file: HubFile) => {
    const files = now.files.map((other) => (other.path === file.path ? file : other));
    now = { ...now, files, changed: Date.now() };
    await store.put(now);
  };
  await store.put(now);
  const stored = await storedBytes(store, record);
  await checkRoom(download, bytesOf(record) - stored);
  meter.begin('fetching', stored, bytesOf(record));
  for (const file of record.files) {
    if (file.checked) continue;
    signal.throwIfAborted();
    meter.at(file.path);
    await fetchOne(download, now, file, remember);
  }
  return now;
}

async function fetchOne(
  { hub, store, meter, patience, signal }: Download,
  { key, id, commit, revisions }: HubRecord,
  file: HubFile,
  remember: (file: HubFile) => Promise<void>,
): Promise<void> {
  let current = file;
  const transfer: Transfer = {
    hub,
    name: { id, revision: commit ?? revisions.at(-1) ?? 'main' },
    store,
    key,
    patience,
    signal,
    onBytes: (bytes) => meter.add(bytes),
    onTag: async (etag) => {
      current = { ...current, etag };
      await remember(current);
    },
  };
  // What was stored before may be damaged; what was just fetched whole should not be.
  for (const last of [false, true]) {
    await fetchFile(transfer, current);
    const checking = meter.aside('checking', file.path, file.size);
    const right = await isRight(store, key, current, signal, (n) => checking.add(n)).finally(() =>
      checking.end(),
    );
    if (right) {
      await remember({ ...current, checked: true });
      return;
    }
    const bytes = await store.stored(key, file.path);
    await store.clearFile(key, file.path);
    meter.add(-bytes);
    if (last) {
      throw new HubError(
        `what came as ${file.path} of ${id} is not the file that the hub lists (its ${file.hash?.kind === 'git' ? 'SHA-1' : 'SHA-256'} is another): it was damaged on its way, or it is another file there. Nothing of it was kept; try again, or use another hub.`,
      );
    }
  }
}

function checkRoom({ estimate }: Download, bytes: number): Promise<void> {
  return checkSpace(
    bytes * (1 + ASIDE),
    (need, left) =>
      new StorageError(
        'quota',
        `${need} are still to be downloaded, and the browser gives this page only ${left} more. Delete models or runs that you no longer need, or free disk space.`,
      ),
    estimate,
  );
}
