import type { Figure } from '../types.ts';

/** The normal distribution's 97.5 % point: 95 % intervals lie between it and its mirror image. */
const Z = 1.959963984540054;

/**
 * A share with its 95 % score interval, without continuity correction (Wilson 1927, JASA 22; recommended for small n
 * and shares near 0 and 1 by Newcombe 1998, Statistics in Medicine 17, method 3). It takes the decisions as
 * independent of each other: for several answers to one prompt use `bootstrapMean`.
 *
 * @param successes may be halves, where ties count half
 * @param n decisions; of none the interval is everything, 0 to 1
 * @throws RangeError where successes are not 0 to n
 */
export function wilson(successes: number, n: number): Figure {
  if (!(n >= 0 && successes >= 0 && successes <= n)) {
    throw new RangeError(`a share of ${successes} out of ${n} is none`);
  }
  const value = n === 0 ? 0.5 : successes / n;
  const middle = successes + Z ** 2 / 2;
  const reach = Z * Math.sqrt((n === 0 ? 0 : (successes * (n - successes)) / n) + Z ** 2 / 4);
  const total = n + Z ** 2;
  return {
    value,
    low: Math.max(0, (middle - reach) / total),
    high: Math.min(1, (middle + reach) / total),
    n,
    seeds: 1,
    method: 'wilson',
  };
}
