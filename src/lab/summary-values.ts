/** What each arm's answers are worth, by measure: the tables that all figures of a report are computed from. */
import { mean, winOf, worthBy } from '../pipeline/score.ts';
import type { EvaluationRecord, TokenizedPrompt } from '../pipeline/types.ts';
import type { LabInput } from './inputs.ts';
import { MEASURE_INFO } from './measures.ts';
import { type BootstrapOptions, bootstrapMean, type Values, wilson } from './stats/index.ts';
import { type ArmAnswers, type Figure, MEASURES, type Measure, type RewardRecord } from './types.ts';

/** One held-out prompt under one arm and seed. */
interface Answered {
  readonly row: TokenizedPrompt;
  readonly record: EvaluationRecord;
  readonly reward?: RewardRecord;
}

/** Of one prompt, over its samples; null where it can't be measured. */
const VALUE: Readonly<Record<Measure, (answered: Answered) => number | null>> = {
  accuracy: ({ row, record }) =>
    row.grader ? average(record.answers.map((answer) => worthBy('grader', answer))) : null,
  reward: ({ reward }) => average(reward?.scores ?? []),
  winRateTarget: ({ row, record, reward }) => {
    const target = reward?.target;
    if (target === undefined) return null;
    // The same text scored in another batch may differ in its last bits.
    const same = (i: number) => record.answers[i]?.text === row.target?.trim();
    return average(reward?.scores.map((score, i) => (same(i) ? 0.5 : winOf(score, target))) ?? []);
  },
  similarity: ({ record }) => average(record.answers.flatMap((answer) => answer.similarity ?? [])),
  // As a log-probability, which means can be taken of; MEASURE_OPTIONS makes it a perplexity.
  perplexity: ({ record }) => average(record.targetLogps ?? []),
  tokens: ({ record }) => average(record.answers.map((answer) => answer.tokens)),
  distinct: ({ record: { answers } }) =>
    answers.length < 2 ? null : new Set(answers.map(({ text }) => text)).size / answers.length,
};

/** How a measure's mean becomes its figure. */
export const MEASURE_OPTIONS: Readonly<Partial<Record<Measure, BootstrapOptions>>> = {
  perplexity: { transform: (logProb) => Math.exp(-logProb) },
};

function average(values: readonly number[]): number | null {
  const value = mean(values);
  return values.length > 0 && Number.isFinite(value) ? value : null;
}

/** The measures of one arm that it has values of. */
export type ArmValues = ReadonlyMap<Measure, Values>;

/** Rows are the lab's seeds, columns its held-out prompts. */
export function valuesOf(arm: string, { manifest, heldOut, answers }: LabInput): ArmValues {
  const bySeed = manifest.seeds.map((seed) => answeredBySeed(find(answers, arm, seed), heldOut));
  return new Map(
    MEASURES.flatMap((measure) => {
      const values = bySeed.map((row) => row.map((answered) => (answered ? VALUE[measure](answered) : null)));
      return values.some((row) => row.some((x) => x !== null)) ? [[measure, values] as const] : [];
    }),
  );
}

function answeredBySeed(
  run: ArmAnswers | undefined,
  heldOut: readonly TokenizedPrompt[],
): (Answered | null)[] {
  const records = new Map(run?.records.map((record) => [record.index, record] as const));
  const rewards = new Map(run?.rewards?.map((reward) => [reward.index, reward] as const));
  return heldOut.map((row, index) => {
    const record = records.get(index);
    return record ? { row, record, reward: rewards.get(index) } : null;
  });
}

const find = (answers: readonly ArmAnswers[], arm: string, seed: number): ArmAnswers | undefined =>
  answers.find((run) => run.arm === arm && run.seed === seed);

/**
 * A measure's figure. A share of 0 or 1 has resamples all alike; what it may still be is said by Wilson's interval
 * over its prompts.
 *
 * @throws RangeError where there is no value at all
 */
export function figureOf(values: Values, measure: Measure): Figure {
  const figure = bootstrapMean(values, MEASURE_OPTIONS[measure]);
  const { value, low, high, n, seeds } = figure;
  const certain = low === high && (value === 0 || value === 1);
  if (!certain || MEASURE_INFO[measure].kind !== 'share' || measure === 'distinct') return figure;
  return { ...wilson(value * n, n), seeds };
}

/** What decides between two answers: the grader where every prompt has one, else the reward model, else similarity. */
export type MainJudge = 'grader' | 'reward' | 'similarity';

export const MAIN_MEASURE: Readonly<Record<MainJudge, Measure>> = {
  grader: 'accuracy',
  reward: 'reward',
  similarity: 'similarity',
};

export function mainJudgeOf({ heldOut, answers }: Pick<LabInput, 'heldOut' | 'answers'>): MainJudge {
  if (heldOut.length > 0 && heldOut.every(({ grader }) => grader)) return 'grader';
  const rewarded = answers.length > 0 && answers.every(({ rewards = [] }) => rewards.length > 0);
  return rewarded ? 'reward' : 'similarity';
}

/** Of each prompt, the share of samples that are better than the reference arm's with the same seed and number. */
export function winValues(
  arm: string,
  reference: string,
  judge: MainJudge,
  { manifest, heldOut, answers }: LabInput,
): Values {
  return manifest.seeds.map((seed) => {
    const ours = answeredBySeed(find(answers, arm, seed), heldOut);
    const theirs = answeredBySeed(find(answers, reference, seed), heldOut);
    return ours.map((answered, i) => {
      const against = theirs[i];
      if (!answered || !against) return null;
      const wins = answered.record.answers.flatMap((answer, sample) => {
        const other = against.record.answers[sample];
        if (other && answer.text === other.text) return 0.5;
        const [worth, others] = [worthOf(judge, answered, sample), worthOf(judge, against, sample)];
        return worth === null || others === null ? [] : winOf(worth, others);
      });
      return average(wins);
    });
  });
}

function worthOf(judge: MainJudge, { record, reward }: Answered, sample: number): number | null {
  if (judge === 'reward') return reward?.scores[sample] ?? null;
  const answer = record.answers[sample];
  if (!answer || (judge === 'similarity' && answer.similarity === undefined)) return null;
  return worthBy(judge, answer);
}
