import type { HistogramData } from '../types.ts';

/** Bins of one kind for several lists of values. */
export interface Bins {
  readonly low: number;
  readonly width: number;
  readonly count: number;
}

const MOST_BINS = 40;

/**
 * Bins of a round width (1, 2 or 5 times a power of ten) that hold all the values, about `wanted` of them. Of whole
 * numbers the width is at least 1. Equal values, or none, take one bin.
 */
export function binsFor(values: readonly number[], wanted = 20): Bins {
  const finite = values.filter(Number.isFinite);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of finite) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (finite.length === 0) return { low: 0, width: 1, count: 1 };
  if (least === most) return { low: least, width: Math.max(1, Math.abs(least)) / 10, count: 1 };
  const rough = (most - least) / Math.min(MOST_BINS, Math.max(1, wanted));
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5, 10].map((m) => m * power).find((width) => width >= rough * (1 - 1e-9)) ?? rough;
  const width = finite.every(Number.isInteger) ? Math.max(1, round) : round;
  const low = Math.floor(least / width + 1e-9) * width;
  return { low, width, count: Math.max(1, Math.floor((most - low) / width + 1e-9) + 1) };
}

/** How many values lie in each bin, [low, low + width); what lies outside goes to the first or last one. */
export function countsIn(values: readonly number[], { low, width, count }: Bins): number[] {
  const counts = new Array<number>(count).fill(0);
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    // Values on an edge belong to the bin that begins there, whatever rounding says.
    const bin = Math.min(count - 1, Math.max(0, Math.floor((value - low) / width + 1e-9)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

/** Several lists in the same bins. */
export function histogram(
  title: string,
  axis: string,
  series: readonly { readonly name: string; readonly values: readonly number[] }[],
  bins: Bins = binsFor(series.flatMap(({ values }) => values)),
): HistogramData {
  const { low, width } = bins;
  return {
    title,
    axis,
    low,
    width,
    series: series.map(({ name, values }) => ({ name, counts: countsIn(values, bins) })),
  };
}
