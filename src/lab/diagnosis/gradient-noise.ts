/** From gradients of single prompts to the noise of a step: the arithmetic alone. */
import type { Figure } from '../types.ts';
import { crossMean, pairMatrix, pairMean, resampled, type Weights } from './resample.ts';
import { dot } from './sketch.ts';

/** What was computed of one prompt, at the policy that DPO starts from. */
export interface PromptGradients {
  /** Gradient of the prompt's loss, with `negatives` of its answers. */
  readonly mean: Float32Array;
  readonly negatives: number;
  /**
   * Squared length of what half of these answers add to the gradient less what the other half add. Of answers drawn alike
   * its mean is the variance of the whole draw.
   */
  readonly halves: number;
  /** Gradient of balanced pairs on the same prompt, where it has some. */
  readonly balanced?: Float32Array;
}

export interface NoiseFigures {
  /** By k, in the order asked for. */
  readonly noise: readonly Figure[];
  readonly draw: readonly Figure[];
  readonly cosine: readonly Figure[] | null;
  readonly fromPrompts: Figure;
  readonly slope: Figure;
  readonly direction: Figure | null;
}

/**
 * The gradient g of one prompt with k negatives varies by prompt (P) and by the draw (D/k, as every answer has a share of
 * 1/k), and a step is the mean over `batch` prompts:
 *
 *     noise(k) = (P + D/k) / (batch |E g|^2)
 *
 * - |E g|^2: mean product of the gradients of two different prompts, which has no noise of its own in it;
 * - D: from the halves; P: E|g|^2 - |E g|^2 - D/k, at the k that was computed;
 * - direction: mean product of one prompt's gradient and another's balanced one, over the lengths of both means. Different
 *   prompts, as the answers of one are in both.
 *
 * All are unbiased before the division; intervals by resampling prompts.
 *
 * @returns null where the mean gradient can't be told from noise (the interval of its squared length holds 0)
 */
export function noiseFigures(
  prompts: readonly PromptGradients[],
  ks: readonly number[],
  batch: number,
): NoiseFigures | null {
  const units = prompts.length;
  const empty = new Float32Array(0);
  const own = pairMatrix(units, (i, j) => dot(prompts[i]?.mean ?? empty, prompts[j]?.mean ?? empty));
  const [length] = resampled(units, (weights) => [pairMean(own, weights)]);
  if (!length || !(length.low > 0)) return null;

  const sizes = prompts.map((_, i) => own.values[i * units + i] ?? 0);
  const halves = prompts.map((p) => p.halves);
  const draws = prompts.map((p) => p.halves * p.negatives);
  const pairs = balancedProducts(prompts);
  const figuresOf = (weights: Weights): readonly number[] => {
    const squared = positive(pairMean(own, weights));
    const draw = mean(draws, weights);
    const spread = Math.max(0, mean(sizes, weights) - squared - mean(halves, weights));
    const noise = ks.map((k) => (spread + draw / k) / batch / squared);
    const cosines = pairs ? pairs(weights, squared) : { direction: Number.NaN };
    return [
      ...noise,
      ...ks.map((k) => draw / k / batch / squared),
      ...noise.map((n) => cosines.direction / Math.sqrt(1 + n)),
      spread / batch / squared,
      slopeOf(
        ks.map((k) => Math.log(k)),
        noise.map((n) => Math.log(n)),
      ),
      cosines.direction,
    ];
  };
  const figures = resampled(units, figuresOf);
  const [fromPrompts, slope, direction] = figures.slice(3 * ks.length);
  if (!fromPrompts || !slope || !direction) throw new Error('internal: a figure of the noise is missing');
  const known = Number.isFinite(direction.value) && Number.isFinite(direction.low);
  return {
    noise: figures.slice(0, ks.length),
    draw: figures.slice(ks.length, 2 * ks.length),
    cosine: known ? figures.slice(2 * ks.length, 3 * ks.length) : null,
    fromPrompts,
    slope,
    direction: known ? direction : null,
  };
}

/** How many times less one prompt's gradient varies with the most negatives than with the fewest. */
export interface VarianceCut {
  readonly fewest: number;
  readonly most: number;
  readonly times: Figure;
}

/** Needs no mean gradient to relate the noise to: (P + D / fewest) / (P + D / most); null for a single k. */
export function varianceCut(prompts: readonly PromptGradients[], ks: readonly number[]): VarianceCut | null {
  const [fewest, most] = [ks[0], ks.at(-1)];
  if (fewest === undefined || most === undefined || fewest === most) return null;
  const empty = new Float32Array(0);
  const own = pairMatrix(prompts.length, (i, j) => dot(prompts[i]?.mean ?? empty, prompts[j]?.mean ?? empty));
  const sizes = prompts.map(({ mean: g }) => dot(g, g));
  const halves = prompts.map((p) => p.halves);
  const draws = prompts.map((p) => p.halves * p.negatives);
  const [times] = resampled(prompts.length, (weights) => {
    const draw = mean(draws, weights);
    const spread = Math.max(0, mean(sizes, weights) - pairMean(own, weights) - mean(halves, weights));
    return [(spread + draw / fewest) / positive(spread + draw / most)];
  });
  return times && Number.isFinite(times.value) ? { fewest, most, times } : null;
}

/** NaN, which is left out of intervals, for what has no root and is no divisor. */
const positive = (x: number): number => (x > 0 ? x : Number.NaN);

function mean(values: readonly number[], weights: Weights): number {
  let [sum, weight] = [0, 0];
  values.forEach((value, i) => {
    sum += (weights[i] ?? 0) * value;
    weight += weights[i] ?? 0;
  });
  return sum / weight;
}

/** Slope of the straight line of least squares; 0 of one point. */
function slopeOf(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [x, y].map((list) => list.reduce((a, b) => a + b, 0) / list.length);
  let [up, across] = [0, 0];
  x.forEach((value, i) => {
    up += (value - (mx ?? 0)) * ((y[i] ?? 0) - (my ?? 0));
    across += (value - (mx ?? 0)) ** 2;
  });
  return across === 0 ? 0 : up / across;
}

/** The cosine of the mean gradient with that of balanced pairs; null where fewer than two prompts have pairs. */
function balancedProducts(
  prompts: readonly PromptGradients[],
): ((weights: Weights, squared: number) => { direction: number }) | null {
  const having = prompts.flatMap(({ balanced }, i) => (balanced ? [{ i, balanced }] : []));
  if (having.length < 2) return null;
  const rows = prompts.map(({ mean: own }) =>
    Float64Array.from(having, ({ balanced }) => dot(own, balanced)),
  );
  const columns = having.map(({ i }) => i);
  const lengths = pairMatrix(having.length, (a, b) => {
    const [left, right] = [having[a]?.balanced, having[b]?.balanced];
    return left && right ? dot(left, right) : 0;
  });
  return (weights, squared) => {
    const theirs = Uint8Array.from(having, ({ i }) => weights[i] ?? 0);
    const balanced = positive(pairMean(lengths, theirs));
    const direction = crossMean(rows, columns, weights) / Math.sqrt(squared * balanced);
    return { direction: Math.max(-1, Math.min(1, direction)) };
  };
}
