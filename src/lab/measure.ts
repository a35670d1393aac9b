/** How fast this device is, from a few batches of the lab's own data. Nothing is stored. */
import type { LanguageModel, RewardModel, TextEmbedder } from '../engine/types.ts';
import type { MemoryChoice } from '../model/fit.ts';
import { dpoLoss } from '../model/loss.ts';
import { seedOf } from '../model/random.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { optimiserOf } from '../pipeline/context.ts';
import { promptMessages } from '../pipeline/prepare.ts';
import type { PreparedData } from '../pipeline/types.ts';
import type { Speeds } from './clock.ts';

/** Answers sampled, texts embedded, and answers scored by the reward model. */
const [SAMPLED, EMBEDDED, REWARDED] = [256, 64, 4];

export interface Measured {
  readonly model: LanguageModel;
  readonly memory: MemoryChoice;
  readonly embedder: () => Promise<TextEmbedder>;
  readonly reward?: () => Promise<RewardModel>;
  readonly signal: AbortSignal;
  /** Milliseconds, from anywhere. */
  readonly now: () => number;
}

/** Every speed is of a second time: the first one makes the graphs. */
export async function measureSpeeds(
  on: Measured,
  config: RunConfig,
  data: PreparedData,
  guess: Speeds,
): Promise<Speeds> {
  const training = await trainingSpeeds(on, config, data);
  const sampled = await samplingSpeed(on, config, data);
  const embedded = await embeddingSpeed(on, data);
  const rewarded = on.reward ? await rewardSpeed(on, await on.reward(), data) : guess.rewarded;
  return { ...training, sampled, embedded, rewarded };
}

/** Seconds a unit of work; `work` says how many it did. */
async function speed({ now, signal }: Measured, work: () => Promise<number>): Promise<number> {
  await work();
  signal.throwIfAborted();
  const started = now();
  const units = await work();
  return (now() - started) / 1000 / Math.max(1, units);
}

async function trainingSpeeds(
  on: Measured,
  config: RunConfig,
  { train }: PreparedData,
): Promise<Pick<Speeds, 'trained' | 'scored'>> {
  const { lora, dpo, seed } = config;
  const trainer = await on.model.createTrainer(lora, optimiserOf(dpo), seed, on.memory);
  try {
    // Targets stand for the negatives: they are as long.
    const groups = train.slice(0, dpo.batch).map(({ promptIds, targetIds }) => ({
      promptIds,
      responseIds: Array.from({ length: 1 + dpo.negatives }, () => targetIds),
    }));
    const { beta, loss: kind, ftx } = dpo;
    const loss = (_: number, logps: readonly number[]) =>
      dpoLoss(logps, logps, 1, { kind, beta, ftx, groups: groups.length });
    const trained = await speed(on, async () => (await trainer.step(groups, loss, 0, on.signal)).tokens);
    const rows = train.slice(0, 4 * dpo.batch);
    const scored = await speed(on, async () => {
      const asked = rows.map(({ promptIds, targetIds }) => ({ promptIds, responseIds: [targetIds] }));
      await trainer.logps(asked, on.signal);
      return rows.reduce((sum, { promptIds, targetIds }) => sum + promptIds.length + targetIds.length, 0);
    });
    return { trained, scored };
  } finally {
    await trainer.dispose();
  }
}

async function samplingSpeed(on: Measured, { lora, sample, seed }: RunConfig, { train }: PreparedData) {
  const { n, temperature, topP, topK, maxTokens } = sample;
  const sampler = await on.model.createSampler(lora, null, on.memory);
  try {
    const rows = train.slice(0, Math.ceil(SAMPLED / n));
    return await speed(on, async () => {
      let tokens = 0;
      await sampler.sample(
        rows.map(({ promptIds }, i) => ({ promptIds, n, seed: seedOf(seed, 'measure', i) })),
        { temperature, topP, topK, maxTokens, stopIds: on.model.tokenizer.stopIds },
        (_, samples) => {
          for (const { tokenIds } of samples) tokens += tokenIds.length;
        },
        { signal: on.signal },
      );
      return tokens;
    });
  } finally {
    await sampler.dispose();
  }
}

async function embeddingSpeed(on: Measured, { train }: PreparedData): Promise<number> {
  const embedder = await on.embedder();
  const texts = train.slice(0, EMBEDDED).map(({ target }) => target.trim());
  return speed(on, async () => (await embedder.embed(texts, on.signal)).length);
}

async function rewardSpeed(on: Measured, model: RewardModel, { train }: PreparedData): Promise<number> {
  const pairs = train
    .slice(0, REWARDED)
    .map((row) => ({ messages: promptMessages(row), answer: row.target }));
  return speed(on, async () => (await model.score(pairs, on.signal)).length);
}
