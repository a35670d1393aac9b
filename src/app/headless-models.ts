/** Models that a headless job names on a hub, fetched before its run is stored. */
import type { HubProgress } from '../hub/api.ts';
import { isHubName } from '../hub/name.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { callback } from './client.ts';
import { callHub } from './hub-client.ts';

/** What the runner is told meanwhile. */
export interface ModelProgress extends HubProgress {
  /** As the settings have it. */
  readonly name: string;
}

let fetching = false;

/**
 * The settings with every hub's model on this device, and named by its commit: the run stays the run of these files.
 *
 * @param token of the hub, for gated models; null where there is none
 */
export async function fetchModels(
  config: RunConfig,
  token: string | null,
  say: (progress: ModelProgress) => void,
): Promise<RunConfig> {
  const { hub } = config;
  if (token !== null) await callHub((api) => api.setToken(hub, token));
  let now = config;
  for (const use of ['model', 'embedder'] as const) {
    const name = config[use];
    if (!isHubName(name)) continue;
    const onProgress = callback((progress: HubProgress) => say({ ...progress, name }));
    fetching = true;
    try {
      const { pinned } = await callHub((api) => api.download({ hub, name, use }, onProgress));
      now = { ...now, [use]: pinned };
    } finally {
      fetching = false;
    }
  }
  return now;
}

export async function stopFetching(): Promise<void> {
  if (fetching) await callHub((api) => api.cancel());
}
