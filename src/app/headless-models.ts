/** Models that a headless job names on a hub, fetched before its run is stored. */
import type { HubProgress } from '../hub/api.ts';
import { isHubName } from '../hub/name.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { HubRecord } from '../storage/schema.ts';
import { callback } from './client.ts';
import { callHub } from './hub-client.ts';

/** What the runner is told meanwhile. */
export interface ModelProgress extends HubProgress {
  /** As the settings have it. */
  readonly name: string;
}

let fetching = false;

/** Settings, and a reward model beside them where one is asked for, named by their commits. */
export interface FetchedModels {
  readonly config: RunConfig;
  readonly reward: string | null;
}

/**
 * The settings with every hub's model on this device, and named by its commit: the run stays the run of these files.
 *
 * @param token of the hub, for gated models; null where there is none
 * @param reward as a setting would name it
 */
export async function fetchModels(
  config: RunConfig,
  token: string | null,
  say: (progress: ModelProgress) => void,
  reward: string | null = null,
): Promise<FetchedModels> {
  const { hub } = config;
  if (token !== null) await callHub((api) => api.setToken(hub, token));
  const fetched = async (name: string, use: HubRecord['use']): Promise<string> => {
    if (!isHubName(name)) return name;
    const onProgress = callback((progress: HubProgress) => say({ ...progress, name }));
    fetching = true;
    try {
      return (await callHub((api) => api.download({ hub, name, use }, onProgress))).pinned;
    } finally {
      fetching = false;
    }
  };
  const model = await fetched(config.model, 'model');
  const embedder = await fetched(config.embedder, 'embedder');
  return {
    config: { ...config, model, embedder },
    reward: reward === null ? null : await fetched(reward, 'reward'),
  };
}

export async function stopFetching(): Promise<void> {
  if (fetching) await callHub((api) => api.cancel());
}
