/** Bins for the page's histograms. Pure. */

export interface Bin {
  readonly from: number;
  readonly to: number;
  /** Counts by kind, in the order of the kinds given. */
  readonly counts: readonly number[];
}

export interface Bins {
  readonly bins: readonly Bin[];
  readonly min: number;
  readonly max: number;
  /** The highest bin, all kinds together. */
  readonly top: number;
}

/** Equal bins over all kinds' values; the last one holds the maximum too. */
export function binned(
  kinds: readonly (readonly number[])[],
  bins: number,
  bounds?: readonly [number, number],
): Bins {
  let min = bounds?.[0] ?? Number.POSITIVE_INFINITY;
  let max = bounds?.[1] ?? Number.NEGATIVE_INFINITY;
  if (bounds === undefined) {
    for (const values of kinds) {
      for (const value of values) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
  }
  if (min > max) return { bins: [], min: 0, max: 1, top: 0 };
  if (min === max) max = min + 1;
  const width = (max - min) / bins;
  const counts = Array.from({ length: bins }, () => kinds.map(() => 0));
  kinds.forEach((values, kind) => {
    for (const value of values) {
      const bin = counts[Math.max(0, Math.min(bins - 1, Math.floor((value - min) / width)))];
      if (bin !== undefined) bin[kind] = (bin[kind] ?? 0) + 1;
    }
  });
  const top = Math.max(1, ...counts.map((bin) => bin.reduce((sum, each) => sum + each, 0)));
  const done = counts.map((each, at) => ({
    from: min + at * width,
    to: min + (at + 1) * width,
    counts: each,
  }));
  return { bins: done, min, max, top };
}

/** Equal bins over values that are counted already, [value, how often]. */
export function weighted(
  values: readonly (readonly [value: number, times: number])[],
  bins: number,
  [min, max]: readonly [number, number],
): Bins {
  const width = (max - min) / bins;
  const counts = Array.from({ length: bins }, () => 0);
  for (const [value, times] of values) {
    const at = Math.max(0, Math.min(bins - 1, Math.floor((value - min) / width)));
    counts[at] = (counts[at] ?? 0) + times;
  }
  const done = counts.map((each, at) => ({
    from: min + at * width,
    to: min + (at + 1) * width,
    counts: [each],
  }));
  return { bins: done, min, max, top: Math.max(1, ...counts) };
}

/** The value below which `share` of the sorted values lie. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = Math.max(0, Math.min(sorted.length - 1, Math.round(share * sorted.length) - 1));
  return sorted[at] ?? 0;
}

/** The share of sorted values at or below `value`, by bisection. */
export function shareBelow(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return sorted.length === 0 ? 0 : low / sorted.length;
}
