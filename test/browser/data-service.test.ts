/** The data worker's service on real files and IndexedDB; and the worker itself, ended in the middle. */
import * as Comlink from 'comlink';
import { openDB } from 'idb';
import { afterEach, describe, expect, test } from 'vitest';
import { readDataset } from '../../src/pipeline/dataset.ts';
import {
  createDataService,
  type DataServiceHost,
  type DataWorkerApi,
  type ImportProgress,
} from '../../src/service/data-service.ts';
import { openStorage, type Storage } from '../../src/storage/index.ts';

const opened: Storage[] = [];
let count = 0;

async function service(change: Partial<DataServiceHost> = {}) {
  const name = `self-contrast-service-test-${Date.now()}-${count++}`;
  const storage = await openStorage(name);
  opened.push(storage);
  const api = createDataService({
    storage: async () => storage,
    estimate: () => navigator.storage.estimate(),
    now: () => performance.now(),
    ...change,
  });
  return { api, storage, name };
}

afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
});

async function chunksOf(name: string): Promise<number> {
  const db = await openDB(name);
  const chunks = (await db.count('rows')) + (await db.count('refused'));
  db.close();
  return chunks;
}

const alpaca = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return `${JSON.stringify({ instruction: `Ask ${n} ${'x'.repeat(400)}`, input: '', output: `Say ${n}` })}\n`;
  }).join('');
const file = (name: string, ...parts: BlobPart[]) => new File(parts, name);

test('streams a file into storage: the rows and the fingerprint of reading it whole, and progress on the way', async () => {
  const { api, storage } = await service();
  const text = `${alpaca(0, 9000)}{"instruction": 5}\n${alpaca(3, 4)}`;
  const told: ImportProgress[] = [];
  const source = { file: file('many.jsonl', text) };
  const info = await api.importFiles({ id: 'mine', sources: [source] }, (progress) => told.push(progress));
  const whole = await readDataset('many.jsonl', text);
  expect(info).toMatchObject({
    id: 'mine',
    name: 'many.jsonl',
    fingerprint: whole.fingerprint,
    container: 'JSON Lines',
    format: expect.stringMatching(/^Alpaca/),
    counts: { rows: 9000, heldOut: 0, refused: 1, duplicates: 1, promptOnly: 0 },
  });
  expect(await storage.data.rows('mine', 'rows', 0, 9001)).toEqual(whole.rows);
  expect(await storage.data.refused('mine', 'refused', 0, 9)).toEqual(whole.refused);
  expect(await storage.data.refused('mine', 'duplicates', 0, 9)).toMatchObject([
    { line: 9002, reason: 'the same as line 4' },
  ]);
  expect(told.length).toBeGreaterThan(0);
  for (const [i, progress] of told.entries()) {
    expect(progress.totalBytes).toBe(source.file.size);
    expect(progress.bytes).toBeGreaterThanOrEqual(told[i - 1]?.bytes ?? 0);
    expect(progress.rows).toBeGreaterThanOrEqual(told[i - 1]?.rows ?? 0);
  }
});

test('several files are one data set; rows that can’t be used are named with their file', async () => {
  const { api, storage } = await service();
  const sources = [
    { file: file('a.jsonl', alpaca(0, 3), 'nonsense\n') },
    { file: file('b.csv', 'was,und\nFrage,Antwort\n,leer\n'), mapping: { prompt: 'was', target: 'und' } },
  ];
  const { id, counts } = await api.importFiles({ id: 'both', sources }, () => {});
  expect(counts).toMatchObject({ rows: 4, refused: 2 });
  expect((await storage.data.rows(id, 'rows', 3, 4))[0]).toMatchObject({
    prompt: 'Frage',
    target: 'Antwort',
  });
  expect(await storage.data.refused(id, 'refused', 0, 9)).toMatchObject([
    { file: 'a.jsonl', line: 4 },
    { file: 'b.csv', line: 3 },
  ]);
});

describe('nothing of an import stays', () => {
  test('that is cancelled', async () => {
    const { api, name } = await service();
    let rows = 0;
    const sources = [{ file: file('a.jsonl', alpaca(0, 40_000)) }];
    const running = api.importFiles({ id: 'gone', sources }, (progress) => {
      rows = progress.rows;
      void api.cancel();
    });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
    expect(rows).toBeLessThan(40_000);
    expect(await chunksOf(name)).toBe(0);
  });

  test('whose second file is broken', async () => {
    const { api, name } = await service();
    const sources = [
      { file: file('a.jsonl', alpaca(0, 3000)) },
      { file: file('b.jsonl.gz', Uint8Array.of(0x1f, 0x8b, 8, 0, 0)) },
    ];
    await expect(api.importFiles({ id: 'gone', sources }, () => {})).rejects.toThrow(
      'b.jsonl.gz: the .gz file is cut off',
    );
    expect(await chunksOf(name)).toBe(0);
  });

  test('that has no usable row', async () => {
    const { api, name } = await service();
    const sources = [{ file: file('bad.jsonl', '[]\nnonsense\n') }];
    await expect(api.importFiles({ id: 'gone', sources }, () => {})).rejects.toThrow(
      /bad\.jsonl has no usable row; line 1: .*; line 2: not JSON/,
    );
    expect(await chunksOf(name)).toBe(0);
  });

  test('for which there is no room, known before the first write', async () => {
    const { api, name } = await service({ estimate: async () => ({ usage: 9_000_000, quota: 10_000_000 }) });
    const sources = [{ file: file('a.jsonl', alpaca(0, 3000)) }];
    await expect(api.importFiles({ id: 'gone', sources }, () => {})).rejects.toMatchObject({
      name: 'StorageError',
      code: 'quota',
      message: expect.stringMatching(/takes about 2 MB, and the browser gives this page only 1 MB more/),
    });
    expect(await chunksOf(name)).toBe(0);
  });

  test('for which the room ends on the way', async () => {
    let asked = 0;
    const { api, name } = await service({
      estimate: async () => ({ usage: 0, quota: asked++ === 0 ? 1e9 : 1e6 }),
    });
    const sources = [{ file: file('a.jsonl', alpaca(0, 45_000)) }];
    await expect(api.importFiles({ id: 'gone', sources }, () => {})).rejects.toMatchObject({ code: 'quota' });
    expect(asked).toBe(2);
    expect(await chunksOf(name)).toBe(0);
  });
});

test('a preview keeps the page free of long texts', async () => {
  const { api } = await service();
  const long = 'x'.repeat(5_000_000);
  const rows = [{ was: long, und: 'kurz', list: Array.from({ length: 1000 }, (_, i) => i) }];
  const source = { file: file('odd.jsonl', `${JSON.stringify(rows[0])}\n`) };
  const found = await api.preview(source);
  expect(found).toMatchObject({ name: 'odd.jsonl', format: null, container: 'JSON Lines', rows: [] });
  expect(found.columns).toContain('was');
  const mapped = await api.preview({ ...source, mapping: { prompt: 'und', target: 'was' } });
  expect(mapped.rows[0]?.prompt).toBe('kurz');
  expect(JSON.stringify([found, mapped]).length).toBeLessThan(20_000);
});

test('a worker that is ended in the middle leaves what the next opening sweeps', async () => {
  const worker = new Worker(new URL('../../workers/data.ts', import.meta.url), { type: 'module' });
  const api = Comlink.wrap<DataWorkerApi>(worker);
  const sources = [{ file: file('a.jsonl', alpaca(0, 60_000)) }];
  const id = crypto.randomUUID();
  await new Promise<void>((resolve, reject) => {
    const onProgress = Comlink.proxy((progress: ImportProgress) => {
      if (progress.rows > 2000) resolve();
    });
    api.importFiles({ id, sources }, onProgress).then(() => reject(new Error('it ended too early')), reject);
  });
  worker.terminate();
  // The worker's own database: the page's.
  const storage = await openStorage();
  opened.push(storage);
  await expect.poll(() => storage.data.rows(id, 'rows', 0, 9), { timeout: 20_000 }).toEqual([]);
  await expect(storage.data.info(id)).rejects.toMatchObject({ code: 'missing' });
});
