/** Failure signs of what is done, and of what is about to begin: an arm and seed, a sweep over k, sampled answers. */
import { tellsNonFinite } from '../../model/non-finite.ts';
import { chosenFell, RISEN, tooFewDistinct } from '../../pipeline/thresholds.ts';
import type { MetricRecord, PromptResponses } from '../../pipeline/types.ts';
import type { ArmRun } from '../inputs.ts';
import type { ArmAnswers, Figure, LabManifest, Sign } from '../types.ts';
import { alignment, pairedGain, quality, qualityGain, qualityValues } from './held-out.ts';
import { CHOICE, seenIf, sign, WINDOW } from './signs.ts';

export interface ArmEvidence {
  /** The arm's answers to the held-out prompts, and SFT's of the same seed. */
  readonly answers?: ArmAnswers;
  readonly sft?: ArmAnswers;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Signs that an arm and seed has left behind. Of an arm that did not train: none; of one without DPO: whether it diverged. */
export function signsOf(run: ArmRun, { answers, sft }: ArmEvidence = {}): Sign[] {
  if (run.metrics.length === 0 && run.error === undefined) return [];
  const dpo = run.metrics.filter(({ stage }) => stage === 'dpo');
  if (dpo.length === 0) return [divergedAfter(run)];
  return [
    easyNegatives(dpo, answers, sft),
    chosenFalls(run),
    overAlignment(answers, sft),
    divergedAfter(run),
  ];
}

function divergedAfter({ metrics, error }: ArmRun): Sign {
  if (error !== undefined && tellsNonFinite(error)) return sign('diverged', 'seen', error);
  const last = metrics.at(-1)?.stage;
  const losses = metrics.filter(({ stage }) => stage === last).map(({ values }) => values.loss ?? Number.NaN);
  if (losses.length < 2) return sign('diverged', 'unknown', 'There is no curve of the loss.');
  const size = Math.min(WINDOW, Math.floor(losses.length / 2));
  const [before, after] = [mean(losses.slice(0, size)), mean(losses.slice(-size))];
  const text = `The loss went from ${before.toPrecision(3)} to ${after.toPrecision(3)} in ${losses.length} steps.`;
  return sign('diverged', seenIf(!Number.isFinite(after) || after > RISEN * before), text);
}

/** Slope of a straight line through the values, a step. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const level = mean(values);
  let [up, across] = [0, 0];
  values.forEach((value, i) => {
    up += (i - middle) * (value - level);
    across += (i - middle) ** 2;
  });
  return across === 0 ? 0 : up / across;
}

function easyNegatives(dpo: readonly MetricRecord[], answers?: ArmAnswers, sft?: ArmAnswers): Sign {
  const margins = dpo.flatMap(({ values }) => values.rewardMargin ?? []);
  const last = margins.slice(-Math.max(2, Math.ceil(margins.length / 3)));
  const worse = answers && sft && qualityGain(answers, sft);
  if (last.length < 2 || !worse) {
    return sign(
      'easy-negatives',
      'unknown',
      "Margins over the last third of DPO or SFT's answers are missing.",
    );
  }
  const { name, gain } = worse;
  const rising = slope(last) > 0;
  return sign(
    'easy-negatives',
    seenIf(rising && gain.high < 0),
    `In the last third of DPO reward margins ${rising ? 'rise' : 'do not rise'}` +
      ` (${(last[0] ?? 0).toPrecision(2)} to ${(last.at(-1) ?? 0).toPrecision(2)});` +
      ` held-out ${name} against SFT ${interval(gain)}.`,
  );
}

/** e.g. '+0.034 (-0.010 to +0.078)'. */
export function interval({ value, low, high }: Figure): string {
  const signed = (x: number) => `${x < 0 ? '' : '+'}${x.toFixed(3)}`;
  return `${signed(value)} (${signed(low)} to ${signed(high)})`;
}

function chosenFalls({ figures }: ArmRun): Sign {
  const { chosenLogpBefore: before, chosenLogp: after } = figures;
  if (typeof before !== 'number' || typeof after !== 'number') {
    return sign('chosen-falls', 'unknown', "The targets' log-probabilities are not known yet.");
  }
  return sign(
    'chosen-falls',
    seenIf(chosenFell(before, after)),
    `The log-probability of targets went from ${before.toFixed(1)} to ${after.toFixed(1)}.`,
  );
}

function overAlignment(answers?: ArmAnswers, sft?: ArmAnswers): Sign {
  if (!answers || !sft)
    return sign('over-alignment', 'unknown', "This arm's or SFT's held-out answers are missing.");
  const { seen, evidence } = alignment(answers, sft);
  return sign('over-alignment', seenIf(seen), evidence);
}

/**
 * Of a sweep over k: whether the last doubling still gave anything.
 *
 * @param gain held-out quality of the largest k less that of the second largest, paired
 */
export function signPlateau(k: readonly [second: number, largest: number], name: string, gain: Figure): Sign {
  const [second, largest] = k;
  return sign(
    'plateau',
    seenIf(gain.low <= 0),
    `From k = ${second} to ${largest} held-out ${name} changed by ${interval(gain)}.`,
  );
}

/**
 * Before training: whether the sampled answers differ enough for the method to have anything to do.
 *
 * @param n answers sampled a prompt
 * @param negatives the most that any arm draws of them
 */
export function signBefore(
  responses: readonly PromptResponses[],
  { n, negatives }: { readonly n: number; readonly negatives: number },
): Sign {
  if (responses.length === 0) return sign('few-distinct', 'unknown', 'No answers are sampled yet.');
  const distinct = mean(
    responses.map((record) => new Set(record.responses.map(({ text }) => text).filter((t) => t !== '')).size),
  );
  return sign(
    'few-distinct',
    seenIf(tooFewDistinct(distinct, n) || distinct < CHOICE * negatives),
    `${distinct.toFixed(1)} of ${n} answers a prompt are different, for ${negatives} negatives (${responses.length} prompts).`,
  );
}

/** Signs of a whole lab: of every arm and seed, and of its sweeps over k. */
export function signsOfLab(
  manifest: Pick<LabManifest, 'arms' | 'seeds' | 'plans'>,
  runs: readonly ArmRun[],
  answers: readonly ArmAnswers[],
): (Sign & { readonly arm?: string; readonly seed?: number })[] {
  const find = (arm: string, seed: number) => answers.find((a) => a.arm === arm && a.seed === seed);
  const each = runs.flatMap((run) => {
    const [own, sft] = [find(run.arm, run.seed), find('sft', run.seed)];
    return signsOf(run, { ...(own && { answers: own }), ...(sft && { sft }) }).map((found) => ({
      ...found,
      arm: run.arm,
      seed: run.seed,
    }));
  });
  const plateaus = manifest.plans
    .filter(({ id, axis }) => id === 'negatives' || axis === 'dpo.negatives')
    .flatMap(({ id }) => plateauOf(id, manifest, find) ?? []);
  return [...plateaus, ...each];
}

function plateauOf(
  plan: string,
  { arms, seeds }: Pick<LabManifest, 'arms' | 'seeds'>,
  find: (arm: string, seed: number) => ArmAnswers | undefined,
): Sign | null {
  const points = arms
    .flatMap(({ id, points = [] }) => points.filter((p) => p.plan === plan).map(({ x }) => ({ id, x })))
    .sort((a, b) => a.x - b.x);
  const [second, largest] = points.slice(-2);
  if (!second || !largest) return null;
  const both = seeds.flatMap((seed) => {
    const [before, after] = [find(second.id, seed), find(largest.id, seed)];
    return before && after ? [{ before, after }] : [];
  });
  if (both.length === 0) return sign('plateau', 'unknown', 'The two largest k are not done yet.');
  const { name, of } = quality(both.flatMap(({ before, after }) => [before, after]));
  const gain = pairedGain(
    qualityValues(
      both.map(({ after }) => after),
      of,
    ),
    qualityValues(
      both.map(({ before }) => before),
      of,
    ),
  );
  return gain && signPlateau([second.x, largest.x], name, gain);
}
