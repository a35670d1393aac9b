/** How many of the answers kept as negatives are as good as the target, and whether similarity tells which. */
import type { FilterConfig } from '../../pipeline/config.ts';
import { poolOf } from '../../pipeline/filter.ts';
import type { PromptResponses } from '../../pipeline/types.ts';
import type { DiagnosisInput } from '../inputs.ts';
import { auc, bootstrapMean, histogram } from '../stats/index.ts';
import type { FalseNegatives, Figure } from '../types.ts';
import { type Judged, judgeOf } from './judge.ts';

const PERCENTS = [100, 90, 80, 70, 60, 50, 40, 30, 20, 10];

/** Share of false negatives that is few enough to train on. */
const FEW = 0.05;

/** An area under the curve below this is a hint at most, even where it is surely above chance. */
const SEPARATES = 0.7;

/** As the filter de-duplicates; lastdedup at 100 % would still leave the most similar one out. */
const filterAt = (percent: number): FilterConfig =>
  percent === 100 ? { mode: 'alldedup', percent } : { mode: 'lastdedup', percent };

interface JudgedAnswer {
  readonly similarity: number;
  readonly good: boolean;
}

interface JudgedPrompt {
  readonly record: PromptResponses;
  readonly good: readonly boolean[];
  /** Different non-empty answers. */
  readonly distinct: readonly JudgedAnswer[];
}

/**
 * Of the different answers to each prompt, as the filter sees them. Shares are means over prompts, since every prompt
 * gives as many pairs; marks by hand are taken back first, so that what would be kept without them is seen.
 *
 * The area under the curve is within prompts (mean over the prompts that have both good and bad answers): the filter
 * ranks the answers of one prompt, and how prompts differ from one another is nothing to it.
 *
 * @returns undefined where nobody can judge, or there are no answers with similarities
 */
export function falseNegatives(
  input: Pick<DiagnosisInput, 'config' | 'data' | 'responses' | 'rewards' | 'marks'>,
): FalseNegatives | undefined {
  const judge = judgeOf(input);
  if (!judge) return undefined;
  const prompts = judgedPrompts(input.responses, judge);
  if (prompts.length === 0) return undefined;
  const answers = prompts.flatMap(({ distinct }) => distinct);
  const area = withinPrompts(prompts);
  const byPercent = PERCENTS.flatMap((percent) => {
    const kept = prompts.map((prompt) => keptAt(prompt, percent));
    const shares = kept.map((list) => (list.length === 0 ? null : share(list)));
    if (shares.every((x) => x === null)) return [];
    const count = kept.reduce((sum, list) => sum + list.length, 0);
    return [{ percent, share: bootstrapMean([shares]), kept: count }];
  });
  return {
    judge: judge.judge,
    responses: answers.length,
    auc: area,
    byPercent,
    histogram: histogram('Similarity to the target', 'cosine', [
      { name: 'as good as the target', values: answers.filter((a) => a.good).map((a) => a.similarity) },
      { name: 'not', values: answers.filter((a) => !a.good).map((a) => a.similarity) },
    ]),
    verdict: verdictOf(judge.judge, area, byPercent, prompts.length, input.config.dpo.negatives),
  };
}

function judgedPrompts(responses: readonly PromptResponses[], { verdicts }: Judged): JudgedPrompt[] {
  return responses.flatMap((stored) => {
    const record = {
      ...stored,
      responses: stored.responses.map(({ excluded: _excluded, ...response }) => response),
    };
    if (record.responses.some(({ similarity }) => similarity === undefined)) return [];
    const good = verdicts(stored);
    if (!good) return [];
    const all = poolOf(record.responses, filterAt(100));
    const distinct = record.responses.flatMap(({ similarity = 0 }, i) =>
      all[i] === true ? [{ similarity, good: good[i] === true }] : [],
    );
    return distinct.length === 0 ? [] : [{ record, good, distinct }];
  });
}

/** Whether each of the answers that the filter keeps is good. */
function keptAt({ record, good }: JudgedPrompt, percent: number): boolean[] {
  return poolOf(record.responses, filterAt(percent)).flatMap((kept, i) => (kept ? [good[i] === true] : []));
}

const share = (flags: readonly boolean[]): number => flags.filter(Boolean).length / flags.length;

function withinPrompts(prompts: readonly JudgedPrompt[]): Figure | null {
  const areas = prompts.map(
    ({ distinct }) =>
      auc([distinct.map(({ similarity, good }) => ({ score: similarity, good }))], { resamples: 1 })?.value ??
      null,
  );
  return areas.every((x) => x === null) ? null : bootstrapMean([areas]);
}

const SAYS: Readonly<Record<Judged['judge'], string>> = {
  grader: 'the grader',
  reward: 'the reward model',
  marks: 'your marks (answers without one count as not good)',
};

function verdictOf(
  judge: Judged['judge'],
  area: Figure | null,
  byPercent: FalseNegatives['byPercent'],
  prompts: number,
  negatives: number,
): string {
  const all = byPercent[0];
  if (!all) return 'No prompt has an answer to filter.';
  const told = `${percentText(all.share)} of the different answers are as good as the target, by ${SAYS[judge]}`;
  if (area === null) {
    return `${told}, and no prompt has both good and bad ones: there is nothing for similarity to separate here.`;
  }
  const figure = `AUC ${area.value.toFixed(2)}, 95 % interval ${area.low.toFixed(2)} to ${area.high.toFixed(2)}, ${area.n} prompts with both`;
  if (area.low <= 0.5) {
    const how =
      area.high < 0.5
        ? 'Similarity points the wrong way here'
        : 'Similarity does not separate good from bad here';
    return `${told}. ${how} (${figure}): filtering by it is no better than leaving out any answers. Keep them all (filter.mode alldedup), and mark good answers by hand.`;
  }
  const how = area.value < SEPARATES ? 'separates good from bad weakly' : 'separates good from bad';
  // Pools too small for the negatives asked for would drop prompts.
  const possible = byPercent.filter(({ kept }) => kept >= negatives * prompts);
  const few = possible.find((row) => row.share.value <= FEW);
  const best = few ?? [...possible].sort((a, b) => a.share.value - b.share.value)[0];
  if (!best) {
    return `${told}. Similarity ${how} here (${figure}), but there are too few different answers for ${negatives} negatives a prompt: sample more (sample.n), or lower dpo.negatives.`;
  }
  const take =
    best.percent === 100
      ? 'keep all answers (filter.mode alldedup): so few are as good as the target that no filter is needed'
      : `take filter.percent ${best.percent}, the ${few ? `largest with at most ${100 * FEW} %` : 'share with the fewest'} false negatives (${percentText(best.share)})`;
  return `${told}. Similarity ${how} here (${figure}): ${take}.`;
}

const percentText = ({ value }: Figure): string => `${(100 * value).toFixed(1)} %`;
