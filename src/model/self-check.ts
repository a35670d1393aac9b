/**
 * What a device must get right before a long run is trusted to it: the small batch it computes, the loss, and how far
 * two results may lie apart. The computing is in src/engine/self-check.ts.
 */
import type { GroupIds } from './batch.ts';
import type { ModelConfig } from './config.ts';
import type { Precision } from './precision.ts';
import { stream } from './random.ts';

/** One comparison, relative differences throughout. */
export interface Compared {
  readonly what: string;
  readonly difference: number;
  readonly allowed: number;
}

/** Whether the arithmetic of a device is that of half precision anywhere. */
export type Arithmetic = 'single' | 'half';

export const arithmeticOf = (backend: string, precision: Precision): Arithmetic =>
  backend === 'webgpu' && precision === 'f16' ? 'half' : 'single';

/**
 * Relative differences that rounding explains. In float32 log-probabilities were seen to differ by 2e-7, gradients by
 * 5e-7, slopes by 1e-4; a driver that computes something else is off by far more than is allowed.
 */
export const ALLOWED: Readonly<
  Record<Arithmetic, { readonly logps: number; readonly gradients: number; readonly slope: number }>
> = {
  single: { logps: 3e-4, gradients: 3e-3, slope: 2e-2 },
  half: { logps: 3e-2, gradients: 1e-1, slope: 2e-1 },
};

/** By how much a finite difference moves the loss: well above the rounding of the log-probabilities it sums. */
export const MOVE: Readonly<Record<Arithmetic, number>> = { single: 0.02, half: 0.5 };

/** A prompt with two answers, of random tokens. */
export function checkGroups({ vocabSize }: ModelConfig): GroupIds[] {
  const random = stream(1, 'self-check');
  const ids = (n: number) => Array.from({ length: n }, () => Math.floor(random() * vocabSize));
  return [{ promptIds: ids(7), responseIds: [ids(6), ids(4)] }];
}

/** The mean log-probability of the second answer's tokens less that of the first: linear, so that its slope is plain. */
export function checkLoss(groups: readonly GroupIds[]) {
  return (index: number, logps: readonly number[]) => {
    const coefficients = (groups[index]?.responseIds ?? []).map((r, i) => (i === 0 ? -1 : 1) / r.length);
    return {
      loss: coefficients.reduce((sum, c, i) => sum + c * (logps[i] ?? 0), 0),
      coefficients,
      metrics: {},
    };
  };
}

/** Largest difference over the largest magnitude expected; infinite where a number is none. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length)
    throw new Error(`internal: ${actual.length} numbers for ${expected.length}`);
  let worst = 0;
  let largest = 1e-12;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? 0) - (expected[i] ?? 0));
    if (!Number.isFinite(difference)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, difference);
    largest = Math.max(largest, Math.abs(expected[i] ?? 0));
  }
  return worst / largest;
}
