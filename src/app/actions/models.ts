/** Models of a hub: looked for, fetched, used, deleted. What was fetched stays, however a download ends. */

import { batch } from '@preact/signals';
import type { CachedModel, HubModel, HubRequest, HubUse } from '../../hub/api.ts';
import { visible } from '../../model/text.ts';
import { callback, callWorker } from '../client.ts';
import { host } from '../host.ts';
import { callHub } from '../hub-client.ts';
import { hubProblem } from '../models/hub-problems.ts';
import { modelName } from '../models/names.ts';
import {
  cachedModels,
  choosing,
  chosenReward,
  type Search,
  searches,
  storedFolders,
} from '../models/state.ts';
import { problemOf } from '../problems.ts';
import { config } from '../settings.ts';
import { busy, problem, said } from '../signals.ts';
import { edit } from './edits.ts';
import { openStage } from './runs.ts';
import { measureStorage } from './space.ts';

const setSearch = (use: HubUse, search: Search | null): void => {
  searches.value = { ...searches.value, [use]: search };
};

/** Changes the search unless another has taken its place meanwhile. */
function update(request: HubRequest, change: Partial<Search>): void {
  const now = searches.value[request.use];
  if (now?.request === request) setSearch(request.use, { ...now, ...change });
}

/** Asks a hub, that of the settings if no other is named, what would be fetched, and whether it would fit. */
export async function lookUp(
  use: HubUse,
  name: string,
  hub = config.value.hub,
  checkOnly = false,
): Promise<void> {
  const request: HubRequest = { hub, name: name.trim(), use };
  const empty = {
    setHub: config.value.hub,
    checkOnly,
    found: null,
    progress: null,
    fit: null,
    fault: '',
    problem: null,
  };
  setSearch(use, { request, step: 'asking', ...empty });
  try {
    const found = await callHub((api) => api.inspect(request));
    update(request, { step: 'found', found });
    if (use === 'model' && !checkOnly) await judge(request, found);
  } catch (error) {
    update(request, { step: 'failed', problem: hubProblem(error, false) });
  }
}

/** Whether this page and device can run what was found. */
async function judge(request: HubRequest, found: HubModel): Promise<void> {
  try {
    const asked = {
      config: { ...config.value, model: found.pinned },
      modelConfig: found.config,
      download: found.bytes - found.stored,
    };
    const fit = await callWorker((api) => api.fit(asked));
    update(request, { fit, fault: '' });
  } catch (error) {
    update(request, { fault: error instanceof Error ? error.message : String(error) });
  }
}

/** The settings have changed: what was found may fit now, or not any more. */
export async function judgeAgain(): Promise<void> {
  const search = searches.value.model;
  if (search?.step === 'found' && search.found !== null) await judge(search.request, search.found);
}

/** Leads to the choice of a model. */
export function chooseModel(): void {
  choosing.value = 'model';
  openStage('model');
}

export function forgetSearch(use: HubUse): void {
  setSearch(use, null);
}

/** Reads all that is stored of a model, and fetches again what is damaged of it. */
export async function checkCached(use: HubUse, name: string, hub: string): Promise<void> {
  await lookUp(use, name, hub, true);
  if (searches.value[use]?.checkOnly === true) await fetchFound(use);
}

/** Fetches what was looked up, or goes on with it; then the run uses it, unless it was only to be checked. */
export async function fetchFound(use: HubUse): Promise<void> {
  const search = searches.value[use];
  if (search === null || search.found === null || search.step === 'fetching') return;
  const { request, found } = search;
  setSearch(use, { ...search, step: 'fetching', problem: null, progress: null });
  try {
    // By commit: a branch may have moved on since it was looked up.
    const exact = { ...request, name: found.pinned };
    const model = await callHub((api) =>
      api.download(
        exact,
        callback((progress) => update(request, { progress })),
      ),
    );
    if (search.checkOnly) {
      update(request, { step: 'checked' });
      return;
    }
    batch(() => {
      if (searches.value[use]?.request === request) setSearch(use, null);
      choose(use, model.pinned, hubOf(model));
    });
  } catch (error) {
    update(request, { step: 'failed', problem: hubProblem(error, true) });
  } finally {
    await listModels();
    await measureStorage();
  }
}

/** Ends the download at once. */
export async function cancelFetch(): Promise<void> {
  await callHub((api) => api.cancel());
}

/** A token for the hub, and the question that failed again. It is handed to the one worker that needs it. */
export async function giveToken(use: HubUse, token: string): Promise<void> {
  const search = searches.value[use];
  const given = token.trim();
  const hub = search?.request.hub ?? config.value.hub;
  await callHub((api) => api.setToken(hub, given === '' ? null : given));
  if (search?.step === 'failed') await tryAgain(use);
}

/** Looks again, or goes on with the download. */
export async function tryAgain(use: HubUse): Promise<void> {
  const search = searches.value[use];
  if (search === null) return;
  const { request, found, setHub, checkOnly } = search;
  // Another address may have been set since.
  const moved = setHub !== config.value.hub;
  const hub = moved ? config.value.hub : request.hub;
  if (checkOnly) await checkCached(use, request.name, hub);
  else if (moved || found === null) await lookUp(use, request.name, hub);
  else await fetchFound(use);
}

/** The hub that has to be set for a model's name to be enough; a commit is the same on every one. */
export const hubOf = ({ commit, hub }: Pick<CachedModel, 'commit' | 'hub'>): string | undefined =>
  commit === null ? hub : undefined;

/** Sets the run to use a model or an embedder by its name in the settings; a reward model is a lab's. */
export function choose(use: HubUse, name: string, hub = config.value.hub): void {
  if (use === 'reward') {
    batch(() => {
      chosenReward.value = name;
      choosing.value = null;
      searches.value = { ...searches.value, reward: null };
      said.value = `The next lab is judged by ${modelName(name, 'the example reward model')}.`;
    });
    return;
  }
  const what = modelName(name, use === 'model' ? 'The example model' : 'The default embedder');
  if (busy.value) {
    said.value = `${what} is stored. Pause the run to use it.`;
    return;
  }
  batch(() => {
    const next = { ...config.value, hub };
    edit(use === 'model' ? { ...next, model: name } : { ...next, embedder: name });
    choosing.value = null;
    searches.value = { ...searches.value, [use]: null };
    said.value = `The run uses ${what}.`;
  });
}

/** Reads again what is stored: of hubs, and the folders that the user gave. */
export async function listModels(): Promise<void> {
  try {
    cachedModels.value = await callHub((api) => api.list());
    storedFolders.value = await host.listModelFolders();
  } catch (error) {
    problem.value = problemOf('The stored models could not be listed', error, 'Nothing was changed.');
  }
}

/** Deletes a model of a hub from this device; it can be fetched again. */
export function removeCached(key: string, name: string): Promise<void> {
  return removing(name, () => callHub((api) => api.remove(key)));
}

export function removeFolder(name: string): Promise<void> {
  return removing(name, () => host.deleteModelFolder(name));
}

async function removing(name: string, remove: () => Promise<void>): Promise<void> {
  try {
    await remove();
    said.value = `${visible(name)} is deleted from this device.`;
  } catch (error) {
    problem.value = problemOf(`${visible(name)} could not be deleted`, error, 'Nothing was changed.');
  }
  await listModels();
  await measureStorage();
}
