import { useEffect } from 'preact/hooks';
import type { HubUse } from '../../hub/api.ts';
import { isHubName } from '../../hub/name.ts';
import { listModels, lookUp } from '../actions.ts';
import { cachedModels, choosing } from './state.ts';

/** A run may name a model of a hub that is not stored here: imported, or deleted since. */
export function NotHere({ use, name }: { use: HubUse; name: string }) {
  const hub = isHubName(name);
  useEffect(() => {
    if (hub && cachedModels.value === null) void listModels();
  }, [hub]);
  const listed = cachedModels.value;
  if (!hub || listed === null) return null;
  const here = listed.some(({ use: of, pinned, complete }) => of === use && complete && pinned === name);
  if (here) return null;
  return (
    <div class="notice warn-box">
      <p class="grow">It is not on this device, or not all of it.</p>
      <button
        type="button"
        class="button"
        onClick={() => {
          choosing.value = use;
          void lookUp(use, name);
        }}
      >
        Look it up on the hub
      </button>
    </div>
  );
}
