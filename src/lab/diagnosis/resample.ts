/** Intervals for what is no mean over prompts: figures of pairs of prompts, ratios of such. */
import { percentiles, promptWeights } from '../stats/weights.ts';
import type { Figure } from '../types.ts';

const RESAMPLES = 1000;

/** How often each of the units was drawn; all ones for the data as they are. */
export type Weights = Uint8Array;

/**
 * Several figures of the same units with the 95 % percentile interval of a bootstrap over the units. `figures` must
 * weigh units, and never pair a unit with itself: a unit drawn twice is no second one, and its product with itself would
 * pass for agreement.
 *
 * @param figures numbers of given weights, always as many; NaN where they can't be told
 */
export function resampled(units: number, figures: (weights: Weights) => readonly number[]): Figure[] {
  const { counts, resamples } = promptWeights(units, RESAMPLES);
  const draws = Array.from({ length: resamples }, (_, b) =>
    figures(counts.subarray(b * units, (b + 1) * units)),
  );
  return figures(new Uint8Array(units).fill(1)).map((value, f) => ({
    value,
    ...percentiles(Float64Array.from(draws, (numbers) => numbers[f] ?? Number.NaN)),
    n: units,
    seeds: 1,
    method: 'bootstrap',
  }));
}

/** Symmetric, [i * units + j]. */
export interface PairMatrix {
  readonly units: number;
  readonly values: Float64Array;
}

export function pairMatrix(units: number, of: (i: number, j: number) => number): PairMatrix {
  const values = new Float64Array(units * units);
  for (let i = 0; i < units; i++) {
    for (let j = i; j < units; j++) {
      const value = of(i, j);
      values[i * units + j] = value;
      values[j * units + i] = value;
    }
  }
  return { units, values };
}

/** Weighted mean over all pairs of different units; NaN where there is no such pair. */
export function pairMean({ units, values }: PairMatrix, weights: Weights): number {
  let [sum, weight, drawn] = [0, 0, 0];
  for (let i = 0; i < units; i++) {
    const own = weights[i] ?? 0;
    if (own === 0) continue;
    let inner = 0;
    for (let j = 0; j < i; j++) inner += (weights[j] ?? 0) * (values[i * units + j] ?? 0);
    sum += own * inner;
    weight += own * drawn;
    drawn += own;
  }
  return weight === 0 ? Number.NaN : sum / weight;
}

/**
 * Weighted mean of values of two different units, where only some units have a column.
 *
 * @param rows [unit][column]
 * @param columns which unit each column belongs to
 */
export function crossMean(
  rows: readonly Float64Array[],
  columns: readonly number[],
  weights: Weights,
): number {
  let [sum, weight] = [0, 0];
  rows.forEach((row, i) => {
    const own = weights[i] ?? 0;
    if (own === 0) return;
    columns.forEach((unit, c) => {
      if (unit === i) return;
      const both = own * (weights[unit] ?? 0);
      sum += both * (row[c] ?? 0);
      weight += both;
    });
  });
  return weight === 0 ? Number.NaN : sum / weight;
}
