/**
 * What the measures are called, which way is better, and how their figures are written: one table for findings,
 * reports and the page. Pure.
 */
import { figure, percent, similarity } from './format.ts';
import type { Figure, Measure } from './types.ts';

export interface MeasureInfo {
  /** Of a column, e.g. 'correct'. */
  readonly name: string;
  /** For a sentence or an axis, e.g. 'share of correct answers'. */
  readonly label: string;
  readonly help: string;
  /** Whether a higher figure is better; null where neither is. */
  readonly higherIsBetter: boolean | null;
  /** 'share' is written in percent and its differences in points; the others have their own digits. */
  readonly kind: 'share' | 'cosine' | 'number';
}

export const MEASURE_INFO: Readonly<Record<Measure, MeasureInfo>> = {
  accuracy: {
    name: 'correct',
    label: 'correct answers',
    help: 'Share of the sampled answers that the data set’s own grader finds right.',
    higherIsBetter: true,
    kind: 'share',
  },
  reward: {
    name: 'reward',
    label: 'mean reward',
    help: 'Mean score of the reward model; its unit is its own, so only differences say something.',
    higherIsBetter: true,
    kind: 'number',
  },
  winRateTarget: {
    name: 'wins over target',
    label: 'wins over the target',
    help: 'Share of answers that the reward model scores above the data set’s target, ties half; 50 % is as good as the target.',
    higherIsBetter: true,
    kind: 'share',
  },
  similarity: {
    name: 'similarity',
    label: 'similarity to the target',
    help: 'Mean cosine between the embeddings of answer and target; 1 is the same meaning.',
    higherIsBetter: true,
    kind: 'cosine',
  },
  perplexity: {
    name: 'perplexity',
    label: 'perplexity of the targets',
    help: 'How surprised the model is by the target answers, a token; lower is better, 1 is not at all.',
    higherIsBetter: false,
    kind: 'number',
  },
  tokens: {
    name: 'tokens',
    label: 'tokens an answer',
    help: 'Mean length of the answers; neither way is better, but a large change is a sign of over-alignment.',
    higherIsBetter: null,
    kind: 'number',
  },
  distinct: {
    name: 'distinct',
    label: 'distinct answers',
    help: 'Share of the samples to one prompt that differ from each other; a fall is a sign of collapse.',
    higherIsBetter: null,
    kind: 'share',
  },
};

/** A value of a measure without its interval: '68.4 %', '0.71', '12.3'. */
export function measured(measure: Measure, value: number): string {
  switch (MEASURE_INFO[measure].kind) {
    case 'share':
      return percent(value);
    case 'cosine':
      return Number.isFinite(value) ? value.toFixed(3).replace('-', '−') : similarity(value);
    case 'number':
      return figure(value);
  }
}

/** A difference of two values with its sign, without a unit: '+3.4' (points of a share), '−0.021'. */
export function difference(measure: Measure, value: number): string {
  if (!Number.isFinite(value)) return '–';
  const kind = MEASURE_INFO[measure].kind;
  const scaled = kind === 'share' ? value * 100 : value;
  const digits = kind === 'share' ? 1 : kind === 'cosine' ? 3 : decimals(value);
  const text = Math.abs(scaled).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return `${scaled > 0 ? '+' : '−'}${text}`;
}

/** Two digits that say something, four places at most. */
function decimals(value: number): number {
  const size = Math.abs(value);
  return size === 0 ? 2 : Math.max(0, Math.min(4, 1 - Math.floor(Math.log10(size))));
}

/** What differences of a measure are counted in, with its leading space: ' points' or none. */
export function differenceUnit(measure: Measure): string {
  return MEASURE_INFO[measure].kind === 'share' ? ' points' : '';
}

/** '68.4 % (64.9 to 71.8)': the unit is said once. */
export function withInterval(measure: Measure, { value, low, high }: Figure): string {
  const bare = (x: number) => measured(measure, x).replace(/ %$/, '');
  return `${measured(measure, value)} (${bare(low)} to ${bare(high)})`;
}

/** '+3.4 points (+0.5 to +6.2)'. */
export function gainText(measure: Measure, { value, low, high }: Figure): string {
  return `${difference(measure, value)}${differenceUnit(measure)} (${difference(measure, low)} to ${difference(measure, high)})`;
}
