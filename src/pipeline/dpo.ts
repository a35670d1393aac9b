/** Stage: DPO on groups of one target and k own answers; the reference policy is the SFT model. */
import type { AdapterWeights, Group, Trainer } from '../engine/types.ts';
import { dpoLoss } from '../model/loss.ts';
import { type Context, optimiserOf } from './context.ts';
import { responsesOf } from './slices.ts';
import { lossFigures, train } from './train.ts';
import type { PairRecord, PreparedData, PromptResponses, ReferenceRecord, RunStore } from './types.ts';

/** A prompt with its target first and its negatives after it, and the reference's log-probability of each. */
export interface PreferenceGroup {
  readonly index: number;
  readonly group: Group;
  readonly references: readonly number[];
}

/** Prompts scored at a time between looks at the signal. */
const SLICE = 16;

/**
 * Log-probability of every used target under the SFT policy; computed once and stored. In fixed slices of the
 * training prompts, used or not: a value's last bits depend on what is computed beside it, so a slice must not
 * depend on the pairs of the day or on what an earlier sitting had finished.
 */
async function targetReferences(
  context: Context,
  trainer: Trainer,
  data: PreparedData,
  used: readonly number[],
): Promise<Map<number, number>> {
  const { store, signal } = context;
  const stored = await store.references();
  const known = new Map(stored.map(({ index, logp }) => [index, logp] as const));
  const wanted = new Set(used.filter((index) => !known.has(index)).map((index) => Math.floor(index / SLICE)));
  for (const number of [...wanted].sort((a, b) => a - b)) {
    const at = number * SLICE;
    const slice = data.train.slice(at, at + SLICE);
    const logps = await trainer.logps(
      slice.map(({ promptIds, targetIds }) => ({ promptIds, responseIds: [targetIds] })),
      signal,
    );
    const records: ReferenceRecord[] = slice.map((_, i) => ({
      index: at + i,
      logp: sum(logps[i]?.[0] ?? []),
    }));
    await store.saveReferences(records);
    for (const { index, logp } of records) known.set(index, logp);
  }
  return known;
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

/** The stored pairs as groups; negatives bring their reference log-probability from the sampler. */
export function preferenceGroups(
  data: PreparedData,
  responses: readonly PromptResponses[],
  pairs: readonly { index: number; response: number }[],
  references: ReadonlyMap<number, number>,
): PreferenceGroup[] {
  const byIndex = new Map(responses.map((record) => [record.index, record.responses] as const));
  const negatives = new Map<number, number[]>();
  for (const { index, response } of pairs) negatives.set(index, [...(negatives.get(index) ?? []), response]);
  return [...negatives]
    .sort(([a], [b]) => a - b)
    .flatMap(([index, list]) => {
      const row = data.train[index];
      const reference = references.get(index);
      const rejected = list.flatMap((response) => byIndex.get(index)?.[response] ?? []);
      if (!row || reference === undefined || rejected.length === 0) return [];
      return {
        index,
        group: { promptIds: row.promptIds, responseIds: [row.targetIds, ...rejected.map((r) => r.tokenIds)] },
        references: [reference, ...rejected.map((r) => r.logp)],
      };
    });
}

/** Groups as they are wanted: all prompts' answers at once may not fit into memory. */
export interface MinedGroups {
  /** Prompts that have a group, rising. */
  readonly indices: readonly number[];
  /** The groups of these prompts, in the order asked for. */
  read(indices: readonly number[]): Promise<PreferenceGroup[]>;
}

export function minedGroups(
  store: Pick<RunStore, 'responses'>,
  data: PreparedData,
  pairs: readonly PairRecord[],
  references: ReadonlyMap<number, number>,
): MinedGroups {
  const drawn = new Map<number, PairRecord[]>();
  for (const pair of pairs) {
    const list = drawn.get(pair.index);
    if (list) list.push(pair);
    else drawn.set(pair.index, [pair]);
  }
  return {
    indices: [...drawn.keys()].filter((index) => references.has(index)).sort((a, b) => a - b),
    read: async (wanted) => {
      const records = await responsesOf(store, wanted);
      const theirs = wanted.flatMap((index) => drawn.get(index) ?? []);
      const groups = preferenceGroups(data, records, theirs, references);
      const byIndex = new Map(groups.map((group) => [group.index, group] as const));
      return wanted.map((index) => {
        const group = byIndex.get(index);
        if (!group)
          throw new Error(`the answers to prompt ${index + 1} are gone; redo the run from sampling`);
        return group;
      });
    },
  };
}

/**
 * @param rewarded prompts at most over which the final margin and accuracy are taken, evenly spread; all where it is
 *   left out, which costs about a quarter of the stage
 */
export async function runDpo(
  context: Context,
  data: PreparedData,
  sft: AdapterWeights,
  rewarded = Number.POSITIVE_INFINITY,
): Promise<Record<string, number | readonly number[]>> {
  const { model, config, store, signal } = context;
  const { beta, loss: kind, ftx } = config.dpo;
  const pairs = await store.pairs();
  // Nothing to prefer would leave the SFT adapter and call it aligned.
  if (pairs.length === 0) throw new Error('there are no pairs to train on; redo the run from the filter');
  const used = [...new Set(pairs.map((pair) => pair.index))];
  const trainer = await model.createTrainer(
    config.lora,
    optimiserOf(config.dpo),
    config.seed,
    context.memory,
  );
  try {
    const zeros = sft.map((vector) => new Float32Array(vector.length));
    await trainer.restore({ step: 0, parameters: sft, m: zeros, v: zeros });
    const references = await targetReferences(context, trainer, data, used);
    const groups = minedGroups(store, data, pairs, references);
    const lossOf = (members: readonly PreferenceGroup[]) => (i: number, logps: readonly number[]) => {
      const member = members[i];
      const chosenTokens = member?.group.responseIds[0]?.length ?? 1;
      return dpoLoss(logps, member?.references ?? [], chosenTokens, {
        kind,
        beta,
        ftx,
        groups: members.length,
      });
    };
    const { steps, tokens, metrics, checkpointSeconds } = await train(context, trainer, {
      stage: 'dpo',
      settings: config.dpo,
      items: groups.indices.length,
      preview: data.heldOut.slice(0, 3),
      batch: async (items) => {
        const members = await groups.read(items.flatMap((i) => groups.indices[i] ?? []));
        return { groups: members.map((m) => m.group), loss: lossOf(members) };
      },
    });
    const final = await rewards(trainer, groups, spread(groups.indices, rewarded), beta, signal);
    const counts = { steps, tokens, prompts: groups.indices.length, pairs: pairs.length, checkpointSeconds };
    return { ...counts, ...final, ...lossFigures(metrics) };
  } finally {
    await trainer.dispose();
  }
}

/** At most `count` of the items, evenly spread: data are often sorted. */
function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return items.filter(
    (_, i) => Math.floor((i * count) / items.length) !== Math.floor(((i - 1) * count) / items.length),
  );
}

/** Reward margin and accuracy of the adapter as it is, over all pairs of these prompts: reward = beta (logp - ref). */
async function rewards(
  trainer: Trainer,
  groups: MinedGroups,
  indices: readonly number[],
  beta: number,
  signal: AbortSignal,
) {
  let pairs = 0;
  let right = 0;
  let margin = 0;
  let chosenLogp = 0;
  let chosenLogpBefore = 0;
  for (let at = 0; at < indices.length; at += SLICE) {
    const slice = await groups.read(indices.slice(at, at + SLICE));
    const logps = await trainer.logps(
      slice.map((g) => g.group),
      signal,
    );
    slice.forEach(({ references }, i) => {
      const [chosen = 0, ...rejected] = (logps[i] ?? []).map(
        (x, j) => beta * (sum(x) - (references[j] ?? 0)),
      );
      chosenLogp += sum(logps[i]?.[0] ?? []);
      chosenLogpBefore += references[0] ?? 0;
      for (const reward of rejected) {
        pairs++;
        margin += chosen - reward;
        if (chosen > reward) right++;
      }
    });
  }
  const mean = (x: number, n: number) => (n > 0 ? x / n : 0);
  return {
    rewardMargin: mean(margin, pairs),
    rewardAccuracy: mean(right, pairs),
    chosenLogp: mean(chosenLogp, indices.length),
    chosenLogpBefore: mean(chosenLogpBefore, indices.length),
  };
}
