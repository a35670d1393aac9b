/** A reward model in its own worker. */
import type { RewardModel } from '../engine/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Living } from './life.ts';
import { startWorkerModel } from './worker-model.ts';

/** What names a reward model, as LabManifest.rewardModel does, and the hub it is of. */
export interface RewardChoice extends Pick<RunConfig, 'hub'> {
  readonly reward: string;
}

export interface RewardApi extends Living {
  open(choice: RewardChoice): Promise<RewardModel['info']>;
  score(pairs: Parameters<RewardModel['score']>[0]): Promise<number[]>;
}

/** @throws InputError where it is no reward model; whatever `rewardFiles` throws */
export async function startReward({ reward, hub }: RewardChoice): Promise<RewardModel & { close(): void }> {
  const { info, ask, close } = await startWorkerModel<RewardApi>(
    'reward model',
    (name) => new Worker(new URL('../../workers/reward.ts', import.meta.url), { type: 'module', name }),
    (api) => api.open({ reward, hub }),
  );
  return { info, close, score: (pairs, signal) => ask((api) => api.score([...pairs]), signal) };
}
