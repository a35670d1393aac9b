/** What a run has come to, in a word and a few figures. Pure. */
import { type HeldOutScore, type RunManifest, STAGES, type Stage } from '../pipeline/types.ts';
import { percent, signed, similarity } from './format.ts';

export type RunStatus = 'waiting' | 'running' | 'stopped' | 'failed' | 'finished';

export const STATUS_WORDS: Readonly<Record<RunStatus, string>> = {
  waiting: 'not started',
  running: 'running',
  stopped: 'stopped',
  failed: 'failed',
  finished: 'finished',
};

/** @param atWork in this tab or another: what is stored cannot tell a running run from one whose tab was closed */
export function statusOf({ stages, error, seconds }: RunManifest, atWork: boolean): RunStatus {
  if (atWork) return 'running';
  if (error !== undefined) return 'failed';
  if (STAGES.every((stage) => stages[stage] === 'done')) return 'finished';
  const begun = STAGES.some((stage) => stages[stage] !== 'waiting') || Object.keys(seconds).length > 0;
  return begun ? 'stopped' : 'waiting';
}

/** The last stage that is done. */
export function reached({ stages }: RunManifest): Stage | null {
  return STAGES.findLast((stage) => stages[stage] === 'done') ?? null;
}

/** The one figure that says most: accuracy where there is a grader, else the win rate, else nothing yet. */
export function keyFigure({ report }: RunManifest): string {
  const { heldOut, winRateVsSft } = report?.evaluation ?? { heldOut: {}, winRateVsSft: null };
  const accuracy = accuracyWords(heldOut.selfContrast);
  if (accuracy !== '') return `${accuracy} right`;
  return winRateVsSft === null ? '' : `wins ${percent(winRateVsSft)} against SFT`;
}

const accuracyWords = (score: HeldOutScore | undefined): string =>
  score?.accuracy === undefined ? '' : `${percent(score.accuracy)}${plusMinus(score.accuracyError)}`;

const plusMinus = (error: number | undefined): string =>
  error === undefined ? '' : ` ± ${(error * 100).toFixed(1)}`;

/** One line of the comparison; '' where a run has no such figure. */
export interface ComparedFigure {
  readonly label: string;
  readonly help: string;
  readonly of: (run: RunManifest) => string;
}

const score = (arm: 'base' | 'sft' | 'selfContrast') => (run: RunManifest) =>
  run.report?.evaluation.heldOut[arm];

const stageFigure = (stage: 'sft' | 'dpo', name: string) => (run: RunManifest) => {
  const value = run.report?.stages[stage]?.[name];
  return typeof value === 'number' ? value : undefined;
};

/** Applies where there is a value. */
const shown =
  (of: (run: RunManifest) => number | null | undefined, format: (value: number) => string) =>
  (run: RunManifest): string => {
    const value = of(run);
    return value === null || value === undefined ? '' : format(value);
  };

const RIGHT =
  'Share of held-out prompts answered right, by the grader; ± is the standard error over prompts.';

/** In the order of the table. */
export const COMPARED: readonly ComparedFigure[] = [
  { label: 'Right, base', help: RIGHT, of: (run) => accuracyWords(score('base')(run)) },
  { label: 'Right, SFT', help: RIGHT, of: (run) => accuracyWords(score('sft')(run)) },
  { label: 'Right, Self-Contrast', help: RIGHT, of: (run) => accuracyWords(score('selfContrast')(run)) },
  {
    label: 'Gain over SFT, points',
    help: 'Self-Contrast less SFT in percentage points, paired by prompt, with its 95 % interval. An interval that leaves out zero is unlikely to be luck.',
    of: (run) => {
      const gain = run.report?.evaluation.gainOverSft;
      if (gain === undefined) return '';
      const [low, high] = [gain.accuracy - 1.96 * gain.error, gain.accuracy + 1.96 * gain.error];
      return `${signed(100 * gain.accuracy)} (${signed(100 * low)} to ${signed(100 * high)})`;
    },
  },
  {
    label: 'Win rate against SFT',
    help: 'Share of held-out prompts on which Self-Contrast does better than SFT, ties counted half.',
    of: shown((run) => run.report?.evaluation.winRateVsSft, percent),
  },
  {
    label: 'Similarity to the target',
    help: 'Mean cosine of the answers of Self-Contrast to the held-out targets.',
    of: shown((run) => score('selfContrast')(run)?.similarity, similarity),
  },
  {
    label: 'Target log-probability a token',
    help: 'How likely Self-Contrast finds the held-out targets; nearer to zero is more likely.',
    of: shown(
      (run) => score('selfContrast')(run)?.targetLogProb,
      (x) => x.toFixed(3).replace('-', '−'),
    ),
  },
  {
    label: 'Pairs ranked right',
    help: 'Share of the training pairs in which the finished adapter gives the target the higher reward.',
    of: shown(stageFigure('dpo', 'rewardAccuracy'), percent),
  },
  {
    label: 'Reward margin',
    help: 'Chosen reward less rejected reward of the finished adapter, over all training pairs.',
    of: shown(stageFigure('dpo', 'rewardMargin'), (x) => x.toFixed(3).replace('-', '−')),
  },
];
