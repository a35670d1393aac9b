/** Project files written from and read into the browser's own IndexedDB. */
import { strToU8, unzipSync, type Zippable, zipSync } from 'fflate';
import { deleteDB } from 'idb';
import { afterEach, describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import type { Checkpoint, RunManifest } from '../../src/pipeline/types.ts';
import { createProjectService, type ProjectWorkerApi } from '../../src/service/project-service.ts';
import { openStorage, type Storage } from '../../src/storage/index.ts';
import { decode, encode } from '../../src/storage/project/codec.ts';
import { note } from '../../src/storage/project/journal.ts';
import { openRecords } from '../../src/storage/project/records.ts';
import { openVersionOne } from '../fixtures/old-versions.ts';

interface Profile {
  readonly name: string;
  readonly storage: Storage;
  readonly project: ProjectWorkerApi;
}

const profiles: Profile[] = [];

/** A database of its own, as a browser on another machine would have. */
async function profile(): Promise<Profile> {
  const name = `project-test-${crypto.randomUUID()}`;
  const made = { name, storage: await openStorage(name), project: createProjectService(name) };
  profiles.push(made);
  return made;
}

afterEach(async () => {
  for (const { name, storage } of profiles.splice(0)) {
    storage.close();
    await deleteDB(name);
    await deleteDB(`${name}-journal`);
  }
});

const ignore = () => {};
/** As the page has it: its keys are not in the order of the validation. */
const config = DEFAULT_CONFIG;
const floats = (from: number) => Float32Array.from({ length: 5000 }, (_, i) => Math.sin(from + i) / 3);
const checkpoint = (stage: 'sft' | 'dpo', seed: number): Checkpoint => ({
  stage,
  step: 3,
  totalSteps: 9,
  state: { step: 3, parameters: [floats(seed), Float32Array.of(-0, 1e-45)], m: [floats(1)], v: [floats(2)] },
});

async function makeRun(
  { storage }: Profile,
  name: string,
  model = 'default',
  adapter = 'none',
): Promise<RunManifest> {
  const rows = [
    { prompt: 'p <b>"$&"</b>\u202e', target: 'tö\n' },
    { prompt: 'q', target: 't' },
  ];
  const dataset = await makeDataset('data', rows);
  const { id: datasetId } = await storage.data.save(dataset);
  const manifest = await storage.createRun({ name, config: { ...config, model, adapter }, datasetId });
  const run = storage.run(manifest.id);
  const row = { prompt: 'p', target: 't', promptIds: [1, 2], targetIds: [3] };
  await run.savePrepared({ train: [row, row], heldOut: [], refused: [{ line: 1, reason: 'x' }] });
  await run.saveResponses(
    [0, 1].map((index) => ({
      index,
      responses: [{ text: `r${index}`, tokenIds: [1, 2], logp: -1.5e-17, stopped: true, similarity: -0 }],
    })),
  );
  await run.saveReferences([{ index: 0, logp: -1 / 3 }]);
  await run.savePairs([{ index: 0, response: 0 }]);
  const metric = { stage: 'sft' as const, step: 1, values: { loss: 0.1, gradNorm: Number.NaN } };
  await run.saveCheckpoint(checkpoint('sft', 0), [metric]);
  await run.saveCheckpoint(checkpoint('dpo', 7), [{ ...metric, stage: 'dpo' }]);
  await run.saveAnswers([
    { prompt: 'p', answers: { base: { text: 'a' }, sft: { text: 'b' }, selfContrast: { text: 'c' } } },
  ]);
  await run.saveManifest({ ...manifest, stages: { ...manifest.stages, model: 'done', data: 'done' } });
  return run.manifest();
}

/** Every record of a database. */
async function everything(name: string): Promise<Record<string, [IDBValidKey, unknown][]>> {
  const db = await openRecords(name);
  const all: Record<string, [IDBValidKey, unknown][]> = {};
  for (const store of db.objectStoreNames) {
    const [keys, values] = [await db.getAllKeys(store), await db.getAll(store)];
    for (const value of values) if (value?.data instanceof Blob) value.data = await value.data.text();
    all[store] = keys.map((key, i) => [key, values[i]]);
  }
  db.close();
  return all;
}

test('a project comes to another profile record for record, the bits of every number included', async () => {
  const [here, there] = [await profile(), await profile()];
  await here.storage.saveModelFolder('my-model', [
    { path: 'config.json', data: new Blob(['{}']) },
    { path: 'onnx/model.onnx', data: new Blob(['weights']) },
    { path: '../odd name', data: new Blob(['odd']) },
  ]);
  await here.storage.saveModelFolder('unused', [{ path: 'config.json', data: new Blob(['{}']) }]);
  await here.storage.saveModelFolder('my adapter', [{ path: 'adapter_config.json', data: new Blob(['{}']) }]);
  const one = await makeRun(here, 'one', 'my-model', 'my adapter');
  const two = await makeRun(here, 'two');
  const seen: [number, number][] = [];
  const zip = await here.project.exportProject([one.id, two.id], (...progress) => seen.push(progress));
  expect(seen.length).toBeGreaterThan(5);
  const result = await there.project.importProject(zip, ignore);
  expect(result.map(({ kind, how }) => [kind, how])).toEqual([
    ['dataset', 'new'],
    ['model', 'new'],
    ['model', 'new'],
    ['run', 'new'],
    ['run', 'new'],
  ]);
  await here.storage.deleteModelFolder('unused');
  expect(await everything(there.name)).toEqual(await everything(here.name));
  const again = await there.project.importProject(zip, ignore);
  expect(again.map(({ how }) => how)).toEqual(['same', 'same', 'same', 'same', 'same']);
  const state = (await there.storage.run(one.id).checkpoint('dpo'))?.state;
  expect(Object.is(state?.parameters[1]?.[0], -0)).toBe(true);
  expect(state?.parameters[0]).toEqual(floats(7));

  // What people find when they look inside.
  const files = unzipSync(new Uint8Array(await zip.arrayBuffer()));
  const bin = files['runs/1/checkpoints.bin'] ?? new Uint8Array();
  const first = new DataView(bin.buffer, bin.byteOffset).getFloat32(4, true);
  expect([floats(7)[1], floats(0)[1]]).toContain(first);
  expect(Object.keys(files)).toContain('models/1/files/onnx/model.onnx');
  expect(Object.keys(files).at(-1)).toBe('project.json');
});

test('twice the same is skipped; another content of the same id comes under a new one, with what it names', async () => {
  const here = await profile();
  const file = (text: string) => [{ path: 'config.json', data: new Blob([text]) }];
  await here.storage.saveModelFolder('my-model', file('old'));
  const run = await makeRun(here, 'one', 'my-model');
  const zip = await here.project.exportProject([run.id], ignore);
  const before = await everything(here.name);
  expect((await here.project.importProject(zip, ignore)).map(({ how }) => how)).toEqual([
    'same',
    'same',
    'same',
  ]);
  expect(await everything(here.name)).toEqual(before);

  await here.storage.saveModelFolder('my-model', file('new'));
  await here.storage.run(run.id).saveAnswers([]);
  const result = await here.project.importProject(zip, ignore);
  expect(result.map(({ how }) => how)).toEqual(['same', 'renamed', 'renamed']);
  const copy = result[2]?.id ?? '';
  expect(copy).not.toBe(run.id);
  expect(await here.storage.run(copy).manifest()).toMatchObject({
    id: copy,
    config: { model: 'my-model-2' },
  });
  expect((await here.storage.run(copy).answers()).length).toBe(1);
  expect((await here.storage.run(run.id).answers()).length).toBe(0);
  expect(await here.storage.run(copy).responses()).toEqual(await here.storage.run(run.id).responses());
  const bytes = await here.storage.modelFolder('my-model-2').read('config.json');
  expect(new TextDecoder().decode(bytes ?? new Uint8Array())).toBe('old');
});

describe('a file that is not right leaves nothing', () => {
  const change = async (zip: Blob, edit: (files: Zippable) => void) => {
    const files: Zippable = unzipSync(new Uint8Array(await zip.arrayBuffer()));
    edit(files);
    return new Blob([zipSync(files).slice()]);
  };
  const text = (files: Zippable, path: string) => new TextDecoder().decode(files[path] as Uint8Array);

  test.each<[string, string, (files: Zippable) => void]>([
    [
      'fingerprint',
      'one number changed',
      (files) => (files['runs/1/checkpoints.bin'] as Uint8Array).fill(1, 8, 9),
    ],
    ['missing', 'a file left out', (files) => delete files['runs/1/responses.jsonl']],
    ['does not list', 'a file added', (files) => Object.assign(files, { 'runs/1/x.jsonl': strToU8('{}') })],
    [
      'another length',
      'a file cut',
      (files) => Object.assign(files, { 'runs/1/pairs.jsonl': strToU8('{}') }),
    ],
    ['no project.json', 'no index', (files) => delete files['project.json']],
    [
      'newer version',
      'a newer schema',
      (files) =>
        Object.assign(files, {
          'project.json': strToU8(text(files, 'project.json').replace(/"schema": \d+/, '"schema": 99')),
        }),
    ],
    [
      'not a project file',
      'another JSON',
      (files) => Object.assign(files, { 'project.json': strToU8('{"format": "x"}') }),
    ],
  ])('%s: %s', async (message, _what, edit) => {
    const [here, there] = [await profile(), await profile()];
    const zip = await here.project.exportProject([(await makeRun(here, 'one')).id], ignore);
    const empty = await everything(there.name);
    await expect(there.project.importProject(await change(zip, edit), ignore)).rejects.toThrow(message);
    expect(await everything(there.name)).toEqual(empty);
  });

  /** The file with one of its files changed, and the fingerprint of that with it: someone meant it. */
  const forged = async (zip: Blob, path: string, edit: (text: string) => string): Promise<Blob> => {
    const files = unzipSync(new Uint8Array(await zip.arrayBuffer()));
    const bytes = strToU8(edit(text(files, path)));
    files[path] = bytes;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()));
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const index = JSON.parse(text(files, 'project.json'));
    for (const owner of index.owners) {
      for (const file of owner.files)
        if (file.path === path) Object.assign(file, { bytes: bytes.length, sha256 });
    }
    files['project.json'] = strToU8(JSON.stringify(index));
    return new Blob([zipSync(files).slice()]);
  };

  test.each([
    ['another owner', 'runs/1/responses.jsonl', (s: string) => s.replace(/"key":\["[^"]*/, '"key":["x')],
    ['not valid at responses', 'runs/1/responses.jsonl', (s: string) => s.replace('"r0"', '17')],
    ['line 1', 'runs/1/pairs.jsonl', () => '{"key": '],
    [
      'not where',
      'runs/1/checkpoints.jsonl',
      (s: string) => s.replace(/"Float32Array",0,/, '"Float32Array",8,'),
    ],
    ['cannot be read', 'runs/1/checkpoints.jsonl', (s: string) => s.replace('"Float32Array"', '"Function"')],
    [
      'not valid at memory.rows',
      'runs/1/runs.jsonl',
      (s: string) =>
        s.replace('"datasetId"', '"memory":{"rows":0,"segment":1,"keep":true,"sampleRows":4},"datasetId"'),
    ],
    ['settings are not valid', 'runs/1/runs.jsonl', (s: string) => s.replace('"seed":1', '"seed":"x"')],
    ['lacks', 'runs/1/runs.jsonl', () => ''],
    ['line 1', 'runs/1/answers.jsonl', () => `{"key":"x","value":${'['.repeat(200_000)}`],
  ])('a forged record: %s', async (message, path, edit) => {
    const [here, there] = [await profile(), await profile()];
    const zip = await here.project.exportProject([(await makeRun(here, 'one')).id], ignore);
    const empty = await everything(there.name);
    await expect(there.project.importProject(await forged(zip, path, edit), ignore)).rejects.toThrow(message);
    expect(await everything(there.name)).toEqual(empty);
  });
});

test('an import that is cancelled leaves nothing; one that the browser lost is swept away by the next', async () => {
  const [here, there] = [await profile(), await profile()];
  const run = await makeRun(here, 'one');
  const zip = await here.project.exportProject([run.id], ignore);
  const empty = await everything(there.name);
  let steps = 0;
  const cancelled = there.project.importProject(zip, (done, total) => {
    // In the second half, records are being written.
    if (done > total * 0.7 && steps++ === 0) void there.project.cancel();
  });
  await expect(cancelled).rejects.toThrow('cancelled');
  expect(await everything(there.name)).toEqual(empty);

  const db = await openRecords(there.name);
  await note(db, [{ kind: 'run', id: 'lost' }]);
  await db.put('responses', { index: 0, responses: [] }, ['lost', 0]);
  db.close();
  await there.project.importProject(zip, ignore);
  expect(await everything(there.name)).toEqual(await everything(here.name));
});

test('a file that is larger than what the browser has left is refused before anything is written', async () => {
  const [here, there] = [await profile(), await profile()];
  const zip = await here.project.exportProject([(await makeRun(here, 'one')).id], ignore);
  const empty = await everything(there.name);
  const { estimate } = StorageManager.prototype;
  StorageManager.prototype.estimate = async () => ({ usage: 900_000, quota: 1_000_000 });
  try {
    await expect(there.project.importProject(zip, ignore)).rejects.toThrow('gives this page only 1 MB more');
  } finally {
    StorageManager.prototype.estimate = estimate;
  }
  expect(await everything(there.name)).toEqual(empty);
});

test('a file of the first schema goes through the migrations', async () => {
  const there = await profile();
  const old = await openVersionOne(`${there.name}-old`);
  const dataset = await makeDataset('data', [{ prompt: 'p', target: 't' }]);
  const stages = { model: 'done', data: 'done', sft: 'waiting', sample: 'waiting', filter: 'waiting' };
  const manifest = {
    id: 'a-run',
    name: 'old',
    created: 1,
    config,
    datasetId: dataset.id,
    stages: { ...stages, dpo: 'waiting', evaluate: 'waiting' },
    seconds: {},
  };
  const row = { prompt: 'p', target: 't', promptIds: [1], targetIds: [2] };
  await old.put('datasets', dataset, dataset.id);
  await old.put('runs', manifest, 'a-run');
  await old.put('prepared', { train: [row], heldOut: [], refused: [] }, 'a-run');
  const { exportProject } = await import('../../src/storage/project/export.ts');
  const owners = [
    { kind: 'dataset', id: dataset.id, name: 'data' },
    { kind: 'run', id: 'a-run', name: 'old' },
  ] as const;
  const zip = await exportProject(old, owners, new AbortController().signal, ignore);
  old.close();
  await deleteDB(`${there.name}-old`);
  await there.project.importProject(zip, ignore);
  const run = there.storage.run('a-run');
  expect((await run.manifest()).name).toBe('old');
  expect((await run.prepared())?.train).toEqual([row]);
  expect((await run.dataset()).rows).toEqual(dataset.rows);
  expect(
    (await indexedDB.databases()).filter(({ name }) => name?.startsWith('self-contrast-import')),
  ).toEqual([]);
});

test('a duplicate has the records of the stages before the first that changes', async () => {
  const here = await profile();
  const run = await makeRun(here, 'one');
  const copy = { ...run, id: crypto.randomUUID(), name: 'two' };
  await here.project.duplicate(run.id, copy, 'filter');
  const [from, to] = [here.storage.run(run.id), here.storage.run(copy.id)];
  expect(await to.manifest()).toEqual(copy);
  // Another part of the page opens the storage, and with it removes chunks that nobody owns.
  (await openStorage(here.name)).close();
  expect((await to.prepared())?.refused).toEqual([{ line: 1, reason: 'x' }]);
  expect(await to.responses()).toEqual(await from.responses());
  expect(await to.checkpoint('sft')).toEqual(checkpoint('sft', 0));
  expect(await to.pairs()).toEqual([]);
  expect(await to.checkpoint('dpo')).toBeUndefined();
  expect((await from.pairs()).length).toBe(1);
  const data = { ...run, id: crypto.randomUUID() };
  await here.project.duplicate(run.id, data, 'data');
  expect(await here.storage.run(data.id).prepared()).toBeUndefined();
});

test('sizes are near what is stored', async () => {
  const here = await profile();
  const run = await makeRun(here, 'one');
  const size = await here.project.size({ kind: 'run', id: run.id });
  // Six arrays of 20,000 bytes.
  expect(size).toBeGreaterThan(120_000);
  expect(size).toBeLessThan(125_000);
});

test('the codec says what it cannot say', async () => {
  const none = { bytes: async () => new Uint8Array(), file: async () => new Blob() };
  const values = [NaN, -0, Infinity, { $a: 1, b: [null, 'x'] }, JSON.parse('{"__proto__": {"x": 1}}')];
  for (const value of values) {
    const json = JSON.parse(JSON.stringify(encode(value, { bytes: () => 0, file: () => '' })));
    expect(await decode(json, none)).toEqual(value);
  }
  expect(() => encode(new Map(), { bytes: () => 0, file: () => '' })).toThrow('a Map cannot be exported');
  expect(() => encode(() => 1, { bytes: () => 0, file: () => '' })).toThrow('cannot be exported');
  await expect(decode({ $number: 'toString' }, none)).rejects.toThrow('cannot be read');
});
