import type { Figure } from '../types.ts';
import { percentiles, promptWeights, resamplesFor } from './weights.ts';

export interface Judged {
  readonly score: number;
  readonly good: boolean;
}

/**
 * Area under the ROC curve: the chance that a good answer scores higher than a bad one, ties half (the Mann-Whitney
 * statistic over its largest value; Hanley and McNeil 1982, Radiology 143). Good and bad answers are compared across
 * all prompts. The 95 % interval is of a bootstrap over prompts, as answers to one prompt are not independent.
 *
 * @param byPrompt the answers of each prompt; prompts without any are not counted in n
 * @returns null where all are good or all are bad
 */
export function auc(
  byPrompt: readonly (readonly Judged[])[],
  options: { readonly resamples?: number } = {},
): Figure | null {
  const prompts = byPrompt.filter((list) => list.length > 0);
  const items = prompts.flatMap((list, prompt) => list.map(({ score, good }) => ({ score, good, prompt })));
  items.sort((a, b) => a.score - b.score);
  if (items.every(({ good }) => good) || !items.some(({ good }) => good)) return null;
  const n = items.length;
  const prompt = Uint32Array.from(items, (item) => item.prompt);
  const good = Uint8Array.from(items, (item) => (item.good ? 1 : 0));
  // Where each run of equal scores ends: within a run a pair is a tie.
  const ends = Uint8Array.from(items, (item, i) => (items[i + 1]?.score === item.score ? 0 : 1));

  const areaOf = (weight: (prompt: number) => number): number => {
    let [better, bads, goods, tiedGood, tiedBad] = [0, 0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const w = weight(prompt[i] ?? 0);
      if (good[i] === 1) tiedGood += w;
      else tiedBad += w;
      if (ends[i] === 0) continue;
      better += tiedGood * (bads + tiedBad / 2);
      bads += tiedBad;
      goods += tiedGood;
      tiedGood = 0;
      tiedBad = 0;
    }
    return better / (goods * bads);
  };

  const resamples = resamplesFor(Math.max(prompts.length, n), options.resamples);
  const { counts } = promptWeights(prompts.length, resamples);
  const draws = Float64Array.from({ length: resamples }, (_, b) =>
    areaOf((p) => counts[b * prompts.length + p] ?? 0),
  );
  return {
    value: areaOf(() => 1),
    ...percentiles(draws),
    n: prompts.length,
    seeds: 1,
    method: 'bootstrap',
  };
}
