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

/** How a model's frozen weights are kept, and where. */
export interface Numbers {
  readonly precision: Precision;
  /**
   * A GPU multiplies float16 and few bits as they are. WASM makes float32 of them first, and of a large table only a
   * part at a time.
   */
  readonly gpu: boolean;
}

export const FLOAT32: Numbers = { precision: 'f32', gpu: false };

/** A matrix W [n, k]. The graph is given with each call, since it may be a loop's body. */
export interface Matrix {
  readonly shape: readonly [number, number];
  /** Too large for a float32 copy of the whole of it to exist, be it for a moment. */
  readonly inParts: boolean;
  /** x W^T: [m, k] -> [m, n]. */
  times(g: Graph, x: Value): Value;
  /** Rows by their numbers: [...ids] -> [...ids, k], float32. */
  rows(g: Graph, ids: Value): Value;
  /** Rows from..to-1 as float32. */
  part(g: Graph, from: number, to: number): Value;
}

/** Elements up to which a table is made float32 at once: 2^25 are 128 MiB. */
const WHOLE_ELEMENTS = 2 ** 25;
/** Elements of a part of a larger one: 2^22 are 16 MiB. */
const PART_ELEMENTS = 2 ** 22;

/** Where a matrix is cut into parts. */
export function partsOf({ shape: [rows, width] }: Matrix): [number, number][] {
  const count = Math.ceil((rows * width) / PART_ELEMENTS);
  const size = Math.ceil(rows / count);
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => [i * size, Math.min(rows, (i + 1) * size)]);
}

/**
 * from..to-1, a constant of its own each time: of two parts with the same one, onnxruntime would make one and keep it
 * from the first use to the last, and so in the end the whole table.
 */
function rowNumbers(g: Graph, from: number, to: number): Value {
  return g.constant(
    Int32Array.from({ length: to - from }, (_, i) => from + i),
    [to - from],
  );
}

function timesParts(g: Graph, x: Value, matrix: Matrix): Value {
  const products = partsOf(matrix).map(([from, to]) => g.gemm(x, matrix.part(g, from, to), { transB: true }));
  return g.concat(products, 1);
}

/** A dense matrix, float32 or float16; the trained ones of full training too. */
export function denseMatrix(w: Value, gpu = false): Matrix {
  const [n = 0, k = 0] = w.shape.map(Number);
  const half = w.dtype === 'float16';
  const matrix: Matrix = {
    shape: [n, k],
    inParts: half && n * k > WHOLE_ELEMENTS,
    times: (g, x) => {
      if (half && gpu) return g.cast(g.gemm(g.cast(x, 'float16'), w, { transB: true }), 'float32');
      return matrix.inParts ? timesParts(g, x, matrix) : g.gemm(x, g.cast(w, 'float32'), { transB: true });
    },
    rows: (g, ids) => g.cast(g.gather(w, ids), 'float32'),
    part: (g, from, to) => g.cast(g.gather(w, rowNumbers(g, from, to)), 'float32'),
  };
  return matrix;
}

function quantisedMatrix(blocks: Value, scales: Value, format: Quantised, gpu: boolean): Matrix {
  const [n = 0, count = 0] = scales.shape.map(Number);
  const matrix: Matrix = {
    shape: [n, count * format.block],
    inParts: n * count * format.block > WHOLE_ELEMENTS,
    times: (g, x) =>
      matrix.inParts && !gpu ? timesParts(g, x, matrix) : g.matmulQuantised(x, blocks, scales, format),
    rows: (g, ids) => g.gatherQuantised(blocks, ids, scales, format),
    part: (g, from, to) => g.gatherQuantised(blocks, rowNumbers(g, from, to), scales, format),
  };
  return matrix;
}

/** A frozen matrix as inputs of the graph, named as its parts behind `prefix`. */
export function matrixInput(g: Graph, numbers: Numbers, weight: ParameterShape, prefix = ''): Matrix {
  const form = weightForm(numbers.precision, weight);
  const [first, scales] = weightParts(numbers.precision, weight).map(({ name, dtype, shape }) =>
    g.input(prefix + name, dtype, shape),
  );
  if (!first) throw new Error('internal: a weight without parts');
  if (!isQuantised(form) || !scales) return denseMatrix(first, numbers.gpu);
  return quantisedMatrix(first, scales, { bits: bitsOf(form), block: BLOCK }, numbers.gpu);
}
