/**
 * The theorem of Self-Contrast (arXiv 2404.00604) in practice: more negatives estimate the gradient with less variance,
 * and its direction stays that of balanced preference pairs. Measured on the adapter at the SFT policy, where DPO starts.
 *
 * There every answer enters the gradient linearly: all log-ratios are 0, so all coefficients are known. So it takes no
 * draws for every k: one gradient a prompt with all its negatives, and one with half of them against the other half, give
 * the noise of any k (gradient-noise.ts).
 */
import type { Group, Trainer } from '../../engine/types.ts';
import { dpoLoss } from '../../model/loss.ts';
import { sampleWithoutReplacement, shuffle, stream } from '../../model/random.ts';
import type { RunConfig } from '../../pipeline/config.ts';
import { optimiserOf } from '../../pipeline/context.ts';
import { poolOf, stripLeading } from '../../pipeline/filter.ts';
import type { PromptResponses, ResponseRecord, TokenizedRow } from '../../pipeline/types.ts';
import type { DiagnosisInput } from '../inputs.ts';
import type { GradientStudy } from '../types.ts';
import { noiseFigures, type PromptGradients, varianceCut } from './gradient-noise.ts';
import { gradientVerdict, tooFewPrompts, tooNoisy } from './gradient-text.ts';
import { type Judged, judgeOf } from './judge.ts';
import { dot, Sketch } from './sketch.ts';

const SWEEP = [1, 2, 4, 8, 16];
const PROMPTS = { most: 200, least: 8 };
/** Answers computed of a prompt: as many of each, so that few shapes are compiled. */
const NEGATIVES = [8, 4, 2];
/** Good and bad answers of a prompt in its balanced pairs: so many of each, some of them repeated where there are fewer. */
const BALANCED = 4;
/** Tokens through the model times its parameters: about a minute on two cores. */
const WORK = 2e11;

/** What is computed of one prompt. */
export interface GradientTask {
  readonly row: TokenizedRow;
  /** In random order; an even number. */
  readonly negatives: readonly (readonly number[])[];
  /** Equally many of both. */
  readonly balanced?: {
    readonly chosen: readonly (readonly number[])[];
    readonly rejected: readonly (readonly number[])[];
  };
}

/**
 * On at most 200 prompts, fewer where the model is large; all with as many answers in their pool as most have, up to 8.
 *
 * @returns undefined where there are no answers at all
 */
export async function gradientStudy(input: DiagnosisInput): Promise<GradientStudy | undefined> {
  const { config, model, policy, memory, signal, onProgress } = input;
  if (input.responses.length === 0) return undefined;
  const { tasks, pools, balanced } = gradientTasks(input);
  if (tasks.length < PROMPTS.least)
    return { points: [], verdict: tooFewPrompts(tasks.length, PROMPTS.least) };
  const trainer = await model.createTrainer(config.lora, optimiserOf(config.dpo), config.seed, memory);
  const computed: PromptGradients[] = [];
  try {
    const zeros = policy.map((vector) => new Float32Array(vector.length));
    await trainer.restore({ step: 0, parameters: policy, m: zeros, v: zeros });
    const sketch = new Sketch();
    for (const [i, task] of tasks.entries()) {
      signal.throwIfAborted();
      onProgress(i, tasks.length, 'gradients');
      computed.push(await promptGradients(trainer, task, config, sketch, signal));
    }
    onProgress(tasks.length, tasks.length, 'gradients');
  } finally {
    await trainer.dispose();
  }
  const half = [...pools].sort((a, b) => a - b)[Math.floor(pools.length / 2)] ?? 0;
  const ks = SWEEP.filter((k) => k <= half);
  const figures = noiseFigures(computed, ks, config.dpo.batch);
  if (!figures) return { points: [], verdict: tooNoisy(tasks.length, varianceCut(computed, ks)) };
  const { noise, draw, cosine, fromPrompts, slope, direction } = figures;
  const study = {
    points: noise.flatMap((figure, i) => {
      const [negatives, part, angle] = [ks[i], draw[i], cosine?.[i]];
      if (negatives === undefined || !part) return [];
      return [{ negatives, noise: figure, draw: part, ...(angle && { cosine: angle }) }];
    }),
    batch: config.dpo.batch,
    fromPrompts,
    slope,
    ...(direction && balanced && { direction, balanced }),
  };
  return { ...study, verdict: gradientVerdict(study, tasks.length) };
}

interface Tasks {
  readonly tasks: readonly GradientTask[];
  /** Pool sizes of the prompts of the tasks. */
  readonly pools: readonly number[];
  /** What the balanced pairs are made of; absent where there are none. */
  readonly balanced?: string;
}

/** Which prompts and answers: drawn by the seed, as many as the work allows. */
function gradientTasks(input: DiagnosisInput): Tasks {
  const { config, data, responses, model } = input;
  const { filter, seed } = config;
  const judge = judgeOf(input);
  const usable = responses.flatMap((record) => {
    const row = data.train[record.index];
    const kept = poolOf(record.responses, filter);
    const pool = record.responses.filter((_, i) => kept[i]);
    return row && pool.length >= 2 ? [{ row, record, pool }] : [];
  });
  const most = Math.max(...usable.map(({ pool }) => pool.length));
  const enough = (negatives: number) => usable.filter(({ pool }) => pool.length >= negatives);
  // As many as most prompts have, for prompts with fewer are left out.
  const size =
    NEGATIVES.find((n) => enough(n).length >= Math.max(PROMPTS.least, usable.length / 2)) ??
    NEGATIVES.find((n) => n <= most) ??
    2;
  const order = shuffle(enough(size), stream(seed, 'gradient', 'prompts'));
  const tokens = order.reduce((sum, { row, pool }) => sum + tokensOf(row, pool, size), 0) / order.length;
  const room = Math.floor(WORK / model.info.parameterCount / tokens);
  const chosen = order.slice(0, Math.max(PROMPTS.least, Math.min(PROMPTS.most, room)));

  const ownPairs = judge && chosen.filter(({ record }) => bothKinds(record, judge)).length >= PROMPTS.least;
  const tasks = chosen.map(({ row, record, pool }) => {
    const random = stream(seed, 'gradient', 'answers', record.index);
    const drawn = shuffle(sampleWithoutReplacement(pool, size, random), random);
    const balanced = ownPairs ? ownBalanced(record, judge, random) : rejectedPair(row, input);
    return {
      row,
      negatives: drawn.map(({ tokenIds }) => tokenIds),
      ...(balanced && { balanced }),
    };
  });
  return {
    tasks,
    pools: chosen.map(({ pool }) => pool.length),
    ...(tasks.some(({ balanced }) => balanced) && {
      balanced: ownPairs
        ? `own answers found good against own answers found bad, equally many of each (at most ${BALANCED} a prompt)`
        : "the target against the data set's own rejected answer",
    }),
  };
}

/** Tokens through the model of a prompt's three gradients. */
function tokensOf(row: TokenizedRow, pool: readonly ResponseRecord[], negatives: number): number {
  const answer = pool.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0) / pool.length;
  return 3 * row.promptIds.length + 2 * row.targetIds.length + 2 * (negatives + BALANCED) * answer;
}

type Balanced = GradientTask['balanced'];

/** Different answers of a prompt that are not empty, by verdict; null where one kind is missing. */
function bothKinds(record: PromptResponses, { verdicts }: Judged) {
  const found = verdicts(record);
  if (!found) return null;
  const seen = new Set<string>();
  const [good, bad]: (readonly number[])[][] = [[], []];
  record.responses.forEach(({ text, tokenIds }, i) => {
    const plain = stripLeading(text);
    if (plain === '' || seen.has(plain)) return;
    seen.add(plain);
    (found[i] === true ? good : bad)?.push(tokenIds);
  });
  return good && bad && good.length > 0 && bad.length > 0 ? { good, bad } : null;
}

function ownBalanced(record: PromptResponses, judge: Judged, random: () => number): Balanced {
  const kinds = bothKinds(record, judge);
  if (!kinds) return undefined;
  // A power of two, so that repeated ones weigh alike.
  const count = 2 ** Math.floor(Math.log2(Math.min(kinds.good.length, kinds.bad.length, BALANCED)));
  const draw = (answers: readonly (readonly number[])[]) => {
    const drawn = sampleWithoutReplacement(answers, count, random);
    return Array.from({ length: BALANCED / count }, () => drawn).flat();
  };
  return { chosen: draw(kinds.good), rejected: draw(kinds.bad) };
}

function rejectedPair(row: TokenizedRow, { model }: Pick<DiagnosisInput, 'model'>): Balanced {
  const [text] = row.rejected ?? [];
  if (text === undefined) return undefined;
  const rejected = model.tokenizer.encodeTarget(text);
  // Rows were checked with their target only.
  const fits = row.promptIds.length + rejected.length <= model.info.contextLength;
  return fits ? { chosen: [row.targetIds], rejected: [rejected] } : undefined;
}

/** The prompt's gradients, by the loss that DPO would have with the prompt alone. */
export async function promptGradients(
  trainer: Trainer,
  { row, negatives, balanced }: GradientTask,
  { dpo }: Pick<RunConfig, 'dpo'>,
  sketch: Sketch,
  signal?: AbortSignal,
): Promise<PromptGradients> {
  const { promptIds, targetIds } = row;
  const settings = { kind: dpo.loss, beta: dpo.beta, ftx: dpo.ftx, groups: 1 };
  const gradient = async (
    responseIds: Group['responseIds'],
    coefficientsOf: (logps: readonly number[]) => readonly number[],
  ) => {
    const { gradients } = await trainer.gradients(
      [{ promptIds, responseIds }],
      (_, logps) => ({ loss: 0, coefficients: coefficientsOf(logps), metrics: {} }),
      signal,
    );
    return sketch.of(gradients);
  };
  const answers = [targetIds, ...negatives];
  // The policy is its own reference.
  const mean = await gradient(
    answers,
    (logps) => dpoLoss(logps, logps, targetIds.length, settings).coefficients,
  );
  const [, slope = 0] = dpoLoss([0, 0], [0, 0], 1, { ...settings, ftx: 0 }).coefficients;
  // With the target along, unweighted, the shape is one that is compiled already.
  const halves = await gradient(answers, () => [
    0,
    ...negatives.map((_, j) => ((j % 2 === 0 ? 1 : -1) * slope) / negatives.length),
  ]);
  const base = { mean, negatives: negatives.length, halves: dot(halves, halves) };
  if (!balanced) return base;
  const { chosen, rejected } = balanced;
  const pairs = await gradient([...chosen, ...rejected], () => [
    ...chosen.map(() => -slope / chosen.length),
    ...rejected.map(() => slope / rejected.length),
  ]);
  return { ...base, balanced: pairs };
}
