/** Where a model's files come from: the embedded folder, an address, a folder the user gave, a hub's stored model. */

import type { FileSource } from '../engine/types.ts';
import type { HubUse } from '../hub/api.ts';
import { isHubName, parseHubName } from '../hub/name.ts';
import { findStored } from '../hub/stored.ts';
import { ModelError } from '../model/config.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Storage } from '../storage/index.ts';
import { holdModel } from '../storage/model-locks.ts';
import { urlFolder } from './url-folder.ts';

/** Files that stay where they are until they are let go of: a stored model in use can't be deleted. */
export interface HeldFiles {
  readonly files: FileSource;
  release(): void;
}

const free = (files: FileSource): HeldFiles => ({ files, release: () => {} });

export const isUrl = (name: string): boolean => /^https?:\/\//.test(name);

/** The last part of an address, for people. */
export const shortName = (name: string): string =>
  decodeURIComponent(name.replace(/\/+$/, '').split('/').at(-1) ?? name);

/**
 * What RunConfig.model names.
 *
 * @throws ModelError where it is a hub's and not stored, StorageError where what is stored of it is damaged
 */
export function modelFiles(
  { model, hub }: Pick<RunConfig, 'model' | 'hub'>,
  base: URL,
  storage: Storage,
): Promise<HeldFiles> {
  return filesOf('model', model, hub, new URL('models/default-lm/', base), storage);
}

/** What RunConfig.embedder names: a folder in the layout of transformers.js. Throws as `modelFiles` does. */
export function embedderFiles(
  { embedder, hub }: Pick<RunConfig, 'embedder' | 'hub'>,
  base: URL,
  storage: Storage,
): Promise<HeldFiles> {
  return filesOf('embedder', embedder, hub, new URL('models/default-embedder/', base), storage);
}

/** What LabManifest.rewardModel names: a folder in the layout of transformers.js. Throws as `modelFiles` does. */
export function rewardFiles(
  { reward, hub }: { readonly reward: string } & Pick<RunConfig, 'hub'>,
  base: URL,
  storage: Storage,
): Promise<HeldFiles> {
  return filesOf('reward', reward, hub, new URL('models/default-reward/', base), storage);
}

async function filesOf(
  use: HubUse,
  name: string,
  hub: string,
  embedded: URL,
  storage: Storage,
): Promise<HeldFiles> {
  if (name === 'default') return free(urlFolder(embedded.href, shortName(embedded.pathname)));
  if (isUrl(name)) return free(urlFolder(name, shortName(name)));
  if (isHubName(name)) return storedModel({ use, name, hub }, storage);
  const release = await holdModel(name);
  return { files: storage.modelFolder(name), release };
}

async function storedModel(
  request: { readonly use: HubUse; readonly name: string; readonly hub: string },
  storage: Storage,
): Promise<HeldFiles> {
  const record = findStored(await storage.hub.list(), request);
  if (record === undefined) {
    throw new ModelError(
      `${request.name} is not on this device${parseHubName(request.name).revision === 'main' ? '' : ' at this revision'}: download it first.`,
    );
  }
  const release = await holdModel(record.key);
  try {
    return { files: await storage.hub.source(record), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** What RunConfig.adapter names; null where the run starts from the model alone. */
export function adapterSource(name: string, storage: Storage): FileSource | null {
  if (name === 'none') return null;
  return isUrl(name) ? urlFolder(name, shortName(name)) : storage.modelFolder(name);
}
