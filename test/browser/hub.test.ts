/** Models of a hub over real HTTP into the browser's own IndexedDB; hub-server.ts is the hub. */
import { openDB } from 'idb';
import { afterEach, describe, expect, inject, test } from 'vitest';
import type { HubModel, HubProgress, HubRequest } from '../../src/hub/api.ts';
import { createHubService, type HubHost } from '../../src/hub/service.ts';
import { findStored } from '../../src/hub/stored.ts';
import { openStorage, type Storage } from '../../src/storage/index.ts';
import { holdModel } from '../../src/storage/model-locks.ts';
import { type HubContents, type HubFault, type HubRequestLog, seeded } from '../fixtures/hub-contents.ts';

const origin = inject('hub');
/** Several parts of storage, and no whole number of them. */
const LARGE = 20_000_001;
const MODEL = {
  'config.json': { text: '{"model_type": "llama"}' },
  'tokenizer.json': { text: '{}' },
  'tokenizer_config.json': { text: '{"x": 1}' },
  'model.safetensors': { bytes: LARGE, seed: 1 },
  'pytorch_model.bin': { bytes: 1000, seed: 2 },
  'README.md': { text: 'hello' },
};
const WANTED = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];

/** On a busy machine. */
const PATIENT = { timeout: 60_000 };

const opened: Storage[] = [];
afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
});

async function setUp(name: string, contents: HubContents): Promise<void> {
  const answer = await fetch(`${origin}/setup/${name}`, { method: 'PUT', body: JSON.stringify(contents) });
  expect(answer.ok).toBe(true);
}

const log = async (name: string): Promise<HubRequestLog[]> => (await fetch(`${origin}/setup/${name}`)).json();

interface Bench {
  readonly name: string;
  readonly request: HubRequest;
  readonly storage: Storage;
  /** A service as another session has it: the same storage, nothing else. */
  session(host?: Partial<HubHost>): ReturnType<typeof createHubService>;
  requests(): Promise<HubRequestLog[]>;
  faults(...faults: HubFault[]): Promise<void>;
}

async function bench(
  contents: HubContents = { models: { 'owner/tiny': MODEL } },
  use: HubRequest['use'] = 'model',
): Promise<Bench> {
  const name = `t${crypto.randomUUID()}`;
  await setUp(name, contents);
  const storage = await openStorage(`self-contrast-hub-${name}`);
  opened.push(storage);
  return {
    name,
    request: { hub: `${origin}/${name}`, name: 'owner/tiny', use },
    storage,
    session: (host = {}) =>
      createHubService({
        storage: async () => storage,
        estimate: () => navigator.storage.estimate(),
        ...host,
      }),
    requests: () => log(name),
    faults: (...faults) => setUp(name, { ...contents, faults }),
  };
}

async function storedFile({ storage, request }: Bench, path: string): Promise<Uint8Array | null> {
  const record = findStored(await storage.hub.list(), request);
  if (record === undefined) throw new Error('it is not stored');
  return (await storage.hub.source(record)).read(path);
}

const same = (a: Uint8Array | null, b: Uint8Array): boolean =>
  a !== null && a.length === b.length && a.every((byte, i) => byte === b[i]);

const ranges = (requests: readonly HubRequestLog[], path = 'model.safetensors') =>
  requests.filter((each) => each.server === 'store' && each.path === path).map(({ range }) => range);

describe('a whole download', () => {
  test('what is needed and nothing else comes, is read in ranges, and is there without a network', async () => {
    const here = await bench();
    const api = here.session();
    const found = await api.inspect(here.request);
    expect(found.files.map(({ path }) => path).sort()).toEqual([...WANTED].sort());
    const sum = found.files.reduce((total, { size }) => total + size, 0);
    expect(found).toMatchObject({
      id: 'owner/tiny',
      revision: 'main',
      pinned: `owner/tiny@${found.commit}`,
      bytes: sum,
      stored: 0,
      cached: false,
      config: { model_type: 'llama' },
      note: '',
    });
    // Nothing large was asked for yet.
    expect(ranges(await here.requests())).toEqual([]);

    const told: HubProgress[] = [];
    const model = await api.download(here.request, (progress) => told.push(progress));
    expect(model).toMatchObject({
      id: 'owner/tiny',
      complete: true,
      bytes: sum,
      stored: sum,
      pinned: found.pinned,
    });
    const fetching = told.filter(({ state }) => state === 'fetching');
    expect(fetching.length).toBeGreaterThan(2);
    expect(fetching.every(({ totalBytes }) => totalBytes === sum)).toBe(true);
    expect(fetching.some(({ rate, secondsLeft }) => rate > 0 && secondsLeft !== null)).toBe(true);
    const weights = seeded(LARGE, 1);
    expect(same(await storedFile(here, 'model.safetensors'), weights)).toBe(true);
    expect(new TextDecoder().decode((await storedFile(here, 'tokenizer_config.json')) ?? undefined)).toBe(
      '{"x": 1}',
    );
    expect(await storedFile(here, 'README.md')).toBeNull();

    const record = findStored(await here.storage.hub.list(), here.request);
    const file = await (await here.storage.hub.source(record ?? fail())).open('model.safetensors');
    for (const [start, end] of [
      [0, 10],
      [8_388_600, 8_388_700],
      [5, 17_000_000],
      [LARGE - 3, LARGE],
      [7, 7],
    ] as const) {
      expect(same((await file?.read(start, end)) ?? null, weights.subarray(start, end))).toBe(true);
    }
    await expect(file?.read(0, LARGE + 1)).rejects.toThrow('were asked for');

    // By its commit no request at all is made; all requests so far were GETs without anything of this page.
    const before = await here.requests();
    expect(new Set(before.map(({ method }) => method))).toEqual(new Set(['GET']));
    const pinned = { ...here.request, name: found.pinned };
    expect(await here.session().inspect(pinned)).toMatchObject({
      cached: true,
      stored: sum,
      config: { model_type: 'llama' },
    });
    expect(await here.session().download(pinned, () => {})).toMatchObject({ complete: true });
    expect(await here.requests()).toHaveLength(before.length);
  });

  test('without a hub, a branch is what it was when it was downloaded, and says so', async () => {
    const here = await bench();
    const { pinned } = await here.session().download(here.request, () => {});
    const faults = (status: number) => ({ path: 'list', status, times: 100 });
    await here.faults(faults(503));
    expect(await here.session().inspect(here.request)).toMatchObject({
      cached: true,
      pinned,
      note: expect.stringContaining('did not answer'),
    });
    // No server at all; and for a model that is not stored that is an error.
    const gone = { ...here.request, hub: 'http://127.0.0.1:9/hub' };
    await expect(here.session().inspect(gone)).rejects.toMatchObject({
      name: 'HubOfflineError',
      message: expect.stringContaining('127.0.0.1:9 was not reached'),
    });
    // A commit is the same everywhere.
    expect(await here.session().inspect({ ...gone, name: pinned })).toMatchObject({ cached: true });
  });

  test('a branch that was looked up is known without a hub though its commit was downloaded', async () => {
    const here = await bench();
    const api = here.session();
    const { pinned } = await api.inspect(here.request);
    await api.download({ ...here.request, name: pinned }, () => {});
    expect((await api.list())[0]?.revisions).toEqual(['main']);
    await here.faults({ path: 'list', status: 503, times: 100 });
    expect(await here.session().inspect(here.request)).toMatchObject({ cached: true, pinned });
  });

  test('a branch that moves on is the new commit; the old one stays under its own name', async () => {
    const here = await bench();
    const api = here.session();
    const old = await api.download(here.request, () => {});
    await setUp(here.name, {
      models: { 'owner/tiny': { ...MODEL, 'config.json': { text: '{"new": true}' } } },
    });
    expect(await api.inspect(here.request)).toMatchObject({
      cached: false,
      stored: 0,
      config: { new: true },
    });
    const now = await api.download(here.request, () => {});
    expect(now.pinned).not.toBe(old.pinned);
    expect((await api.list()).map(({ pinned, revisions }) => [pinned, revisions])).toEqual([
      [now.pinned, ['main']],
      [old.pinned, []],
    ]);
    expect(new TextDecoder().decode((await storedFile(here, 'config.json')) ?? undefined)).toBe(
      '{"new": true}',
    );
    expect(await api.inspect({ ...here.request, name: old.pinned })).toMatchObject({ cached: true });
  });

  test('sharded weights come by their index', async () => {
    const { 'model.safetensors': _, ...rest } = MODEL;
    const weight_map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    const shards = {
      [weight_map.a]: { bytes: 200_000, seed: 3 },
      [weight_map.b]: { bytes: 300_000, seed: 4 },
    };
    const index = { 'model.safetensors.index.json': { text: JSON.stringify({ weight_map }) } };
    const here = await bench({ models: { 'owner/tiny': { ...rest, ...index, ...shards } } });
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, weight_map.b), seeded(300_000, 4))).toBe(true);
    const broken = await bench({
      models: { 'owner/tiny': { ...rest, ...index, [weight_map.a]: { text: 'x' } } },
    });
    await expect(broken.session().inspect(broken.request)).rejects.toMatchObject({
      name: 'HubMissingError',
      message: expect.stringContaining(weight_map.b),
    });
    const outside = { 'model.safetensors.index.json': { text: '{"weight_map": {"a": "../x.safetensors"}}' } };
    const hostile = await bench({ models: { 'owner/tiny': { ...rest, ...outside } } });
    await expect(hostile.session().inspect(hostile.request)).rejects.toThrow(
      'no .safetensors file of the model',
    );
  });

  test('a mirror without lists is asked file by file', async () => {
    const here = await bench({ models: { 'owner/tiny': MODEL }, plain: true });
    const found = await here.session().inspect(here.request);
    expect(found).toMatchObject({ commit: null, pinned: 'owner/tiny@main', config: { model_type: 'llama' } });
    expect(found.files.map(({ path }) => path).sort()).toEqual([...WANTED].sort());
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
    await expect(here.session().inspect({ ...here.request, name: 'owner/other' })).rejects.toMatchObject({
      name: 'HubMissingError',
      message: expect.stringContaining('no model owner/other'),
    });
  });

  test('an embedder is its ONNX file, tokenizer, and pooling', async () => {
    const files = {
      'config.json': { text: '{}' },
      'tokenizer.json': { text: '{}' },
      'modules.json': { text: '[]' },
      '1_Pooling/config.json': { text: '{"pooling_mode_cls_token": true}' },
      'onnx/model.onnx': { bytes: 150_000, seed: 5 },
      'onnx/model_quantized.onnx': { bytes: 150_000, seed: 6 },
      'model.safetensors': { bytes: 150_000, seed: 7 },
    };
    const here = await bench({ models: { 'owner/tiny': files } }, 'embedder');
    const model = await here.session().download(here.request, () => {});
    expect(model.use).toBe('embedder');
    const record = findStored(await here.storage.hub.list(), here.request);
    expect(record?.files.map(({ path }) => path).sort()).toEqual(
      ['1_Pooling/config.json', 'config.json', 'modules.json', 'onnx/model.onnx', 'tokenizer.json'].sort(),
    );
    // As a language model it is another thing.
    expect(findStored(await here.storage.hub.list(), { ...here.request, use: 'model' })).toBeUndefined();
  });

  test('a reward model is its ONNX file, tokenizer, and chat template', async () => {
    const files = {
      'config.json': { text: '{}' },
      'tokenizer.json': { text: '{}' },
      'chat_template.jinja': { text: '{{ messages }}' },
      'onnx/model.onnx': { bytes: 150_000, seed: 5 },
      'pytorch_model.bin': { bytes: 150_000, seed: 7 },
    };
    const here = await bench({ models: { 'owner/tiny': files } }, 'reward');
    expect((await here.session().download(here.request, () => {})).use).toBe('reward');
    const record = findStored(await here.storage.hub.list(), here.request);
    expect(record?.files.map(({ path }) => path).sort()).toEqual(
      ['chat_template.jinja', 'config.json', 'onnx/model.onnx', 'tokenizer.json'].sort(),
    );
  });
});

describe('what breaks on the way', () => {
  test('a connection that breaks is gone on with where it broke', async () => {
    const here = await bench();
    await here.faults(
      { path: 'model.safetensors', breakAt: 9_000_000 },
      { path: 'model.safetensors', breakAt: 1_000_000 },
    );
    const told: HubProgress[] = [];
    await here.session().download(here.request, (progress) => told.push(progress));
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
    const asked = ranges(await here.requests());
    expect(asked[0]).toBeNull();
    expect(asked).toHaveLength(3);
    const from = asked.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]));
    // What a broken connection still held is lost: of the second, that may be all it sent.
    expect(from[0]).toBeGreaterThan(1_000_000);
    expect(from[1]).toBeGreaterThanOrEqual(from[0] ?? 0);
    expect(told.some(({ state, note }) => state === 'waiting' && note.includes('Trying again'))).toBe(true);
    expect(Math.max(...told.map(({ bytes, totalBytes }) => bytes / totalBytes))).toBeLessThanOrEqual(1);
  });

  test('a body that ends too early is gone on with', async () => {
    const here = await bench();
    await here.faults({ path: 'model.safetensors', endAt: 3_000_000 });
    await here.session().download(here.request, () => {});
    expect(ranges(await here.requests())).toEqual([null, 'bytes=3000000-']);
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
  });

  test('it is cancelled at once, and a later session goes on from there', async () => {
    const here = await bench();
    await here.faults({ path: 'model.safetensors', stopAt: 12_000_000 });
    const first = here.session();
    let began = 0;
    const cancelled = first.download(here.request, ({ bytes }) => {
      if (bytes < 8_000_000 || began > 0) return;
      began = performance.now();
      void first.cancel();
    });
    await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
    // The server has fallen silent for good: nothing but the cancelling ends this.
    expect(performance.now() - began).toBeLessThan(40_000);
    const [kept] = await first.list();
    expect(kept).toMatchObject({ complete: false, id: 'owner/tiny' });
    expect(kept?.stored).toBeGreaterThan(8_000_000);
    expect(findStored(await here.storage.hub.list(), here.request)).toBeUndefined();

    const second = here.session();
    expect(await second.inspect(here.request)).toMatchObject({ cached: false, stored: kept?.stored });
    await second.download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
    const [, again] = ranges(await here.requests());
    expect(Number(/^bytes=(\d+)-$/.exec(again ?? '')?.[1])).toBeGreaterThan(8_000_000);
  });

  test('429 is waited for as long as the hub asks, 5xx a little; a hub that asks for long is told of', async () => {
    const here = await bench();
    await here.faults(
      { path: 'config.json', status: 429, headers: { 'Retry-After': '1' } },
      { path: 'list', status: 503 },
      { path: 'tokenizer.json', status: 500, times: 2 },
    );
    const notes: string[] = [];
    await here.session().download(here.request, ({ note }) => note && notes.push(note));
    expect(notes.join('\n')).toMatch(/HTTP 503[\s\S]*HTTP 429.*Trying again in 1 s[\s\S]*HTTP 500/);
    const busy = await bench();
    await busy.faults({ path: 'model.safetensors', status: 429, headers: { 'Retry-After': '3600' } });
    await expect(busy.session().download(busy.request, () => {})).rejects.toMatchObject({
      name: 'HubError',
      message: expect.stringContaining('wait 60 minutes'),
    });
  });

  test('an address that has expired on the other server is asked for again', async () => {
    const here = await bench();
    await here.faults({ path: 'model.safetensors', status: 403 });
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
  });

  test('a damaged file is fetched once more, and refused where it is damaged again', async () => {
    const here = await bench();
    await here.faults({ path: 'model.safetensors', damage: true });
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
    const bad = await bench();
    await bad.faults({ path: 'tokenizer.json', damage: true, times: 2 });
    await expect(bad.session().download(bad.request, () => {})).rejects.toThrow(
      /tokenizer\.json of owner\/tiny is not the file that the hub lists \(its SHA-1 is another\)/,
    );
    expect(findStored(await bad.storage.hub.list(), bad.request)).toBeUndefined();
    expect((await bad.session().list())[0]?.complete).toBe(false);
  });

  test('a file that changes on a mirror is begun again; nothing of the old one stays', async () => {
    const here = await bench({ models: { 'owner/tiny': MODEL }, plain: true });
    // The first request only looks at its size.
    await here.faults({ path: 'model.safetensors', stopAt: 9_000_000, times: 2 });
    const first = here.session();
    const cancelled = first.download(here.request, ({ bytes }) => {
      if (bytes > 8_000_000) void first.cancel();
    });
    await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
    const other = { ...MODEL, 'model.safetensors': { bytes: LARGE, seed: 99 } };
    await setUp(here.name, { models: { 'owner/tiny': other }, plain: true });
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 99))).toBe(true);
    const longer = { ...MODEL, 'model.safetensors': { bytes: LARGE + 5, seed: 98 } };
    await setUp(here.name, { models: { 'owner/tiny': longer }, plain: true });
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE + 5, 98))).toBe(true);
  });

  test('a hub that does not send parts is begun again', async () => {
    const here = await bench();
    await here.faults(
      { path: 'model.safetensors', breakAt: 9_000_000 },
      { path: 'model.safetensors', whole: true },
    );
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
  });

  test('what has been damaged in the storage is found and only that is fetched again', async () => {
    const here = await bench();
    await here.session().download(here.request, () => {});
    const record = findStored(await here.storage.hub.list(), here.request);
    const db = await openDB(`self-contrast-hub-${here.name}`);
    const [first, second] = await db.getAllKeys(
      'parts',
      IDBKeyRange.bound([record?.key, 'model.safetensors'], [record?.key, 'model.safetensors', []]),
    );
    const part = new Uint8Array(await (await db.get('parts', first ?? '')).arrayBuffer());
    part[1000] = (part[1000] ?? 0) ^ 1;
    await db.put('parts', new Blob([part]), first);
    const before = (await here.requests()).length;
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
    const fetched = (await here.requests()).slice(before).filter(({ path }) => !path.startsWith('api/'));
    expect(fetched.map(({ server, path }) => [server, path.split('/').at(-1)])).toEqual([
      ['hub', 'config.json'],
      ['hub', 'model.safetensors'],
      ['store', 'model.safetensors'],
    ]);
    // A part that is gone is noticed before the model is used.
    await db.delete('parts', second ?? '');
    db.close();
    await expect(storedFile(here, 'model.safetensors')).rejects.toThrow('is not whole: model.safetensors');
    expect(await here.session().inspect(here.request)).toMatchObject({ cached: false });
    await here.session().download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
  });

  test('a part that is gone is mended by the pinned name, as settings have it', async () => {
    const here = await bench();
    const { key, pinned } = await here.session().download(here.request, () => {});
    const request = { ...here.request, name: pinned };
    const whole = await here.session().inspect(request);
    expect(whole).toMatchObject({ cached: true, config: { model_type: 'llama' } });
    for (const path of ['model.safetensors', 'config.json']) {
      await here.storage.hub.clearFile(key, path);
      const [listed] = await here.session().list();
      expect(listed).toMatchObject({ key, complete: false });
      const found = await here.session().inspect(request);
      expect(found).toMatchObject({ cached: false, pinned, config: whole.config });
      expect(found.stored).toBeLessThan(whole.stored);
      await here.session().download(request, () => {});
      expect(await here.session().inspect(request)).toEqual(whole);
      expect((await here.session().list())[0]).toMatchObject({ key, complete: true });
    }
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
  });
});

describe('a gated model', () => {
  const TOKEN = 'hf_secretsecretsecret';
  const gated = { models: { 'owner/tiny': MODEL }, token: TOKEN };

  test('asks for a token, and takes one that only its own hub sees', async () => {
    const here = await bench(gated);
    const api = here.session();
    const needed = {
      name: 'HubTokenError',
      message: expect.stringMatching(/without a token \(HTTP 401\).*accept its terms/),
    };
    await expect(api.inspect(here.request)).rejects.toMatchObject(needed);
    await expect(api.download(here.request, () => {})).rejects.toMatchObject(needed);
    await api.setToken(here.request.hub, 'wrong');
    await expect(api.inspect(here.request)).rejects.toMatchObject({
      name: 'HubTokenError',
      message: expect.not.stringContaining('wrong,'),
    });
    // A token is for the hub it was given for.
    await api.setToken('https://hub.example', TOKEN);
    await expect(api.inspect(here.request)).rejects.toMatchObject({ name: 'HubTokenError' });
    await api.setToken(here.request.hub, TOKEN);
    await api.download(here.request, () => {});
    expect(same(await storedFile(here, 'model.safetensors'), seeded(LARGE, 1))).toBe(true);
    const requests = await here.requests();
    const atStore = requests.filter(({ server }) => server === 'store');
    expect(atStore.length).toBeGreaterThan(0);
    expect(atStore.map(({ authorization }) => authorization)).toEqual(atStore.map(() => null));
    // It is in no record, and another session does not have it.
    const db = await openDB(`self-contrast-hub-${here.name}`);
    for (const store of db.objectStoreNames) {
      expect(JSON.stringify([await db.getAllKeys(store), await db.getAll(store)])).not.toContain(TOKEN);
    }
    db.close();
    await here.storage.hub.remove(findStored(await here.storage.hub.list(), here.request)?.key ?? '');
    await expect(here.session().inspect(here.request)).rejects.toMatchObject({ name: 'HubTokenError' });
    await api.setToken(here.request.hub, null);
    await expect(api.inspect(here.request)).rejects.toMatchObject({ name: 'HubTokenError' });
  });

  test('no token is sent where others could read it, and what is no token is refused', async () => {
    const api = (await bench()).session();
    await expect(api.setToken('http://hub.example', TOKEN)).rejects.toThrow('only sent over https');
    for (const token of ['', 'a b', `x\r\nHost: y`, 'ü']) {
      await expect(api.setToken('https://hub.example', token)).rejects.toThrow('no access token');
    }
  });
});

test('what there is not is named', async () => {
  const here = await bench();
  const api = here.session();
  const inspect = (name: string, use: HubRequest['use'] = 'model'): Promise<HubModel> =>
    api.inspect({ ...here.request, name, use });
  await expect(inspect('owner/none')).rejects.toMatchObject({
    name: 'HubMissingError',
    message: expect.stringContaining('no model owner/none'),
  });
  await expect(inspect('owner/tiny@v9')).rejects.toThrow('at revision "v9"');
  await expect(inspect('owner/tiny', 'embedder')).rejects.toThrow('has no onnx/model.onnx');
  await expect(inspect('nonsense')).rejects.toThrow('write owner/name');
  const { 'model.safetensors': _, ...bin } = MODEL;
  const old = await bench({ models: { 'owner/tiny': bin } });
  await expect(old.session().inspect(old.request)).rejects.toThrow('no model.safetensors');
  const page = await bench({ models: { 'owner/tiny': { ...MODEL, 'config.json': { text: '<html>' } } } });
  await expect(page.session().inspect(page.request)).rejects.toThrow('config.json of owner/tiny on');
});

test('room is looked at before the first large byte', async () => {
  const here = await bench();
  const api = here.session({ estimate: async () => ({ usage: 990e6, quota: 1000e6 }) });
  await expect(api.download(here.request, () => {})).rejects.toMatchObject({
    name: 'StorageError',
    code: 'quota',
    message: expect.stringMatching(/^21 MB are still to be downloaded.*only 10 MB more/),
  });
  expect(ranges(await here.requests())).toEqual([]);
});

test('models are listed and deleted, but not while they are in use', async () => {
  const here = await bench();
  const api = here.session();
  const { key, bytes } = await api.download(here.request, () => {});
  expect(await api.list()).toEqual([
    expect.objectContaining({
      key,
      bytes,
      stored: bytes,
      complete: true,
      revisions: ['main'],
      changed: expect.any(Number),
    }),
  ]);
  const release = await holdModel(key);
  await expect(api.remove(key)).rejects.toMatchObject({ name: 'StorageError', code: 'used' });
  // To check it is no change.
  await api.download(here.request, () => {});
  release();
  await expect.poll(() => api.remove(key).then(() => 'removed', String), PATIENT).toBe('removed');
  expect(await api.list()).toEqual([]);
  const db = await openDB(`self-contrast-hub-${here.name}`);
  expect(await db.count('parts')).toBe(0);
  db.close();
});

test('one download at a time', async () => {
  const here = await bench();
  await here.faults({ path: 'model.safetensors', stopAt: 9_000_000 });
  const api = here.session();
  let second: Promise<unknown> | undefined;
  let elsewhere: Promise<unknown> | undefined;
  const first = api.download(here.request, ({ bytes }) => {
    if (bytes < 8_000_000) return;
    second ??= api.download(here.request, () => {}).catch(String);
    elsewhere ??= here
      .session()
      .download(here.request, () => {})
      .catch(String);
  });
  first.catch(() => undefined);
  await expect.poll(() => elsewhere !== undefined, PATIENT).toBe(true);
  expect(await second).toContain('being downloaded');
  expect(await elsewhere).toContain('in use');
  await api.cancel();
  await expect(first).rejects.toMatchObject({ name: 'AbortError' });
});

function fail(): never {
  throw new Error('it is not stored');
}
