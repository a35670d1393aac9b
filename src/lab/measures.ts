/**
 * What the measures are called, which way is better, and how their figures are written: one table for findings,
 * reports and the page. Pure.
 */
import { decimal, decimalsOf, figure, percent, signed } from './format.ts';
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
    help: 'Different texts among the samples to one prompt, as a share of them; a fall is a sign of collapse.',
    higherIsBetter: null,
    kind: 'share',
  },
};

/** A value of a measure without its interval: '68.4 %', '0.711', '12.3'. */
export function measured(measure: Measure, value: number): string {
  switch (MEASURE_INFO[measure].kind) {
    case 'share':
      return percent(value);
    case 'cosine':
      return decimal(value, 3);
    case 'number':
      return figure(value);
  }
}

/** A value and its bounds in the same digits. */
export interface Written {
  readonly value: string;
  readonly low: string;
  readonly high: string;
}

function written({ value, low, high }: Figure, write: (value: number) => string): Written {
  return { value: write(value), low: write(low), high: write(high) };
}

const digitsOf = (measure: Measure, figure: Figure): number =>
  ({ share: 1, cosine: 3, number: decimalsOf(figure) })[MEASURE_INFO[measure].kind];

/** '68.4 %', '64.9', '71.8': the unit is said once. */
export function interval(measure: Measure, figure: Figure): Written {
  const share = MEASURE_INFO[measure].kind === 'share';
  const digits = digitsOf(measure, figure);
  const texts = written(figure, (value) => decimal(share ? value * 100 : value, digits));
  return share && Number.isFinite(figure.value) ? { ...texts, value: `${texts.value} %` } : texts;
}

/** Differences of two values with their signs, without a unit: '+3.4', '+0.5', '+6.2' (points of a share). */
export function differences(measure: Measure, figure: Figure): Written {
  const share = MEASURE_INFO[measure].kind === 'share';
  const digits = digitsOf(measure, figure);
  return written(figure, (value) => signed(share ? value * 100 : value, digits));
}

/** What differences of a measure are counted in, with its leading space: ' points' or none. */
export function differenceUnit(measure: Measure): string {
  return MEASURE_INFO[measure].kind === 'share' ? ' points' : '';
}

/** '68.4 % (64.9 to 71.8)'. */
export function withInterval(measure: Measure, figure: Figure): string {
  const { value, low, high } = interval(measure, figure);
  return `${value} (${low} to ${high})`;
}

/** '+3.4 points (+0.5 to +6.2)'. */
export function gainText(measure: Measure, figure: Figure): string {
  const { value, low, high } = differences(measure, figure);
  return `${value}${differenceUnit(measure)} (${low} to ${high})`;
}

/** A figure that is of no measure: '0.412', '0.394', '0.430'. */
export function plainInterval(figure: Figure): Written {
  return written(figure, (value) => decimal(value, decimalsOf(figure)));
}

/** '0.412 (0.394 to 0.430)'. */
export function plainText(figure: Figure): string {
  const { value, low, high } = plainInterval(figure);
  return `${value} (${low} to ${high})`;
}
