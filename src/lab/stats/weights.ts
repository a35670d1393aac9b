/** How often each prompt is drawn in each resample: made once, and shared by all figures of a report. */
import { stream } from '../../model/random.ts';

/** Resamples of a bootstrap: the ends of a 95 % interval then have 50 resamples beyond them each. */
export const RESAMPLES = 2000;

/** Bytes of weights at most; data of more prompts are resampled less often. */
const MOST_BYTES = 64 * 2 ** 20;
const FEWEST = 200;

/** @param prompts how many there are to draw from */
export function resamplesFor(prompts: number, wanted = RESAMPLES): number {
  return Math.min(wanted, Math.max(FEWEST, Math.floor(MOST_BYTES / Math.max(1, prompts))));
}

export interface Weights {
  readonly resamples: number;
  readonly prompts: number;
  /** [resample][prompt]: how often it was drawn, of `prompts` draws. */
  readonly counts: Uint8Array;
}

let last: Weights | null = null;

/** The same for the same numbers, always: so figures of one report rest on the same draws, and repeat exactly. */
export function promptWeights(prompts: number, resamples: number): Weights {
  if (last?.prompts === prompts && last.resamples === resamples) return last;
  const random = stream(0, 'bootstrap prompts', prompts);
  const counts = new Uint8Array(resamples * prompts);
  for (let b = 0; b < resamples; b++) {
    for (let draw = 0; draw < prompts; draw++) {
      const at = b * prompts + Math.floor(random() * prompts);
      counts[at] = (counts[at] ?? 0) + 1;
    }
  }
  last = { resamples, prompts, counts };
  return last;
}

/** [resample][seed]: how often each seed was drawn, of `seeds` draws; of one seed always once. */
export function seedWeights(seeds: number, resamples: number): Uint8Array {
  const random = stream(0, 'bootstrap seeds', seeds);
  const counts = new Uint8Array(resamples * seeds);
  for (let b = 0; b < resamples; b++) {
    for (let draw = 0; draw < seeds; draw++) {
      const at = b * seeds + Math.floor(random() * seeds);
      counts[at] = (counts[at] ?? 0) + 1;
    }
  }
  return counts;
}

/** Quantile of rising values, linear between neighbours (type 7 of Hyndman and Fan 1996). */
export function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  return low + (at - below) * (high - low);
}

/** The middle 95 % of resampled values; those that are no numbers, of resamples without any data, are left out. */
export function percentiles(draws: Float64Array): { low: number; high: number } {
  const sorted = draws.filter(Number.isFinite).sort();
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}
