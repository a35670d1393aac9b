/** Brings a database of any earlier version up to date, one step after the other. */
import type { DBSchema, IDBPTransaction } from 'idb';
import { parseConfig, type RunConfig } from '../pipeline/config.ts';
import { countsOf, describePrepared } from '../pipeline/describe.ts';
import type { Dataset, DatasetInfo, PreparedData } from '../pipeline/types.ts';
import { putAll, refusedSize, rowSize, tokensSize } from './chunks.ts';
import { describeFolder } from './folders.ts';
import type { Database, Schema, Stores } from './schema.ts';

type Upgrade = IDBPTransaction<Schema, Stores, 'versionchange'>;

/** Only IndexedDB may be awaited in here: the browser ends the upgrade when nothing is asked of it. */
export async function migrate(db: Database, tx: Upgrade, oldVersion: number): Promise<void> {
  if (oldVersion < 1) {
    for (const name of [
      'datasets',
      'runs',
      'prepared',
      'responses',
      'references',
      'pairs',
      'metrics',
      'checkpoints',
      'answers',
      'models',
    ] as const) {
      db.createObjectStore(name);
    }
  }
  if (oldVersion < 2) {
    for (const name of ['rows', 'refused', 'tokens', 'evaluation'] as const) db.createObjectStore(name);
    await intoChunks(tx);
  }
  if (oldVersion < 3) {
    for (const name of ['folders', 'hub', 'parts'] as const) db.createObjectStore(name);
    await listFolders(tx);
    await fillSettings(tx);
  }
  if (oldVersion < 4) {
    for (const name of ['labs', 'rewards', 'diagnosis', 'verdicts'] as const) db.createObjectStore(name);
  }
}

/** Version 2 had the files of model folders alone; what was stored of one was all of it. */
async function listFolders(tx: Upgrade): Promise<void> {
  const folders = new Map<string, { path: string; bytes: number }[]>();
  for (const key of await tx.objectStore('models').getAllKeys()) {
    const [name, path] = key;
    const bytes = (await tx.objectStore('models').get(key))?.data.size ?? 0;
    folders.set(name, [...(folders.get(name) ?? []), { path, bytes }]);
  }
  for (const [name, files] of folders) await tx.objectStore('folders').put(describeFolder(name, files), name);
}

/** Runs of older pages have the defaults for settings that there were not yet. */
async function fillSettings(tx: Upgrade): Promise<void> {
  const runs = tx.objectStore('runs');
  for (const id of await runs.getAllKeys()) {
    const run = await runs.get(id);
    if (run !== undefined) await runs.put({ ...run, config: completed(run.config) }, id);
  }
}

function completed(config: RunConfig): RunConfig {
  try {
    return parseConfig(config);
  } catch {
    // Settings that are not valid are told of where they are used.
    return config;
  }
}

/** What version 1 kept whole. */
interface Whole extends DBSchema {
  datasets: { key: string; value: Dataset };
  prepared: { key: string; value: PreparedData };
}

/** Version 1 kept a data set, and the prepared data of a run, as one value each. */
async function intoChunks(tx: Upgrade): Promise<void> {
  // The same transaction seen with the old types, which is how idb has migrations read old values.
  const old = tx as unknown as IDBPTransaction<Whole, ('datasets' | 'prepared')[], 'versionchange'>;
  for (const id of await old.objectStore('datasets').getAllKeys()) {
    const dataset = await old.objectStore('datasets').get(id);
    if (dataset !== undefined) await tx.objectStore('datasets').put(await splitDataset(tx, dataset), id);
  }
  for (const run of await old.objectStore('prepared').getAllKeys()) {
    const prepared = await old.objectStore('prepared').get(run);
    if (prepared === undefined) continue;
    await putPrepared(tx, run, prepared);
    await tx.objectStore('prepared').put(describePrepared(prepared), run);
  }
}

async function splitDataset(tx: Upgrade, dataset: Dataset): Promise<DatasetInfo> {
  const { id, name, fingerprint, rows, heldOut = [], refused } = dataset;
  const [into, bad] = [tx.objectStore('rows'), tx.objectStore('refused')];
  await putAll(rows, rowSize, (from, chunk) => into.put(chunk, [id, 'rows', from]));
  await putAll(heldOut, rowSize, (from, chunk) => into.put(chunk, [id, 'heldOut', from]));
  await putAll(refused, refusedSize, (from, chunk) => bad.put(chunk, [id, 'refused', from]));
  return { id, name, fingerprint, created: Date.now(), counts: countsOf(dataset) };
}

async function putPrepared(tx: Upgrade, run: string, prepared: PreparedData): Promise<void> {
  const [into, bad] = [tx.objectStore('tokens'), tx.objectStore('refused')];
  await putAll(prepared.train, tokensSize, (from, chunk) => into.put(chunk, [run, 'train', from]));
  await putAll(prepared.heldOut, tokensSize, (from, chunk) => into.put(chunk, [run, 'heldOut', from]));
  await putAll(prepared.refused, refusedSize, (from, chunk) => bad.put(chunk, [run, 'refused', from]));
}
