/** What workers/hub.ts does. Nothing but models goes through it, and all that it sends out are requests for files. */
import { excerpt } from '../model/text.ts';
import { isComplete } from '../storage/hub-store.ts';
import { openStorage, type Storage } from '../storage/index.ts';
import { changeModel } from '../storage/model-locks.ts';
import type { HubRecord } from '../storage/schema.ts';
import { type EstimateStorage, estimateStorage } from '../storage/space.ts';
import type { CachedModel, HubApi, HubModel, HubProgress, HubRequest } from './api.ts';
import { checkStored, type Download, fetchMissing, storedBytes } from './download.ts';
import { HubError } from './errors.ts';
import { findModel } from './find.ts';
import { isPassing, openHub } from './http.ts';
import { Meter } from './meter.ts';
import { hubBase, isCommit, parseHubName } from './name.ts';
import { Patience } from './patience.ts';
import { bytesOf, describe, findStored, keyOf, pinnedName, recordOf, withKnown } from './stored.ts';

export interface HubHost {
  readonly storage: () => Promise<Storage>;
  readonly estimate: EstimateStorage;
}

const BROWSER: HubHost = {
  storage: () => openStorage(),
  estimate: estimateStorage,
};

/** Where a model is stored whole already, its hub is not asked more often than this before that one is used. */
const TRIES_WITH_STORED = 2;
const TRIES_TO_FIND = 4;

/** A model as its hub, or without one the storage, knows it. */
interface Known {
  readonly record: HubRecord;
  /** config.json, where the hub was asked for it. */
  readonly config?: unknown;
  readonly note: string;
}

export function createHubService(host: HubHost = BROWSER): HubApi {
  /** By the hub's address, for this session; never stored, and in no message. */
  const tokens = new Map<string, string>();
  /** The branches that models were last asked for by, by the key of what was there: downloads name the commit. */
  const branches = new Map<string, string>();
  let opened: Promise<Storage> | undefined;
  let running: AbortController | undefined;

  const store = async () => {
    opened ??= host.storage();
    opened.catch(() => {
      opened = undefined;
    });
    return (await opened).hub;
  };

  const hubOf = ({ hub }: HubRequest) => openHub(hub, tokens.get(hubBase(hub)) ?? null);

  const know = async (
    request: HubRequest,
    signal: AbortSignal,
    onWait: (milliseconds: number, reason: string) => void,
  ): Promise<Known> => {
    const name = parseHubName(request.name);
    const records = await store();
    const stored = findStored(await records.list(), request);
    if (stored !== undefined && isCommit(name.revision)) return { record: stored, note: '' };
    const patience = new Patience(signal, onWait, stored ? TRIES_WITH_STORED : TRIES_TO_FIND);
    try {
      const found = await patience.ask(() => findModel(hubOf(request), name, request.use, signal));
      const key = keyOf(request, found);
      if (!isCommit(name.revision)) branches.set(key, name.revision);
      const old = await records.get(key);
      const record = recordOf(request, found, old, branches.get(key));
      // A branch has come to what is stored already: later, without a hub, that is what it means.
      if (isComplete(record) && old?.revisions.at(-1) !== record.revisions.at(-1)) {
        await records.put(record);
        await moveRevision(record);
      }
      return { record, config: found.config, note: '' };
    } catch (error) {
      if (stored === undefined || !isPassing(error)) throw error;
      const from = new Date(stored.changed).toISOString().slice(0, 10);
      return {
        record: stored,
        note: `The hub did not answer, so the model as it was downloaded on ${from} is used (${pinnedName(stored)}).`,
      };
    }
  };

  const inspect = async (request: HubRequest): Promise<HubModel> => {
    const { record, config, note } = await know(request, new AbortController().signal, () => {});
    const { id, commit, files } = record;
    const bytes = bytesOf(record);
    const stored = await storedBytes(await store(), record);
    const here = config ?? (await storedConfig(record));
    return {
      id,
      revision: parseHubName(request.name).revision,
      commit,
      pinned: pinnedName(record),
      files: files.map(({ path, size }) => ({ path, size })),
      bytes,
      stored,
      cached: here !== null && isComplete(record) && stored === bytes,
      config: here ?? (await askConfig(request, record)),
      note,
    };
  };

  /** Null where it is damaged: a download mends it. */
  const storedConfig = async (record: HubRecord): Promise<unknown> => {
    try {
      const bytes = await (await store()).read(record, 'config.json');
      return bytes && JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return null;
    }
  };

  const askConfig = (request: HubRequest, record: HubRecord): Promise<unknown> => {
    const { signal } = new AbortController();
    const patience = new Patience(signal, () => {}, TRIES_TO_FIND);
    const name = parseHubName(pinnedName(record));
    return patience.ask(() => hubOf(request).json(name, 'config.json', signal));
  };

  const download = async (
    request: HubRequest,
    onProgress: (progress: HubProgress) => void,
    signal: AbortSignal,
  ): Promise<CachedModel> => {
    const records = await store();
    const meter = new Meter(onProgress);
    const onWait = (milliseconds: number, reason: string) =>
      meter.waiting(`${reason} Trying again in ${Math.ceil(milliseconds / 1000)} s.`);
    const work: Download = {
      hub: hubOf(request),
      store: records,
      meter,
      patience: new Patience(signal, onWait),
      signal,
      estimate: host.estimate,
    };
    try {
      return await complete(work, (await know(request, signal, onWait)).record);
    } finally {
      meter.end();
    }
  };

  const complete = async (work: Download, known: HubRecord): Promise<CachedModel> => {
    const records = work.store;
    let record = isComplete(known) ? await checkStored(work, known) : known;
    if (!isComplete(record)) {
      record = await changeModel(record.key, async () => {
        // Another tab may have gone on with it since it was looked at.
        const latest = isComplete(known) ? undefined : await records.get(known.key);
        const files = withKnown(record.files, latest);
        return fetchMissing(work, await checkStored(work, { ...record, files }));
      });
    }
    await moveRevision(record);
    return describe(record, bytesOf(record));
  };

  /** A branch that has moved on names the new commit only. */
  const moveRevision = async (record: HubRecord): Promise<void> => {
    const records = await store();
    const revision = record.revisions.at(-1);
    for (const other of await records.list()) {
      const same = other.use === record.use && other.hub === record.hub && other.id === record.id;
      if (!same || other.key === record.key || revision === undefined) continue;
      if (!other.revisions.includes(revision)) continue;
      await records.put({ ...other, revisions: other.revisions.filter((name) => name !== revision) });
    }
  };

  return {
    inspect,
    download: async (request, onProgress) => {
      if (running !== undefined) {
        throw new HubError('Another model is being downloaded. Wait for it, or cancel it.');
      }
      const abort = new AbortController();
      running = abort;
      try {
        return await download(request, onProgress, abort.signal);
      } finally {
        running = undefined;
      }
    },
    cancel: async () => running?.abort(new DOMException('The download was cancelled.', 'AbortError')),
    list: async () => {
      const records = await store();
      const models: CachedModel[] = [];
      for (const record of await records.list()) {
        models.push(describe(record, await storedBytes(records, record)));
      }
      return models.sort((a, b) => b.changed - a.changed);
    },
    remove: async (key) => {
      const records = await store();
      await changeModel(key, () => records.remove(key));
    },
    setToken: async (hub, token) => {
      const base = hubBase(hub);
      if (token === null) {
        tokens.delete(base);
        return;
      }
      if (!/^[\x21-\x7e]{1,500}$/.test(token)) {
        throw new HubError(
          'This is no access token: it has spaces or letters that no token has, or none at all.',
        );
      }
      if (!isPrivate(base)) {
        throw new HubError(
          `A token is only sent over https, and the hub's address is ${excerpt(base, 100)}.`,
        );
      }
      tokens.set(base, token);
    },
  };
}

/** Whether what is sent there can be read on the way by nobody else. */
function isPrivate(base: string): boolean {
  const { protocol, hostname } = new URL(base);
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}
