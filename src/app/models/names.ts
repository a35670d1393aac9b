/** What models and embedders are called on the page. Pure. */
import type { HubUse } from '../../hub/api.ts';
import { isCommit, isHubName, parseHubName } from '../../hub/name.ts';
import { visible } from '../../model/text.ts';

/** What each is called within a sentence. */
export const USES: Readonly<Record<HubUse, string>> = {
  model: 'model',
  embedder: 'embedder',
  reward: 'reward model',
};

/** A model of the settings in a few words; a hub's without its owner and commit. */
export function modelName(name: string, byDefault = 'example model'): string {
  if (name === 'default') return byDefault;
  if (!isHubName(name)) return visible(name);
  const { id, revision } = parseHubName(name);
  const short = id.split('/')[1] ?? id;
  return revision === 'main' || isCommit(revision) ? short : `${short}@${revision}`;
}

/** The commit's first digits, as people write them. */
export const shortCommit = (commit: string): string => commit.slice(0, 8);

/** The host of an address; the address itself where it has none. */
export function hostOf(address: string): string {
  try {
    return new URL(address).host;
  } catch {
    return visible(address);
  }
}
