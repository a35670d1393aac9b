/**
 * In which form each frozen weight is kept on the device, and how large that is. Matrices take the precision asked
 * for; vectors (norms, biases) stay float32.
 */
import { EMBEDDING, HEAD, type ParameterShape } from './parameters.ts';
import type { Precision } from './precision.ts';

/** Elements of a row that share a scale. */
export const BLOCK = 32;

/** Bytes of a block's scale, a float32. */
const SCALE_BYTES = 4;

/** Bits an element, scales apart. */
const BITS: Readonly<Record<Precision, number>> = { f32: 32, f16: 16, q8: 8, q4: 4 };

export const isQuantised = (form: Precision): form is 'q8' | 'q4' => form === 'q8' || form === 'q4';

export const bitsOf = (form: 'q8' | 'q4'): 4 | 8 => (form === 'q8' ? 8 : 4);

/**
 * The form of one weight. Rows that are not whole blocks can't be quantised and stay float32. The embedding and the
 * head have 8 bits at least: they are what the log-probabilities are made of directly, and 4 bits show there first.
 */
export function weightForm(precision: Precision, { name, shape }: ParameterShape): Precision {
  const width = shape[1];
  if (shape.length !== 2 || width === undefined) return 'f32';
  if (!isQuantised(precision)) return precision;
  if (width % BLOCK !== 0) return 'f32';
  return name === EMBEDDING || name === HEAD ? 'q8' : precision;
}

/** Bytes of a weight on the device, its scales included. */
export function weightBytes(precision: Precision, weight: ParameterShape): number {
  const form = weightForm(precision, weight);
  const count = weight.shape.reduce((a, b) => a * b, 1);
  return (count * BITS[form]) / 8 + (isQuantised(form) ? (count / BLOCK) * SCALE_BYTES : 0);
}
