/**
 * Block quantisation: every 32 elements of a row share a float32 scale, and an element is a whole number of so many
 * bits times it. The layout is that of onnxruntime's MatMulNBits and GatherBlockQuantized: numbers are stored
 * unsigned, with 2^(bits - 1) standing for zero, and of two numbers of 4 bits the first is the lower half of a byte.
 */
import { BLOCK } from './weight-form.ts';

export interface Blocks {
  /** [rows, width x bits / 8] */
  readonly data: Uint8Array;
  /** [rows, width / 32] */
  readonly scales: Float32Array;
}

/** Whole blocks of numbers, one after the other, quantised. */
export function quantise(values: Float32Array, bits: 4 | 8): Blocks {
  const blocks = values.length / BLOCK;
  const data = new Uint8Array((values.length * bits) / 8);
  const scales = new Float32Array(blocks);
  const numbers = new Uint8Array(BLOCK);
  const best = new Uint8Array(BLOCK);
  for (let b = 0; b < blocks; b++) {
    const block = values.subarray(b * BLOCK, (b + 1) * BLOCK);
    scales[b] = bits === 8 ? block8(block, best) : block4(block, numbers, best);
    if (bits === 8) data.set(best, b * BLOCK);
    else {
      for (let i = 0; i < BLOCK; i += 2)
        data[(b * BLOCK + i) / 2] = (best[i] ?? 0) | ((best[i + 1] ?? 0) << 4);
    }
  }
  return { data, scales };
}

/** The opposite, as the operators compute it. */
export function dequantise({ data, scales }: Blocks, bits: 4 | 8): Float32Array {
  const values = new Float32Array(scales.length * BLOCK);
  for (let i = 0; i < values.length; i++) {
    const number = bits === 8 ? (data[i] ?? 0) : ((data[i >> 1] ?? 0) >> (4 * (i & 1))) & 15;
    values[i] = (number - 2 ** (bits - 1)) * (scales[Math.floor(i / BLOCK)] ?? 0);
  }
  return values;
}

function largest(block: Float32Array): number {
  let most = 0;
  for (let i = 0; i < BLOCK; i++) {
    const x = block[i] ?? 0;
    if (Math.abs(x) > Math.abs(most)) most = x;
  }
  return most;
}

/** The largest element is 127 steps from zero. */
function block8(block: Float32Array, into: Uint8Array): number {
  const scale = Math.fround(Math.abs(largest(block)) / 127);
  // Too small for a scale: such a block is zero.
  const inverse = scale > 0 ? 1 / scale : 0;
  for (let i = 0; i < BLOCK; i++)
    into[i] = Math.max(1, Math.min(255, Math.round((block[i] ?? 0) * inverse) + 128));
  return scale;
}

/** Steps from zero to the largest element that are tried: -8 is the furthest of the 16 numbers, 7 on the other side. */
const REACHES = [-8.6, -8, -7.4, -6.8, 7.4];

/**
 * With 16 numbers the choice of scale matters: of a few, the one with the least squared error, where each is the best
 * one for the numbers that it rounds to (least squares).
 */
function block4(block: Float32Array, numbers: Uint8Array, best: Uint8Array): number {
  const most = largest(block);
  let bestScale = 0;
  let bestGain = 0;
  best.fill(8);
  if (Math.abs(most) < SMALLEST) return 0;
  for (const reach of REACHES) {
    const inverse = reach / most;
    let dot = 0;
    let square = 0;
    for (let i = 0; i < BLOCK; i++) {
      const x = block[i] ?? 0;
      const q = Math.max(0, Math.min(15, Math.floor(x * inverse + 8.5)));
      numbers[i] = q;
      dot += x * (q - 8);
      square += (q - 8) * (q - 8);
    }
    // The squared error with the scale dot / square is sum x^2 - dot^2 / square.
    const gain = square > 0 ? (dot * dot) / square : 0;
    if (gain <= bestGain) continue;
    bestGain = gain;
    bestScale = dot / square;
    best.set(numbers);
  }
  return bestScale;
}

/** Below this a block's squares are no longer numbers to compare. */
const SMALLEST = 1e-30;
