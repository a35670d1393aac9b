/** Stored model folders, and what an older page's database becomes. */
import { openDB } from 'idb';
import { afterEach, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import { createProjectService } from '../../src/service/project-service.ts';
import { embedderFiles, modelFiles } from '../../src/service/sources.ts';
import { openStorage, type Storage, waitingStages } from '../../src/storage/index.ts';
import { note } from '../../src/storage/project/journal.ts';
import { openRecords } from '../../src/storage/project/records.ts';
import { openVersionOne, openVersionTwo } from '../fixtures/old-versions.ts';

const opened: Storage[] = [];
afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
});

async function open(name = `self-contrast-folders-${crypto.randomUUID()}`) {
  const storage = await openStorage(name);
  opened.push(storage);
  return { name, storage };
}

const file = (path: string, text: string) => ({ path, data: new Blob([text]) });
const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes));
const base = new URL('/', location.href);

test.each([
  ['1', openVersionOne],
  ['2', openVersionTwo],
])(
  'a database of version %s: runs get the settings that there were not yet, folders are listed',
  async (_, old) => {
    const name = `self-contrast-folders-${crypto.randomUUID()}`;
    const db = await old(name);
    const { precision: _p, hub: _h, memory: _m, ...earlier } = DEFAULT_CONFIG;
    const config = { ...earlier, seed: 7, embedderPooling: 'mean', model: 'mine 1a2b' };
    const run = {
      id: 'r',
      name: 'old',
      created: 5,
      config,
      datasetId: 'd',
      stages: waitingStages(),
      seconds: {},
    };
    await db.put('runs', run, 'r');
    // Settings that no page ever wrote stay what they are.
    await db.put('runs', { ...run, id: 'odd', config: { seed: 'x' } }, 'odd');
    for (const [path, content] of [
      ['config.json', '{}'],
      ['model.safetensors', 'weights'],
    ] as const) {
      await db.put('models', { folder: 'mine 1a2b', ...file(path, content) }, ['mine 1a2b', path]);
    }
    db.close();
    const { storage } = await open(name);
    const manifest = await storage.run('r').manifest();
    expect(manifest).toEqual({ ...run, config: { ...DEFAULT_CONFIG, ...config } });
    expect(manifest.config).toMatchObject({
      precision: 'f32',
      hub: DEFAULT_CONFIG.hub,
      embedderPooling: 'mean',
    });
    expect((await storage.run('odd').manifest()).config).toEqual({ seed: 'x' });
    expect(await storage.listModelFolders()).toEqual([
      { name: 'mine 1a2b', kind: 'model', created: expect.any(Number), files: 2, bytes: 9 },
    ]);
    const { files } = await modelFiles(manifest.config, base, storage);
    expect(text(await files.read('model.safetensors'))).toBe('weights');
    expect(await storage.hub.list()).toEqual([]);
  },
);

test('half a folder that an import left is not seen, and goes without the good one of its name', async () => {
  const { name, storage } = await open();
  const db = await openRecords(name);
  const owner = { kind: 'model' as const, id: 'twice' };
  await note(db, [owner, { kind: 'model', id: 'lost' }]);
  await db.put('models', { folder: 'twice', ...file('left-over', 'half') }, ['twice', 'left-over']);
  await db.put('models', { folder: 'lost', ...file('config.json', 'half') }, ['lost', 'config.json']);
  expect(await storage.listModelFolders()).toEqual([]);
  expect(await storage.modelFolder('twice').read('left-over')).toBeNull();
  expect(await storage.modelFolder('twice').open('left-over')).toBeNull();

  await storage.saveModelFolder('twice', [file('config.json', 'whole')]);
  expect(await storage.modelFolder('twice').read('left-over')).toBeNull();
  // Every import and copy of a run begins with the sweep.
  const { id: datasetId } = await storage.data.save(await makeDataset('d', [{ prompt: 'p', target: 't' }]));
  const run = await storage.createRun({ name: 'r', config: DEFAULT_CONFIG, datasetId });
  await createProjectService(name).duplicate(run.id, { ...run, id: 'copy' }, null);
  expect(await db.getAllKeys('models')).toEqual([['twice', 'config.json']]);
  expect(text(await storage.modelFolder('twice').read('config.json'))).toBe('whole');
  const journal = await openDB(`${name}-journal`);
  expect(await journal.count('unfinished')).toBe(0);
  journal.close();
  db.close();
});

test('a folder is told from its files, read in ranges, and not deleted while it is in use', async () => {
  const { storage } = await open();
  await storage.saveModelFolder('a', [file('adapter_config.json', '{}')]);
  await storage.saveModelFolder('e', [file('config.json', '{}'), file('onnx/model.onnx', '0123456789')]);
  expect(
    Object.fromEntries((await storage.listModelFolders()).map(({ name, kind }) => [name, kind])),
  ).toEqual({
    a: 'adapter',
    e: 'embedder',
  });
  const { files, release } = await embedderFiles({ embedder: 'e', hub: DEFAULT_CONFIG.hub }, base, storage);
  const onnx = await files.open('onnx/model.onnx');
  expect([onnx?.size, text((await onnx?.read(3, 6)) ?? null)]).toEqual([10, '345']);
  await expect(onnx?.read(5, 11)).rejects.toThrow('ends at 10 bytes');
  await expect(storage.deleteModelFolder('e')).rejects.toMatchObject({ code: 'used' });
  release();
  await expect
    .poll(() => storage.deleteModelFolder('e').then(() => 'deleted', String), { timeout: 60_000 })
    .toBe('deleted');
  expect(await files.read('config.json')).toBeNull();
});

test("a hub's model that is not stored is asked for by name", async () => {
  const { storage } = await open();
  const config = { ...DEFAULT_CONFIG, model: 'owner/name', embedder: 'owner/other@v1' };
  await expect(modelFiles(config, base, storage)).rejects.toThrow(
    'owner/name is not on this device: download it',
  );
  await expect(embedderFiles(config, base, storage)).rejects.toThrow('at this revision');
});

test('the embedded model and embedder, and any folder at an address, are read whole and in ranges', async () => {
  const { storage } = await open();
  const { files } = await modelFiles(DEFAULT_CONFIG, base, storage);
  const whole = (await files.read('model.safetensors')) ?? new Uint8Array();
  const ranged = await files.open('model.safetensors');
  expect([files.name, ranged?.size]).toEqual(['default-lm', whole.length]);
  expect(await ranged?.read(1000, 1200)).toEqual(whole.slice(1000, 1200));
  await expect(ranged?.read(0, whole.length + 1)).rejects.toThrow('before');
  const embedder = new URL('models/default-embedder', base).href;
  const there = await embedderFiles({ ...DEFAULT_CONFIG, embedder }, base, storage);
  expect([there.files.name, await there.files.open('none.json')]).toEqual(['default-embedder', null]);
  expect((await there.files.open('onnx/model.onnx'))?.size).toBeGreaterThan(1e6);
});
