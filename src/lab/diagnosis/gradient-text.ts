/** The study of gradients in plain words. */
import type { Figure, GradientStudy } from '../types.ts';
import type { VarianceCut } from './gradient-noise.ts';

export const tooFewPrompts = (prompts: number, least: number): string =>
  `Not measured: only ${prompts} prompts have two different negatives in their pool; it takes ${least}.`;

export function tooNoisy(prompts: number, cut: VarianceCut | null = null): string {
  const why = `over ${prompts} prompts the mean gradient can't be told from noise, so there is nothing to relate the noise to`;
  if (!cut) return `Not measured: ${why}.`;
  return `How large the noise is beside the signal is not known: ${why}. The variance itself is ${figure(cut.times)} times less with k = ${cut.most} than with k = ${cut.fewest}.`;
}

/** Share of the noise of one negative that must come from the draw for more negatives to be called worth it. */
const WORTH = 0.5;

const short = (x: number): string => (Math.abs(x) >= 100 ? x.toFixed(0) : x.toPrecision(2));

const figure = ({ value, low, high }: Figure): string => `${short(value)} (${short(low)} to ${short(high)})`;

export function gradientVerdict(study: Omit<GradientStudy, 'verdict'>, prompts: number): string {
  const { points, batch, fromPrompts, direction, balanced } = study;
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || !first.draw || !fromPrompts || batch === undefined) return tooNoisy(prompts);
  const share = first.draw.value / first.noise.value;
  const cut = first.noise.value / last.noise.value;
  const what =
    share >= WORTH
      ? 'More negatives cut the variance here'
      : 'More negatives cut the variance only a little here: most of it comes from which prompts are in the batch, and only a larger batch lessens that';
  const more =
    last === first
      ? '; the pools are too small for more'
      : ` and ${figure(last.noise)} with k = ${last.negatives}, ${cut.toFixed(1)} times less`;
  const parts = [
    `${what}. The variance of the gradient of one step (${batch} prompts), by the squared length of its mean (at 1 noise is as large as what it hides), is ${figure(first.noise)} with k = ${first.negatives}${more} (${prompts} prompts, 95 % intervals).`,
    `${Math.round(100 * share)} % of it at k = ${first.negatives} comes from which answers are drawn, a part that falls as 1/k; ${short(fromPrompts.value)} comes from which prompts are.`,
  ];
  if (direction && balanced) {
    const kept =
      direction.low > 0.5
        ? 'The direction stays near that of balanced pairs'
        : direction.low > 0
          ? 'The direction agrees with that of balanced pairs'
          : direction.high < 0.5
            ? 'The direction is not that of balanced pairs'
            : 'Whether the direction stays that of balanced pairs is not clear';
    parts.push(`${kept} (${balanced}): cosine of the two mean gradients ${figure(direction)}.`);
  }
  return parts.join(' ');
}
