/**
 * Reverse mode: for every operator, how a change of its outputs comes back to its inputs.
 *
 * The table is total over the operators; one that can't be differentiated says so when it is reached.
 */
import type { Graph } from './graph.ts';
import { sizeOf, staticShape } from './shapes.ts';
import type { Node, NodeOf, OpName, Shape, Value } from './types.ts';

/**
 * Given the cotangents of a node's outputs (null: nothing depends on that output), puts down and returns the
 * cotangents of its inputs (null: no gradient flows there). `needed[i]` is false where input i's is unused.
 */
export type GradientRule<K extends OpName> = (
  g: Graph,
  node: NodeOf<K>,
  cotangents: readonly (Value | null)[],
  needed: readonly boolean[],
) => (Value | null)[];

/**
 * Values with a gradient. A cotangent is float32 even where its value is float16: the small numbers of a backward
 * pass would vanish in half precision.
 */
const isReal = ({ dtype }: Value): boolean => dtype === 'float32' || dtype === 'float16';

/** Sums a cotangent over the dimensions that broadcasting had added. */
function unbroadcast(g: Graph, dy: Value, shape: Shape): Value {
  const to = staticShape(shape, 'gradient');
  const from = staticShape(dy.shape, 'gradient');
  const extra = from.length - to.length;
  const axes = from.flatMap((d, i) => (i < extra || (to[i - extra] === 1 && d !== 1) ? [i] : []));
  return g.reshape(axes.length ? g.reduceSum(dy, axes) : dy, to);
}

type Derivative = (g: Graph, dy: Value, inputs: readonly [Value, Value], y: Value) => Value;

function pair(node: { readonly inputs: readonly Value[] }): [Value, Value] {
  const [a, b] = node.inputs;
  if (!a || !b) throw new Error('internal: two inputs expected');
  return [a, b];
}

function first(values: readonly (Value | null)[]): Value {
  const [value] = values;
  if (!value) throw new Error('internal: a gradient rule was called without a cotangent');
  return value;
}

/** Rule of an elementwise operator of two inputs, from its two derivatives. */
function binary<K extends OpName>(left: Derivative, right: Derivative): GradientRule<K> {
  return (g, node, cotangents, needed) => {
    const dy = first(cotangents);
    const inputs = pair(node);
    const y = first(node.outputs);
    return [left, right].map((derivative, i) => {
      const input = inputs[i];
      return needed[i] && input ? unbroadcast(g, derivative(g, dy, inputs, y), input.shape) : null;
    });
  };
}

function unary<K extends OpName>(
  derivative: (g: Graph, dy: Value, x: Value, y: Value) => Value,
): GradientRule<K> {
  return (g, node, cotangents) => [derivative(g, first(cotangents), first(node.inputs), first(node.outputs))];
}

/** Whole numbers, truth values and cut-off values pass no gradient. */
const none = (_g: Graph, node: { readonly inputs: readonly Value[] }): null[] => node.inputs.map(() => null);

/** The cotangent goes to the largest (smallest) elements; equal ones share it. */
function extremum<K extends 'ReduceMax' | 'ReduceMin'>(): GradientRule<K> {
  return (g, node, cotangents) => {
    const x = first(node.inputs);
    const { axes } = node.attributes;
    const kept = staticShape(x.shape, node.op).map((d, i) => (axes.includes(i) ? 1 : d));
    const hit = g.cast(g.equal(x, g.reshape(first(node.outputs), kept)), 'float32');
    const share = g.div(g.reshape(first(cotangents), kept), g.reduceSum(hit, axes));
    return [g.mul(hit, share)];
  };
}

/** 1 where indices (any shape [...]) name the row: [..., rows] as float32. */
function oneHot(g: Graph, indices: Value, rows: number): Value {
  const ids = g.cast(g.reshape(indices, [...indices.shape, 1]), 'int32');
  return g.cast(g.equal(ids, g.iota(rows)), 'float32');
}

function notDifferentiable(op: OpName): () => never {
  return () => {
    throw new Error(`${op} has no gradient: build training graphs without it`);
  };
}

export const GRADIENTS: { [K in OpName]: GradientRule<K> } = {
  Add: binary(
    (_, dy) => dy,
    (_, dy) => dy,
  ),
  Sub: binary(
    (_, dy) => dy,
    (g, dy) => g.neg(dy),
  ),
  Mul: binary(
    (g, dy, [, b]) => g.mul(dy, b),
    (g, dy, [a]) => g.mul(dy, a),
  ),
  Div: binary(
    (g, dy, [, b]) => g.div(dy, b),
    (g, dy, [, b], y) => g.neg(g.div(g.mul(dy, y), b)),
  ),
  Equal: none,
  Less: none,
  LessOrEqual: none,
  And: none,
  Neg: unary((g, dy) => g.neg(dy)),
  Exp: unary((g, dy, _, y) => g.mul(dy, y)),
  Log: unary((g, dy, x) => g.div(dy, x)),
  Sqrt: unary((g, dy, _, y) => g.div(g.mul(dy, 0.5), y)),
  Sigmoid: unary((g, dy, _, y) => g.mul(dy, g.mul(y, g.sub(1, y)))),
  Tanh: unary((g, dy, _, y) => g.mul(dy, g.sub(1, g.mul(y, y)))),
  Detach: none,
  Cast: (_, node, cotangents) => [isReal(first(node.inputs)) ? first(cotangents) : null],
  Where: (g, node, cotangents, needed) => {
    const [cond, x, y] = node.inputs;
    if (!cond || !x || !y) throw new Error('internal: Where has three inputs');
    const dy = first(cotangents);
    const zero = g.scalar(0);
    return [
      null,
      needed[1] ? unbroadcast(g, g.where(cond, dy, zero), x.shape) : null,
      needed[2] ? unbroadcast(g, g.where(cond, zero, dy), y.shape) : null,
    ];
  },
  MatMul: (g, node, cotangents, needed) => {
    const [a, b] = pair(node);
    const dy = first(cotangents);
    return [
      needed[0] ? unbroadcast(g, g.matmul(dy, g.swap(b)), a.shape) : null,
      needed[1] ? unbroadcast(g, g.matmul(g.swap(a), dy), b.shape) : null,
    ];
  },
  Gemm: (g, node, cotangents, needed) => {
    const [a, b] = pair(node).map((x) => g.cast(x, 'float32'));
    if (!a || !b) throw new Error('internal: two inputs expected');
    const dy = first(cotangents);
    const { transA, transB } = node.attributes;
    const da = () =>
      transA ? g.gemm(b, dy, { transA: transB, transB: true }) : g.gemm(dy, b, { transB: !transB });
    const db = () =>
      transB ? g.gemm(dy, a, { transA: true, transB: transA }) : g.gemm(a, dy, { transA: !transA });
    const added = node.inputs.length > 2 ? [needed[2] ? dy : null] : [];
    return [needed[0] ? da() : null, needed[1] ? db() : null, ...added];
  },
  Transpose: (g, node, cotangents) => {
    const { perm } = node.attributes;
    return [
      g.transpose(
        first(cotangents),
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ];
  },
  Reshape: (g, node, cotangents) => [g.reshape(first(cotangents), first(node.inputs).shape)],
  Expand: (g, node, cotangents) => [unbroadcast(g, first(cotangents), first(node.inputs).shape)],
  Concat: (g, node, cotangents) => {
    const { axis } = node.attributes;
    const sizes = node.inputs.map((x) => staticShape(x.shape, 'Concat gradient')[axis] ?? 0);
    return g.split(first(cotangents), axis, sizes);
  },
  Split: (g, node, cotangents) => {
    const parts = node.outputs.map(
      (y, i) => cotangents[i] ?? g.zeros(staticShape(y.shape, 'Split gradient')),
    );
    return [g.concat(parts, node.attributes.axis)];
  },
  SplitAt: notDifferentiable('SplitAt'),
  Slice: (g, node, cotangents) => {
    const { axis, start, end } = node.attributes;
    if (typeof end === 'string') throw new Error('Slice gradient needs sizes known beforehand');
    const shape = staticShape(first(node.inputs).shape, 'Slice gradient');
    const size = shape[axis] ?? 0;
    const parts = [first(cotangents)];
    if (start > 0) parts.unshift(g.zeros(shape.with(axis, start)));
    if (end < size) parts.push(g.zeros(shape.with(axis, size - end)));
    return [parts.length > 1 ? g.concat(parts, axis) : first(cotangents)];
  },
  ReduceSum: (g, node, cotangents) => {
    const shape = staticShape(first(node.inputs).shape, 'ReduceSum gradient');
    const kept = shape.map((d, i) => (node.attributes.axes.includes(i) ? 1 : d));
    return [g.expand(g.reshape(first(cotangents), kept), shape)];
  },
  ReduceMax: extremum(),
  ReduceMin: extremum(),
  CumSum: (g, node, cotangents) => {
    const { axis, reverse } = node.attributes;
    return [g.cumSum(first(cotangents), axis, !reverse)];
  },
  Softmax: unary((g, dy, x, y) => {
    const weighted = g.mul(dy, y);
    return g.sub(weighted, g.mul(y, g.reduceSum(weighted, [x.shape.length - 1])));
  }),
  Gather: (g, node, cotangents) => {
    const [data, indices] = pair(node);
    const [rows = 0, ...rest] = staticShape(data.shape, 'Gather gradient');
    const width = sizeOf(rest);
    const picks = sizeOf(indices.shape);
    // A product with the one-hot matrix rather than a scatter: it runs wholly on WebGPU. The caller keeps
    // the number of indices in one graph small enough for [indices x rows].
    const hot = g.reshape(oneHot(g, indices, rows), [picks, rows]);
    const sum = g.gemm(hot, g.reshape(first(cotangents), [picks, width]), { transA: true });
    return [g.reshape(sum, data.shape), null];
  },
  GatherElements: (g, node, cotangents) => {
    const [data, indices] = pair(node);
    const size = data.shape.at(-1);
    if (typeof size !== 'number') throw new Error('GatherElements gradient needs sizes known beforehand');
    if (indices.shape.at(-1) !== 1) throw new Error('GatherElements gradient: one element of each row only');
    const hot = g.cast(g.equal(g.cast(indices, 'int32'), g.iota(size)), 'float32');
    return [g.mul(hot, first(cotangents)), null];
  },
  MatMulNBits: (g, node, cotangents) => {
    const [x, blocked, flat] = node.inputs;
    if (!x || !blocked || !flat) throw new Error('internal: MatMulNBits has three inputs');
    const { bits, block } = node.attributes;
    const [n = 0, blocks = 0, bytes = 0] = staticShape(blocked.shape, 'MatMulNBits gradient');
    const q = g.reshape(blocked, [n, blocks * bytes]);
    const w = g.gatherQuantised(q, g.iota(n), g.reshape(flat, [n, blocks]), { bits, block });
    return [g.gemm(first(cotangents), w), null, null];
  },
  // The indices and the matrix of few bits are not numbers to differentiate by.
  GatherBlockQuantized: none,
  GroupQueryAttention: notDifferentiable('GroupQueryAttention'),
  RotaryEmbedding: notDifferentiable('RotaryEmbedding'),
  SimplifiedLayerNormalization: notDifferentiable('SimplifiedLayerNormalization'),
  SkipSimplifiedLayerNormalization: notDifferentiable('SkipSimplifiedLayerNormalization'),
  QuickGelu: notDifferentiable('QuickGelu'),
  FastGelu: notDifferentiable('FastGelu'),
  Loop: notDifferentiable('Loop'),
};

function applyRule<K extends OpName>(
  g: Graph,
  node: NodeOf<K>,
  cotangents: readonly (Value | null)[],
  needed: readonly boolean[],
): (Value | null)[] {
  const rule: GradientRule<K> = GRADIENTS[node.op];
  return rule(g, node, cotangents, needed);
}

/**
 * Puts down the gradient of sum_i <outputs[i], cotangents[i]> with respect to `wrt`.
 *
 * @param outputs values of `g`, differentiable (float32)
 * @param cotangents one each, of the same shape
 * @param wrt inputs, constants or any values of `g`
 * @returns one gradient a value of `wrt`, of its shape; zeros where the outputs do not depend on it
 */
export function backward(
  g: Graph,
  outputs: readonly Value[],
  cotangents: readonly Value[],
  wrt: readonly Value[],
): Value[] {
  const nodes: Node[] = [...g.nodes];
  const reached = new Set<Value>(wrt);
  for (const node of nodes) {
    if (node.inputs.some((x) => reached.has(x))) for (const y of node.outputs) reached.add(y);
  }
  const sums = new Map<Value, Value>();
  const accumulate = (value: Value, d: Value): void => {
    if (d.shape.join() !== value.shape.join()) {
      throw new Error(`internal: cotangent ${g.describe(d)} for ${g.describe(value)}`);
    }
    const sofar = sums.get(value);
    sums.set(value, sofar ? g.add(sofar, d) : d);
  };
  outputs.forEach((y, i) => {
    const d = cotangents[i];
    if (!d) throw new Error(`backward: ${outputs.length} outputs but ${cotangents.length} cotangents`);
    if (d.shape.join() !== y.shape.join()) {
      throw new Error(`backward: cotangent ${g.describe(d)} does not fit output ${g.describe(y)}`);
    }
    accumulate(y, d);
  });
  for (const node of nodes.toReversed()) {
    const dys = node.outputs.map((y) => (reached.has(y) ? (sums.get(y) ?? null) : null));
    if (dys.every((d) => d === null)) continue;
    const needed = node.inputs.map((x) => reached.has(x) && isReal(x));
    if (!needed.includes(true)) continue;
    const dxs = applyRule(g, node, dys, needed);
    node.inputs.forEach((x, i) => {
      const d = dxs[i];
      if (d && needed[i]) accumulate(x, d);
    });
  }
  return wrt.map((value) => sums.get(value) ?? g.zeros(staticShape(value.shape, 'gradient')));
}
