/** From the numbers of a weight to the parts that the device keeps of it. */
import { ModelError } from './config.ts';
import type { ParameterShape } from './parameters.ts';
import type { Precision } from './precision.ts';
import { quantise } from './quantise.ts';
import { beyondHalf, halfBits } from './safetensors.ts';
import { bitsOf, isQuantised, weightForm } from './weight-form.ts';

/**
 * Whole rows of a weight as the elements of its parts, in the order of `weightParts`.
 *
 * @throws ModelError where a number is too large for float16
 */
export function storeRows(
  precision: Precision,
  weight: ParameterShape,
  rows: Float32Array,
): (Float32Array | Uint16Array | Uint8Array)[] {
  const form = weightForm(precision, weight);
  if (form === 'f32') return [rows];
  if (!isQuantised(form)) return [halves(weight.name, rows)];
  const { data, scales } = quantise(rows, bitsOf(form));
  return [data, scales];
}

function halves(name: string, rows: Float32Array): Uint16Array {
  const bits = new Uint16Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const x = rows[i] ?? 0;
    if (beyondHalf(x)) {
      throw new ModelError(
        `"${name}" holds ${x.toExponential(1)}, too large for float16: choose the precision f32, q8 or q4`,
      );
    }
    bits[i] = halfBits(x);
  }
  return bits;
}
