/** Data sets in chunks: what is written, paged, swept, and brought over from version 1. */
import { openDB } from 'idb';
import { afterEach, describe, expect, test } from 'vitest';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import type { DataRow, PreparedData, RunManifest, TokenizedRow } from '../../src/pipeline/types.ts';
import { openStorage, type Storage, waitingStages } from '../../src/storage/index.ts';
import { openVersionOne } from '../fixtures/old-versions.ts';

const opened: Storage[] = [];
let count = 0;
const freshName = () => `self-contrast-data-test-${Date.now()}-${count++}`;

async function open(name = freshName()): Promise<Storage> {
  const storage = await openStorage(name);
  opened.push(storage);
  return storage;
}

afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
});

const row = (i: number): DataRow => ({ prompt: `prompt ${i}`, target: `target ${i}` });
const rowsFrom = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => row(from + i));
const tokenized = (i: number): TokenizedRow => ({
  prompt: `prompt ${i}`,
  target: `target ${i}`,
  promptIds: Array.from({ length: 3 + (i % 5) }, (_, j) => j),
  targetIds: [1, 2],
});

/** All keys of a store, seen from outside. */
async function keysOf(name: string, store: string): Promise<unknown[]> {
  const db = await openDB(name);
  const keys = await db.getAllKeys(store);
  db.close();
  return keys;
}

describe('a data set', () => {
  test('is read back in pages of any size, across chunks of any size', async () => {
    const storage = await open();
    const writer = await storage.data.write();
    // A row as long as a chunk lies between short ones, so that chunks differ in length.
    const long: DataRow = { prompt: 'x'.repeat(300_000), target: 'y' };
    await writer.addRows('rows', rowsFrom(0, 130));
    await writer.addRows('rows', [long]);
    await writer.addRows('rows', rowsFrom(131, 1200));
    await writer.addRows('heldOut', rowsFrom(5000, 5003));
    await writer.addRefused('refused', [{ line: 7, reason: 'bad', text: '{"a":' }]);
    await writer.addRefused('duplicates', [{ line: 8, reason: 'the same as line 2', file: 'b.csv' }]);
    const { id, counts } = await writer.finish({ name: 'd', fingerprint: 'f', format: 'Alpaca' });
    expect(counts).toMatchObject({ rows: 1200, heldOut: 3, refused: 1, duplicates: 1 });
    const all = [...rowsFrom(0, 130), long, ...rowsFrom(131, 1200)];
    for (const [from, to] of [
      [0, 1],
      [129, 132],
      [130, 131],
      [131, 132],
      [240, 260],
      [0, 1200],
      [1100, 5000],
      [1200, 1300],
      [5, 5],
    ] as const) {
      expect(await storage.data.rows(id, 'rows', from, to), `${from} to ${to}`).toEqual(all.slice(from, to));
    }
    expect(await storage.data.rows(id, 'heldOut', 1, 9)).toEqual(rowsFrom(5001, 5003));
    expect(await storage.data.refused(id, 'refused', 0, 9)).toEqual([
      { line: 7, reason: 'bad', text: '{"a":' },
    ]);
    expect(await storage.data.refused(id, 'duplicates', 0, 9)).toEqual([
      { line: 8, reason: 'the same as line 2', file: 'b.csv' },
    ]);
    expect(await storage.data.info(id)).toMatchObject({ id, name: 'd', format: 'Alpaca', counts });
  });

  test('is not there before it is finished, and leaves nothing when discarded', async () => {
    const name = freshName();
    const storage = await open(name);
    const writer = await storage.data.write();
    await writer.addRows('rows', rowsFrom(0, 600));
    await expect(storage.data.info(writer.id)).rejects.toMatchObject({ code: 'missing' });
    await expect(
      storage.createRun({ name: 'r', config: defaultConfig(), datasetId: writer.id }),
    ).rejects.toMatchObject({ code: 'missing' });
    await writer.discard();
    expect(await keysOf(name, 'rows')).toEqual([]);
    expect(await storage.listRuns()).toEqual([]);
  });

  test('with the same name and rows is stored once; another name is another data set', async () => {
    const name = freshName();
    const storage = await open(name);
    const data = await makeDataset('d', rowsFrom(0, 10));
    const first = await storage.data.save(data);
    expect(await storage.data.save(data)).toEqual(first);
    expect((await storage.data.save({ ...data, name: 'e' })).id).not.toBe(first.id);
    expect((await keysOf(name, 'rows')).length).toBe(2);
  });

  test('given to a run that has not started replaces the old one, which goes unless a run needs it', async () => {
    const name = freshName();
    const storage = await open(name);
    const [a, b] = [
      await storage.data.save(await makeDataset('a', rowsFrom(0, 3))),
      await storage.data.save(await makeDataset('b', rowsFrom(3, 6))),
    ];
    const config = defaultConfig();
    const one = await storage.createRun({ name: 'one', config, datasetId: a.id });
    const two = await storage.createRun({ name: 'two', config, datasetId: a.id });
    expect((await storage.changeDataset(one.id, b.id)).datasetId).toBe(b.id);
    expect((await storage.run(two.id).dataset()).rows).toEqual(rowsFrom(0, 3));
    await storage.changeDataset(two.id, b.id);
    expect(await keysOf(name, 'datasets')).toEqual([b.id]);
    expect(await keysOf(name, 'rows')).toEqual([[b.id, 'rows', 0]]);
  });
});

describe('the sweep', () => {
  test('takes what a dead import left, but neither a running one nor data in use', async () => {
    const name = freshName();
    const storage = await open(name);
    const used = await storage.data.save(await makeDataset('used', rowsFrom(0, 3)));
    await storage.createRun({ name: 'r', config: defaultConfig(), datasetId: used.id });
    const unused = await storage.data.save(await makeDataset('unused', rowsFrom(3, 6)));
    const running = await storage.data.write();
    await running.addRows('rows', rowsFrom(0, 600));
    // A worker that died leaves chunks without a lock and without an info.
    const db = await openDB(name);
    await db.put('rows', rowsFrom(0, 5), ['dead', 'rows', 0]);
    await db.put('refused', [{ line: 1, reason: 'x' }], ['dead', 'refused', 0]);
    db.close();

    await storage.data.sweep();
    const owners = async (store: string) =>
      new Set((await keysOf(name, store)).map((key) => (Array.isArray(key) ? key[0] : key)));
    expect(await owners('rows')).toEqual(new Set([used.id, unused.id, running.id]));
    expect(await owners('refused')).toEqual(new Set());

    // An hour later the data set that no run has taken goes, too.
    await storage.data.sweep(Date.now() + 61 * 60 * 1000);
    expect(await owners('datasets')).toEqual(new Set([used.id]));
    await running.discard();
    expect(await owners('rows')).toEqual(new Set([used.id]));
  });

  test('runs when the storage is opened, and leaves the refused rows of prepared data', async () => {
    const name = freshName();
    const storage = await open(name);
    const { id: datasetId } = await storage.data.save(await makeDataset('d', rowsFrom(0, 3)));
    const { id } = await storage.createRun({ name: 'r', config: defaultConfig(), datasetId });
    const refused = [{ line: 1, reason: 'too long' }];
    await storage.run(id).savePrepared({ train: [tokenized(0)], heldOut: [], refused });
    const db = await openDB(name);
    await db.put('rows', rowsFrom(0, 5), ['dead', 'rows', 0]);
    db.close();
    storage.close();
    const again = await open(name);
    await expect.poll(() => keysOf(name, 'rows')).toEqual([[datasetId, 'rows', 0]]);
    expect((await again.run(id).prepared())?.refused).toEqual(refused);
  });
});

test('prepared rows come back whole and in pages, with counts and token lengths', async () => {
  const storage = await open();
  const { id: datasetId } = await storage.data.save(await makeDataset('d', rowsFrom(0, 3)));
  const { id } = await storage.createRun({ name: 'r', config: defaultConfig(), datasetId });
  expect(await storage.data.prepared(id)).toBeUndefined();
  const prepared: PreparedData = {
    train: Array.from({ length: 700 }, (_, i) => tokenized(i)),
    heldOut: [{ prompt: 'only asked', promptIds: [1] }],
    refused: [{ line: 4, reason: 'too long' }],
  };
  const run = storage.run(id);
  await run.savePrepared({ ...prepared, train: prepared.train.slice(0, 2) });
  await run.savePrepared(prepared);
  expect(await run.prepared()).toEqual(prepared);
  expect(await storage.data.prepared(id)).toEqual({
    train: 700,
    heldOut: 1,
    refused: 1,
    lengths: [
      [5, 140],
      [6, 140],
      [7, 140],
      [8, 140],
      [9, 140],
    ],
  });
  expect(await storage.data.preparedRows(id, 'train', 248, 253)).toEqual(prepared.train.slice(248, 253));
  expect(await storage.data.refused(id, 'refused', 0, 9)).toEqual(prepared.refused);
  await run.clearFrom('data', await run.manifest());
  expect(await run.prepared()).toBeUndefined();
  expect(await storage.data.preparedRows(id, 'train', 0, 9)).toEqual([]);
});

test('a database of version 1 keeps its data sets, prepared rows and runs', async () => {
  const name = freshName();
  const data = await makeDataset('old', rowsFrom(0, 700), [{ line: 3, reason: 'bad' }], rowsFrom(900, 904));
  const plain = await makeDataset('plain', rowsFrom(0, 2));
  const manifest: RunManifest = {
    id: 'run',
    name: 'an old run',
    created: 5,
    config: defaultConfig(),
    datasetId: data.id,
    stages: { ...waitingStages(), data: 'done' },
    seconds: {},
  };
  const prepared: PreparedData = {
    train: Array.from({ length: 600 }, (_, i) => tokenized(i)),
    heldOut: [tokenized(1)],
    refused: [{ line: 9, reason: 'too long' }],
  };
  const old = await openVersionOne(name);
  await old.put('datasets', data, data.id);
  await old.put('datasets', plain, plain.id);
  await old.put('runs', manifest, 'run');
  await old.put('runs', { ...manifest, id: 'second', datasetId: plain.id }, 'second');
  await old.put('prepared', prepared, 'run');
  await old.put('responses', { index: 0, responses: [] }, ['run', 0]);
  old.close();

  const storage = await open(name);
  const run = storage.run('run');
  expect(await run.manifest()).toEqual(manifest);
  expect(await run.dataset()).toEqual(data);
  expect(await storage.run('second').dataset()).toEqual(plain);
  expect(await run.prepared()).toEqual(prepared);
  expect(await run.responses()).toEqual([{ index: 0, responses: [] }]);
  expect(await storage.run('second').prepared()).toBeUndefined();
  expect((await storage.data.info(data.id)).counts).toMatchObject({ rows: 700, heldOut: 4, refused: 1 });
  expect(await storage.data.rows(data.id, 'rows', 499, 502)).toEqual(rowsFrom(499, 502));
  expect((await storage.data.prepared('run'))?.train).toBe(600);
});

test('an upgrade that fails leaves the older version’s data as it is, and says so', async () => {
  const name = freshName();
  // No store of the first version is there, so moving its data must fail.
  const old = await openDB(name, 1, { upgrade: (db) => void db.createObjectStore('other') });
  await old.put('other', 'kept', 'key');
  old.close();
  await expect(openStorage(name)).rejects.toMatchObject({
    name: 'StorageError',
    message: expect.stringContaining('left as it is'),
  });
  const again = await openDB(name);
  expect(again.version).toBe(1);
  expect(await again.get('other', 'key')).toBe('kept');
  again.close();
});
