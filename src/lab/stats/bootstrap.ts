/** Intervals for means over prompts and seeds, by resampling both. */
import type { Figure } from '../types.ts';
import { percentiles, promptWeights, RESAMPLES, resamplesFor, seedWeights, type Weights } from './weights.ts';

/**
 * [seed][prompt]; null where there is none: a seed that failed, a prompt without what is measured. Not to be changed
 * after it was used: what was drawn of it is remembered.
 */
export type Values = readonly (readonly (number | null)[])[];

export interface BootstrapOptions {
  /** Default 2,000; fewer for very many prompts (weights.ts). */
  readonly resamples?: number;
  /** Laid over the mean, e.g. x => exp(-x) for a perplexity. Must rise or fall throughout. */
  readonly transform?: (mean: number) => number;
}

/**
 * Mean over seeds of the mean over prompts, with the 95 % percentile interval of a bootstrap that draws seeds and
 * prompts, both with replacement, independently of each other: each resample is the same prompts for all its seeds, as
 * in the data (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1). Of one seed only prompts are drawn.
 *
 * What that is worth: the part of the noise that is neither the prompt's nor the seed's own is counted up to three times,
 * so the interval is too wide rather than too narrow where that part rules (a paired gain with seeds that agree: 99 % for
 * 95 %). What seeds differ by is counted too little when they are few: with three of them that differ by as much as
 * twice the standard error over prompts, 95 % are really about 89 %. It knows nothing of other data or other models.
 *
 * @throws RangeError where there is no value at all
 */
export function bootstrapMean(values: Values, options: BootstrapOptions = {}): Figure {
  const { transform = (x) => x } = options;
  const sampled = sample(values, options);
  const draws = sampled.draws.map(transform);
  return figure(transform(sampled.mean), draws, sampled);
}

/**
 * `values` less `reference`, paired by seed and prompt: noise that both share, such as a prompt that is hard for
 * everyone, cancels. Where either has none the pair is left out. The transform is laid over both means.
 *
 * @throws RangeError where no pair is complete
 */
export function bootstrapGain(values: Values, reference: Values, options: BootstrapOptions = {}): Figure {
  const { value, draws, prompts, seeds } = gainDraws(values, reference, options);
  return figure(value, draws, { prompts, seeds });
}

/** The gain, and what it is in each resample; the same resamples for all gains over the same prompts and seeds. */
export function gainDraws(values: Values, reference: Values, options: BootstrapOptions = {}): GainDraws {
  const { transform = (x) => x } = options;
  const ours = sample(sharing(values, reference), options);
  const theirs = sample(sharing(reference, values), options);
  return {
    value: transform(ours.mean) - transform(theirs.mean),
    draws: ours.draws.map((x, b) => transform(x) - transform(theirs.draws[b] ?? Number.NaN)),
    prompts: ours.prompts,
    seeds: ours.seeds,
  };
}

export interface GainDraws {
  readonly value: number;
  readonly draws: Float64Array;
  readonly prompts: number;
  readonly seeds: number;
}

/** Only where the other has a value, too; the same values where it has all of them. */
function sharing(values: Values, other: Values): Values {
  const lacks = (s: number, p: number) => (other[s]?.[p] ?? null) === null;
  if (!values.some((row, s) => row.some((x, p) => x !== null && lacks(s, p)))) return values;
  return values.map((row, s) => row.map((x, p) => (lacks(s, p) ? null : x)));
}

/** Mean of each seed over its prompts; null where it has none. */
export function seedMeans(values: Values): (number | null)[] {
  return values.map((row) => {
    const known = row.filter((x) => x !== null);
    return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
  });
}

interface Sampled {
  readonly mean: number;
  /** Of each resample; NaN where it drew nothing that has a value. */
  readonly draws: Float64Array;
  readonly prompts: number;
  readonly seeds: number;
}

function figure(
  value: number,
  draws: Float64Array,
  { prompts, seeds }: Pick<Sampled, 'prompts' | 'seeds'>,
): Figure {
  return { value, ...percentiles(draws), n: prompts, seeds, method: 'bootstrap' };
}

/** What was resampled already, so that an arm's own figure and its gains are drawn once. */
const known = new WeakMap<Values, Map<number, Sampled>>();

function sample(values: Values, { resamples = RESAMPLES }: BootstrapOptions): Sampled {
  const before = known.get(values)?.get(resamples);
  if (before) return before;
  const sampled = resample(values, resamples);
  known.set(values, new Map([...(known.get(values) ?? []), [resamples, sampled]]));
  return sampled;
}

function resample(values: Values, wanted: number): Sampled {
  // Only what has a value is drawn from: neither failed seeds nor prompts without a target thin the resamples out.
  const rows = values.filter((row) => row.some((x) => x !== null));
  const width = Math.max(0, ...rows.map((row) => row.length));
  const used = Array.from({ length: width }, (_, p) => p).filter((p) =>
    rows.some((row) => (row[p] ?? null) !== null),
  );
  if (used.length === 0) throw new RangeError('there are no values to take a mean of');
  const resamples = resamplesFor(used.length, wanted);
  const weights = promptWeights(used.length, resamples);
  const means = rows.map((row) =>
    resampledMeans(
      used.map((p) => row[p] ?? null),
      weights,
    ),
  );
  const seeds = seedWeights(rows.length, resamples);
  const draws = new Float64Array(resamples);
  for (let b = 0; b < resamples; b++) {
    let [sum, drawn] = [0, 0];
    for (let s = 0; s < rows.length; s++) {
      const weight = seeds[b * rows.length + s] ?? 0;
      const mean = means[s]?.[b] ?? Number.NaN;
      if (weight === 0 || Number.isNaN(mean)) continue;
      sum += weight * mean;
      drawn += weight;
    }
    draws[b] = sum / drawn;
  }
  const bySeed = seedMeans(rows).filter((x) => x !== null);
  const mean = bySeed.reduce((a, b) => a + b, 0) / bySeed.length;
  return { mean, draws, prompts: used.length, seeds: rows.length };
}

/** Of one seed: the mean over the drawn prompts, a resample each. */
function resampledMeans(row: readonly (number | null)[], { counts, resamples }: Weights): Float64Array {
  const n = row.length;
  const means = new Float64Array(resamples);
  const filled = Float64Array.from(row, (x) => x ?? 0);
  const missing = row.flatMap((x, p) => (x === null ? [p] : []));
  for (let b = 0; b < resamples; b++) {
    const at = b * n;
    // Two sums at once: one would wait for its own last addition.
    let [even, odd] = [0, 0];
    let p = 0;
    for (; p + 1 < n; p += 2) {
      even += (counts[at + p] ?? 0) * (filled[p] ?? 0);
      odd += (counts[at + p + 1] ?? 0) * (filled[p + 1] ?? 0);
    }
    if (p < n) even += (counts[at + p] ?? 0) * (filled[p] ?? 0);
    let drawn = n;
    for (const index of missing) drawn -= counts[at + index] ?? 0;
    means[b] = drawn === 0 ? Number.NaN : (even + odd) / drawn;
  }
  return means;
}
