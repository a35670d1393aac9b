/** Shape and type rules: what each operator makes of its inputs, or why it can't. One rule an operator. */
import {
  type Dim,
  type DType,
  type OpAttributes,
  type OpName,
  type Shape,
  ShapeError,
  type TensorType,
} from './types.ts';

export type ShapeRule<K extends OpName> = (
  inputs: readonly TensorType[],
  attributes: OpAttributes[K],
) => TensorType[];

/** A shape of plain numbers, for rules that need to count. */
export function staticShape(shape: Shape, what: string): number[] {
  return shape.map((d) => {
    if (typeof d !== 'number')
      throw new Error(`${what} needs sizes known beforehand, not [${shape.join(',')}]`);
    return d;
  });
}

/** Number of elements of a shape of plain numbers. */
export function sizeOf(shape: Shape): number {
  return staticShape(shape, 'size').reduce((a, b) => a * b, 1);
}

/** Numpy broadcasting of two shapes, or null where they don't fit. */
export function broadcast(a: Shape, b: Shape): Dim[] | null {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return null;
    out.push(x === 1 ? y : x);
  }
  return out;
}

function elementwise(op: OpName, inputs: readonly TensorType[], result?: DType): TensorType[] {
  const [a, b] = arity(op, inputs, 2);
  if (a.dtype !== b.dtype) throw new ShapeError(op, inputs, 'element types differ');
  const shape = broadcast(a.shape, b.shape);
  if (!shape) throw new ShapeError(op, inputs, 'shapes do not broadcast');
  return [{ dtype: result ?? a.dtype, shape }];
}

function unary(op: OpName, inputs: readonly TensorType[]): TensorType[] {
  const [x] = arity(op, inputs, 1);
  if (x.dtype !== 'float32') throw new ShapeError(op, inputs, 'needs float32');
  return [{ dtype: x.dtype, shape: x.shape }];
}

type Tuple<N extends number> = N extends 1
  ? [TensorType]
  : N extends 2
    ? [TensorType, TensorType]
    : [TensorType, TensorType, TensorType];

function arity<N extends 1 | 2 | 3>(op: OpName, inputs: readonly TensorType[], n: N): Tuple<N> {
  if (inputs.length !== n) throw new ShapeError(op, inputs, `needs ${n} input${n > 1 ? 's' : ''}`);
  return [...inputs] as Tuple<N>;
}

function checkAxis(op: OpName, inputs: readonly TensorType[], axis: number, rank: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank) {
    throw new ShapeError(op, inputs, `axis ${axis} is not one of 0..${rank - 1}`);
  }
}

function reduce(
  op: OpName,
  inputs: readonly TensorType[],
  { axes, keepdims }: OpAttributes['ReduceSum'],
): TensorType[] {
  const [x] = arity(op, inputs, 1);
  for (const axis of axes) checkAxis(op, inputs, axis, x.shape.length);
  const shape = keepdims
    ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d))
    : x.shape.filter((_, i) => !axes.includes(i));
  return [{ dtype: x.dtype, shape }];
}

function count(shape: Shape): number | null {
  return shape.every((d) => typeof d === 'number') ? sizeOf(shape) : null;
}

export const SHAPES: { [K in OpName]: ShapeRule<K> } = {
  Add: (x) => elementwise('Add', x),
  Sub: (x) => elementwise('Sub', x),
  Mul: (x) => elementwise('Mul', x),
  Div: (x) => elementwise('Div', x),
  Equal: (x) => elementwise('Equal', x, 'bool'),
  Less: (x) => elementwise('Less', x, 'bool'),
  LessOrEqual: (x) => elementwise('LessOrEqual', x, 'bool'),
  And: (x) => elementwise('And', x, 'bool'),
  Neg: (x) => unary('Neg', x),
  Exp: (x) => unary('Exp', x),
  Log: (x) => unary('Log', x),
  Sqrt: (x) => unary('Sqrt', x),
  Sigmoid: (x) => unary('Sigmoid', x),
  Tanh: (x) => unary('Tanh', x),
  Detach: (x) => {
    const [value] = arity('Detach', x, 1);
    return [{ dtype: value.dtype, shape: value.shape }];
  },
  Cast: (x, { to }) => {
    const [value] = arity('Cast', x, 1);
    return [{ dtype: to, shape: value.shape }];
  },
  Where: (inputs) => {
    const [cond, x, y] = arity('Where', inputs, 3);
    if (cond.dtype !== 'bool') throw new ShapeError('Where', inputs, 'the condition must be bool');
    if (x.dtype !== y.dtype) throw new ShapeError('Where', inputs, 'element types differ');
    const both = broadcast(x.shape, y.shape);
    const shape = both && broadcast(cond.shape, both);
    if (!shape) throw new ShapeError('Where', inputs, 'shapes do not broadcast');
    return [{ dtype: x.dtype, shape }];
  },
  MatMul: (inputs) => {
    const [a, b] = arity('MatMul', inputs, 2);
    if (a.shape.length < 2 || b.shape.length < 2)
      throw new ShapeError('MatMul', inputs, 'needs two dimensions or more');
    const inner = a.shape[a.shape.length - 1];
    if (inner !== b.shape[b.shape.length - 2]) throw new ShapeError('MatMul', inputs, 'inner sizes differ');
    const outer = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!outer) throw new ShapeError('MatMul', inputs, 'outer dimensions do not broadcast');
    return [{ dtype: a.dtype, shape: [...outer, ...a.shape.slice(-2, -1), ...b.shape.slice(-1)] }];
  },
  Gemm: (inputs, { transA, transB }) => {
    const [added] = inputs.slice(2);
    const [a, b] = arity('Gemm', inputs.slice(0, 2), 2);
    if (a.shape.length !== 2 || b.shape.length !== 2)
      throw new ShapeError('Gemm', inputs, 'needs two matrices');
    const [m, k] = transA ? a.shape.toReversed() : a.shape;
    const [k2, n] = transB ? b.shape.toReversed() : b.shape;
    if (a.dtype !== b.dtype) throw new ShapeError('Gemm', inputs, 'element types differ');
    if (k !== k2 || m === undefined || n === undefined) {
      throw new ShapeError('Gemm', inputs, `inner sizes differ (transA ${transA}, transB ${transB})`);
    }
    if (added && (added.shape.join() !== [m, n].join() || added.dtype !== a.dtype))
      throw new ShapeError('Gemm', inputs, 'what is added is no matrix of the same shape');
    return [{ dtype: a.dtype, shape: [m, n] }];
  },
  Transpose: (inputs, { perm }) => {
    const [x] = arity('Transpose', inputs, 1);
    const shape = perm.flatMap((p) => x.shape.slice(p, p + 1));
    if (
      perm.length !== x.shape.length ||
      new Set(perm).size !== perm.length ||
      shape.length !== perm.length
    ) {
      throw new ShapeError('Transpose', inputs, `[${perm.join(',')}] is not a permutation of its dimensions`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  Reshape: (inputs, { shape }) => {
    const [x] = arity('Reshape', inputs, 1);
    const from = count(x.shape);
    const to = count(shape);
    if (from !== null && to !== null && from !== to) {
      throw new ShapeError('Reshape', inputs, `${from} elements do not make [${shape.join(',')}]`);
    }
    if (shape.filter((d, i) => typeof d === 'string' && d !== x.shape[i]).length > 1) {
      throw new ShapeError('Reshape', inputs, 'only one size may be left to run time');
    }
    return [{ dtype: x.dtype, shape }];
  },
  Expand: (inputs, { shape }) => {
    const [x] = arity('Expand', inputs, 1);
    const result = broadcast(x.shape, shape);
    if (!result || result.join() !== shape.join()) {
      throw new ShapeError('Expand', inputs, `does not expand to [${shape.join(',')}]`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  Concat: (inputs, { axis }) => {
    const [first] = inputs;
    if (!first) throw new ShapeError('Concat', inputs, 'needs an input');
    checkAxis('Concat', inputs, axis, first.shape.length);
    for (const x of inputs) {
      const same =
        x.shape.length === first.shape.length && x.shape.every((d, i) => i === axis || d === first.shape[i]);
      if (!same || x.dtype !== first.dtype)
        throw new ShapeError('Concat', inputs, `differ beside axis ${axis}`);
    }
    const dims = inputs.map((x) => x.shape[axis] ?? 0);
    const total = dims.every((d) => typeof d === 'number') ? dims.reduce((a, b) => a + b, 0) : dims.join('+');
    return [{ dtype: first.dtype, shape: first.shape.with(axis, total) }];
  },
  Split: (inputs, { axis, sizes }) => {
    const [x] = arity('Split', inputs, 1);
    checkAxis('Split', inputs, axis, x.shape.length);
    if (sizes.reduce((a, b) => a + b, 0) !== x.shape[axis]) {
      throw new ShapeError('Split', inputs, `sizes [${sizes.join(',')}] do not add up to axis ${axis}`);
    }
    return sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.with(axis, size) }));
  },
  SplitAt: (inputs, { axis, dims }) => {
    const [x, sizes] = arity('SplitAt', inputs, 2);
    checkAxis('SplitAt', inputs, axis, x.shape.length);
    if (sizes.dtype !== 'int64' || sizes.shape.join() !== `${dims.length}`)
      throw new ShapeError('SplitAt', inputs, `not ${dims.length} sizes`);
    return dims.map((dim) => ({ dtype: x.dtype, shape: x.shape.with(axis, dim) }));
  },
  Slice: (inputs, { axis, start, end }) => {
    const [x] = arity('Slice', inputs, 1);
    checkAxis('Slice', inputs, axis, x.shape.length);
    const size = x.shape[axis];
    if (typeof end === 'string') return [{ dtype: x.dtype, shape: x.shape.with(axis, end) }];
    if (start < 0 || end <= start || (typeof size === 'number' && end > size)) {
      throw new ShapeError('Slice', inputs, `${start}..${end} is outside axis ${axis}`);
    }
    return [{ dtype: x.dtype, shape: x.shape.with(axis, end - start) }];
  },
  ReduceSum: (x, attributes) => reduce('ReduceSum', x, attributes),
  ReduceMax: (x, attributes) => reduce('ReduceMax', x, attributes),
  ReduceMin: (x, attributes) => reduce('ReduceMin', x, attributes),
  CumSum: (x, { axis }) => {
    const [value] = arity('CumSum', x, 1);
    checkAxis('CumSum', x, axis, value.shape.length);
    return [{ dtype: value.dtype, shape: value.shape }];
  },
  Softmax: (x) => unary('Softmax', x),
  Gather: (inputs) => {
    const [data, indices] = arity('Gather', inputs, 2);
    if (indices.dtype !== 'int32' && indices.dtype !== 'int64')
      throw new ShapeError('Gather', inputs, 'indices must be whole numbers');
    return [{ dtype: data.dtype, shape: [...indices.shape, ...data.shape.slice(1)] }];
  },
  GatherElements: (inputs) => {
    const [data, indices] = arity('GatherElements', inputs, 2);
    const last = data.shape.length - 1;
    const fits =
      indices.shape.length === last + 1 && indices.shape.every((d, i) => i === last || d === data.shape[i]);
    if (!fits) throw new ShapeError('GatherElements', inputs, 'indices must name elements of each row');
    return [{ dtype: data.dtype, shape: indices.shape }];
  },
  MatMulNBits: (inputs, { bits, block }) => {
    const [x, q, scales] = arity('MatMulNBits', inputs, 3);
    const [n = 0, blocks = 0, bytes] = staticShape(q.shape, 'MatMulNBits');
    const fits =
      x.dtype === 'float32' &&
      x.shape.length === 2 &&
      x.shape[1] === blocks * block &&
      q.dtype === 'uint8' &&
      bytes === (block * bits) / 8 &&
      scales.shape.join() === `${n * blocks}`;
    if (!fits) throw new ShapeError('MatMulNBits', inputs, `not a matrix of ${bits} bits times rows`);
    return [{ dtype: 'float32', shape: [...x.shape.slice(0, 1), n] }];
  },
  GatherBlockQuantized: (inputs, { bits, block }) => {
    const [q, indices, scales] = arity('GatherBlockQuantized', inputs, 3);
    const [n = 0, blocks = 0] = staticShape(scales.shape, 'GatherBlockQuantized');
    if (q.dtype !== 'uint8' || q.shape.join() !== `${n},${(blocks * block * bits) / 8}`)
      throw new ShapeError('GatherBlockQuantized', inputs, `not a matrix of ${bits} bits with its scales`);
    if (indices.dtype !== 'int32')
      throw new ShapeError('GatherBlockQuantized', inputs, 'indices must be int32');
    return [{ dtype: 'float32', shape: [...indices.shape, blocks * block] }];
  },
  GroupQueryAttention: (inputs, { heads, kvHeads }) => {
    const [q, k, v, keys, values, before, total] = inputs;
    if (!q || !k || !v || !keys || !values || !before || !total || inputs.length !== 7)
      throw new ShapeError('GroupQueryAttention', inputs, 'needs 7 inputs');
    const [rows, , room, width = 0] = keys.shape;
    const fits =
      q.shape.join() === [rows, 1, heads * Number(width)].join() &&
      [k, v].every(({ shape }) => shape.join() === [rows, 1, kvHeads * Number(width)].join()) &&
      [keys, values].every(({ shape }) => shape.join() === [rows, kvHeads, room, width].join()) &&
      before.shape.join() === `${rows}` &&
      [before, total].every(({ dtype }) => dtype === 'int32');
    if (!fits)
      throw new ShapeError('GroupQueryAttention', inputs, 'not one token of every row and its cache');
    return [q, keys, values].map(({ dtype, shape }) => ({ dtype, shape }));
  },
  RotaryEmbedding: (inputs) => {
    const [x, positions, cos, sin] = inputs;
    if (!x || !positions || !cos || !sin || inputs.length !== 4)
      throw new ShapeError('RotaryEmbedding', inputs, 'needs 4 inputs');
    const width = 2 * Number(cos.shape[1]);
    const fits =
      x.shape.length === 3 &&
      Number(x.shape[2]) % width === 0 &&
      positions.shape.join() === x.shape.slice(0, 2).join() &&
      positions.dtype === 'int64' &&
      cos.shape.join() === sin.shape.join();
    if (!fits) throw new ShapeError('RotaryEmbedding', inputs, 'not rows of heads and their positions');
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  SimplifiedLayerNormalization: (inputs) => {
    const [x, weight] = arity('SimplifiedLayerNormalization', inputs, 2);
    if (weight.shape.join() !== x.shape.slice(-1).join())
      throw new ShapeError('SimplifiedLayerNormalization', inputs, 'the weight is not of the last axis');
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  SkipSimplifiedLayerNormalization: (inputs) => {
    const [a, b, weight] = arity('SkipSimplifiedLayerNormalization', inputs, 3);
    if (a.shape.join() !== b.shape.join() || weight.shape.join() !== a.shape.slice(-1).join())
      throw new ShapeError('SkipSimplifiedLayerNormalization', inputs, 'shapes differ');
    return [a, a].map(({ dtype, shape }) => ({ dtype, shape }));
  },
  QuickGelu: (x) => unary('QuickGelu', x),
  FastGelu: (x) => unary('FastGelu', x),
  Loop: (inputs, { body, carried }) => {
    if (inputs.length !== carried + 2 || body.inputs.length !== carried + 2) {
      throw new ShapeError('Loop', inputs, `needs a trip count, a condition and ${carried} carried values`);
    }
    const outputs = body.outputs.slice(1);
    return outputs.map((v, i) =>
      i < carried ? { dtype: v.dtype, shape: v.shape } : { dtype: v.dtype, shape: ['rounds', ...v.shape] },
    );
  },
};
