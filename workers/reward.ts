/** Comlink entry point of the reward model's worker. */
import * as Comlink from 'comlink';
import { openRewardModel } from '../src/engine/reward-model.ts';
import type { RewardModel } from '../src/engine/types.ts';
import { holdLife } from '../src/service/life.ts';
import type { RewardApi } from '../src/service/reward-client.ts';
import { rewardFiles } from '../src/service/sources.ts';
import { openStorage } from '../src/storage/index.ts';
import { pageBase } from './base.ts';

/** It computes beside the model, which takes all cores on WebAssembly; many would only wait for each other. */
const THREADS = Math.min(4, Math.max(1, Math.floor(navigator.hardwareConcurrency / 2)));

let model: RewardModel | undefined;

const held = holdLife(self.name);

const api: RewardApi = {
  alive: () => held,
  open: async (choice) => {
    // Held until this worker ends.
    const { files } = await rewardFiles(choice, pageBase, await openStorage());
    model = await openRewardModel({
      source: files,
      wasmPath: new URL('ort/', pageBase).href,
      threads: crossOriginIsolated ? THREADS : 1,
    });
    return model.info;
  },
  score: async (pairs) => {
    if (!model) throw new Error('internal: the reward model is not open');
    return model.score(pairs);
  },
};

Comlink.expose(api);
