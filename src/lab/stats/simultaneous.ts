import type { Figure } from '../types.ts';
import { type BootstrapOptions, type GainDraws, gainDraws, type Values } from './bootstrap.ts';
import { quantile } from './weights.ts';

/**
 * Gains of several arms over one reference whose 95 % intervals hold all at once, so that the best of them may be picked
 * after looking: the single-step maximum of studentised deviations over the same resamples (Westfall and Young 1993,
 * Resampling-Based Multiple Testing; Romano and Wolf 2005, JASA 100). As safe as Bonferroni's, and narrower where arms
 * move together. The picked arm's value itself stays optimistic: it was picked for being large.
 *
 * @returns one figure an arm, in order; null where an arm shares no value with the reference
 */
export function simultaneousGains(
  arms: readonly Values[],
  reference: Values,
  options: BootstrapOptions = {},
): (Figure | null)[] {
  const gains = arms.map((values) =>
    share(values, reference) ? gainDraws(values, reference, options) : null,
  );
  const spreads = gains.map((gain) => (gain ? deviation(gain) : 0));
  const resamples = Math.min(...gains.flatMap((gain) => gain?.draws.length ?? []));
  if (!Number.isFinite(resamples)) return gains.map(() => null);
  const largest = new Float64Array(resamples);
  gains.forEach((gain, i) => {
    const spread = spreads[i] ?? 0;
    if (!gain || spread === 0) return;
    for (let b = 0; b < resamples; b++) {
      const away = Math.abs((gain.draws[b] ?? Number.NaN) - gain.value) / spread;
      if (away > (largest[b] ?? 0)) largest[b] = away;
    }
  });
  const reach = quantile(largest.sort(), 0.95);
  return gains.map((gain, i) => {
    if (!gain) return null;
    const { value, prompts: n, seeds } = gain;
    const half = reach * (spreads[i] ?? 0);
    return { value, low: value - half, high: value + half, n, seeds, method: 'bootstrap' };
  });
}

/** Standard error: how far the resamples lie from the gain. */
function deviation({ value, draws }: GainDraws): number {
  let [sum, count] = [0, 0];
  for (const draw of draws) {
    if (!Number.isFinite(draw)) continue;
    sum += (draw - value) ** 2;
    count++;
  }
  return Math.sqrt(sum / Math.max(1, count));
}

/** Whether any seed and prompt has a value on both sides. */
export function share(values: Values, other: Values): boolean {
  return values.some((row, s) => row.some((x, p) => x !== null && (other[s]?.[p] ?? null) !== null));
}
