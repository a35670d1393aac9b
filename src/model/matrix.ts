/** A frozen matrix in a graph, in whatever form it is kept: what is asked of it is the same for all forms. */
import type { Graph, Quantised, Value } from '../graph/index.ts';
import type { ParameterShape } from './parameters.ts';
import type { Precision } from './precision.ts';
import { BLOCK, bitsOf, isQuantised, weightForm } from './weight-form.ts';

/** One tensor of a stored weight. */
export interface WeightPart {
  readonly name: string;
  readonly dtype: 'float32' | 'float16' | 'uint8';
  readonly shape: readonly number[];
}

/** What a weight is kept as on the device: itself, or blocks and their scales. */
export function weightParts(precision: Precision, { name, shape }: ParameterShape): WeightPart[] {
  const form = weightForm(precision, { name, shape });
  if (!isQuantised(form)) return [{ name, dtype: form === 'f16' ? 'float16' : 'float32', shape }];
  const [rows = 0, width = 0] = shape;
  return [
    { name: `${name}.blocks`, dtype: 'uint8', shape: [rows, (width * bitsOf(form)) / 8] },
    { name: `${name}.scales`, dtype: 'float32', shape: [rows, width / BLOCK] },
  ];
}

/** A matrix W [n, k]. */
export interface Matrix {
  readonly shape: readonly [number, number];
  /** x W^T: [m, k] -> [m, n]. */
  times(x: Value): Value;
  /** Rows by their numbers: [...ids] -> [...ids, k], float32. */
  rows(ids: Value): Value;
  /** Rows from..to-1 as float32. */
  slice(from: number, to: number): Value;
}

/** How the numbers of a graph's frozen weights are kept and worked with. */
export interface Numbers {
  readonly precision: Precision;
  /** Products of float16 matrices are made in float16, where the device has it; else in float32. */
  readonly halfProducts: boolean;
}

export const FLOAT32: Numbers = { precision: 'f32', halfProducts: false };

/** A dense matrix, float32 or float16; the trained ones of full training too. */
export function denseMatrix(g: Graph, w: Value, halfProducts = false): Matrix {
  const [n = 0, k = 0] = w.shape.map(Number);
  return {
    shape: [n, k],
    times: (x) =>
      w.dtype === 'float16' && halfProducts
        ? g.cast(g.gemm(g.cast(x, 'float16'), w, { transB: true }), 'float32')
        : g.gemm(x, g.cast(w, 'float32'), { transB: true }),
    rows: (ids) => g.cast(g.gather(w, ids), 'float32'),
    slice: (from, to) => g.cast(from === 0 && to === n ? w : g.slice(w, 0, from, to), 'float32'),
  };
}

function quantisedMatrix(g: Graph, blocks: Value, scales: Value, format: Quantised): Matrix {
  const [n = 0, count = 0] = scales.shape.map(Number);
  return {
    shape: [n, count * format.block],
    times: (x) => g.matmulQuantised(x, blocks, scales, format),
    rows: (ids) => g.gatherQuantised(blocks, ids, scales, format),
    slice: (from, to) => {
      const ids = g.constant(
        Int32Array.from({ length: to - from }, (_, i) => from + i),
        [to - from],
      );
      return g.gatherQuantised(blocks, ids, scales, format);
    },
  };
}

/** A frozen matrix as inputs of the graph, their names those of its parts behind `prefix`. */
export function matrixInput(g: Graph, numbers: Numbers, weight: ParameterShape, prefix = ''): Matrix {
  const form = weightForm(numbers.precision, weight);
  const parts = weightParts(numbers.precision, weight).map(({ name, dtype, shape }) =>
    g.input(prefix + name, dtype, shape),
  );
  const [first, scales] = parts;
  if (!first) throw new Error('internal: a weight without parts');
  if (!isQuantised(form) || !scales) return denseMatrix(g, first, numbers.halfProducts);
  return quantisedMatrix(g, first, scales, { bits: bitsOf(form), block: BLOCK });
}

/** Float32 elements of a table that are made at once: 2^23 is 32 MiB. */
const TABLE_ELEMENTS = 2 ** 23;

/** Row numbers at which a table is cut so that no float32 copy of the whole of it ever exists. */
export function tableCuts(rows: number, width: number): [number, number][] {
  const count = Math.ceil((rows * width) / TABLE_ELEMENTS);
  const size = Math.ceil(rows / count);
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => [i * size, Math.min(rows, (i + 1) * size)]);
}
