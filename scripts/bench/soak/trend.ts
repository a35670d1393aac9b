/** Whether something grows, from noisy figures over time. */
import { median } from '../measure.ts';

export interface Point {
  readonly hours: number;
  readonly value: number;
}

/**
 * Slope an hour by Theil and Sen, the median of all pairs' slopes: up to a quarter of the points may be anything.
 * NaN for fewer than two moments.
 */
export function slope(points: readonly Point[]): number {
  const slopes = points.flatMap((a, i) =>
    points
      .slice(i + 1)
      .flatMap((b) => (b.hours === a.hours ? [] : [(b.value - a.value) / (b.hours - a.hours)])),
  );
  return slopes.length === 0 ? Number.NaN : median(slopes);
}

export interface Trend {
  /** Median of the second half. */
  readonly level: number;
  /** Of the second half: caches, heaps and files have found their size by then. */
  readonly anHour: number;
}

export function trend(points: readonly Point[]): Trend {
  const end = points.at(-1)?.hours ?? 0;
  const half = points.filter(({ hours }) => hours >= end / 2);
  return { level: median(half.map(({ value }) => value)), anHour: slope(half) };
}
