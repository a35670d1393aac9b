/** Builds graphs: one method an operator, shapes checked as they are put down. */
import { SHAPES, type ShapeRule, sizeOf, staticShape } from './shapes.ts';
import {
  type CachedAttention,
  type Dim,
  type DType,
  dtypeOf,
  formatType,
  type Node,
  type NodeOf,
  type OpAttributes,
  type OpName,
  type Quantised,
  type Shape,
  ShapeError,
  type TensorData,
  type TensorType,
  type Value,
} from './types.ts';

export interface Constant {
  readonly value: Value;
  readonly data: TensorData;
}

/** Names are unique over a graph and the loop bodies within it, since bodies may use outer values. */
interface Names {
  next: number;
  readonly taken: Set<string>;
}

/** Inputs or outputs of one operator, so that its shader stays within WebGPU's default of 8 storage buffers. */
const MOST_BUFFERS = 6;

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

export class Graph {
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly nodes: Node[] = [];
  readonly constants: Constant[] = [];
  /** Output names by value; an input may be an output too, under another name. */
  readonly outputNames: string[] = [];
  readonly parent: Graph | null;
  private readonly names: Names;
  private readonly scalars = new Map<string, Value>();

  constructor(parent: Graph | null = null) {
    this.parent = parent;
    this.names = parent ? parent.names : { next: 0, taken: new Set() };
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    this.claim(name);
    const value: Value = { name, dtype, shape, graph: this };
    this.inputs.push(value);
    return value;
  }

  /** Declares a result under a name of its own. */
  output(name: string, value: Value): void {
    this.claim(name);
    this.outputs.push(value);
    this.outputNames.push(name);
  }

  constant(data: TensorData, shape: readonly number[], name?: string, dtype: DType = dtypeOf(data)): Value {
    if (data.length !== sizeOf(shape)) {
      throw new Error(`constant of ${data.length} elements does not make [${shape.join(',')}]`);
    }
    if (name) this.claim(name);
    const value: Value = { name: name ?? this.fresh('c'), dtype, shape, graph: this };
    this.constants.push({ value, data });
    return value;
  }

  /** A float32 number; the same number is put down once. */
  scalar(x: number): Value {
    return this.sharedScalar(`f${x}`, () => Float32Array.of(x));
  }

  /** An int32 number. */
  int(x: number): Value {
    return this.sharedScalar(`i${x}`, () => Int32Array.of(x));
  }

  /** 0, 1, ... n-1 as int32 [n]. */
  iota(n: number): Value {
    return this.sharedScalar(`iota${n}`, () => Int32Array.from({ length: n }, (_, i) => i), [n]);
  }

  private sharedScalar(key: string, data: () => Float32Array | Int32Array, shape: number[] = []): Value {
    let value = this.scalars.get(key);
    if (!value) {
      value = this.constant(data(), shape);
      this.scalars.set(key, value);
    }
    return value;
  }

  /** Puts down an operator and returns its outputs. */
  node<K extends OpName>(op: K, inputs: readonly Value[], attributes: OpAttributes[K]): Value[] {
    for (const value of inputs) {
      if (!this.sees(value)) throw new ShapeError(op, inputs, `${value.name} belongs to another graph`);
    }
    const rule: ShapeRule<K> = SHAPES[op];
    const outputs = rule(inputs, attributes).map(
      (type: TensorType): Value => ({ ...type, name: this.fresh('v'), graph: this }),
    );
    const node: NodeOf<K> = { op, attributes, inputs, outputs };
    // A NodeOf<K> for one operator is a member of the union Node; TypeScript can't see that for an open K.
    this.nodes.push(node as unknown as Node);
    return outputs;
  }

  private one<K extends OpName>(op: K, inputs: readonly Value[], attributes: OpAttributes[K]): Value {
    const [value] = this.node(op, inputs, attributes);
    if (!value) throw new Error(`internal: ${op} made nothing`);
    return value;
  }

  private sees(value: Value): boolean {
    for (let graph: Graph | null = this; graph; graph = graph.parent) if (value.graph === graph) return true;
    return false;
  }

  private fresh(prefix: string): string {
    let name: string;
    do name = `${prefix}${this.names.next++}`;
    while (this.names.taken.has(name));
    this.names.taken.add(name);
    return name;
  }

  private claim(name: string): void {
    if (this.names.taken.has(name)) throw new Error(`the name ${name} is taken in this graph`);
    this.names.taken.add(name);
  }

  private lift(x: Value | number): Value {
    return typeof x === 'number' ? this.scalar(x) : x;
  }

  add = (a: Value, b: Value | number): Value => this.one('Add', [a, this.lift(b)], {});
  sub = (a: Value | number, b: Value | number): Value => this.one('Sub', [this.lift(a), this.lift(b)], {});
  mul = (a: Value, b: Value | number): Value => this.one('Mul', [a, this.lift(b)], {});
  div = (a: Value | number, b: Value | number): Value => this.one('Div', [this.lift(a), this.lift(b)], {});
  equal = (a: Value, b: Value): Value => this.one('Equal', [a, b], {});
  less = (a: Value, b: Value): Value => this.one('Less', [a, b], {});
  lessOrEqual = (a: Value, b: Value): Value => this.one('LessOrEqual', [a, b], {});
  and = (a: Value, b: Value): Value => this.one('And', [a, b], {});
  neg = (x: Value): Value => this.one('Neg', [x], {});
  exp = (x: Value): Value => this.one('Exp', [x], {});
  log = (x: Value): Value => this.one('Log', [x], {});
  sqrt = (x: Value): Value => this.one('Sqrt', [x], {});
  sigmoid = (x: Value): Value => this.one('Sigmoid', [x], {});
  tanh = (x: Value): Value => this.one('Tanh', [x], {});
  detach = (x: Value): Value => this.one('Detach', [x], {});
  cast = (x: Value, to: DType): Value => (x.dtype === to ? x : this.one('Cast', [x], { to }));
  where = (cond: Value, x: Value, y: Value): Value => this.one('Where', [cond, x, y], {});
  matmul = (a: Value, b: Value): Value => this.one('MatMul', [a, b], {});
  gemm = (a: Value, b: Value, { transA = false, transB = false } = {}): Value =>
    this.one('Gemm', [a, b], { transA, transB });
  /** a b^T + c, in one product. */
  gemmAdd = (a: Value, b: Value, c: Value): Value =>
    this.one('Gemm', [a, b, c], { transA: false, transB: true });
  transpose = (x: Value, perm: readonly number[]): Value => this.one('Transpose', [x], { perm });
  /** Swaps the last two dimensions. */
  swap = (x: Value): Value => {
    const rank = x.shape.length;
    return this.transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
  };
  reshape = (x: Value, shape: Shape): Value =>
    x.shape.join() === shape.join() ? x : this.one('Reshape', [x], { shape });
  expand = (x: Value, shape: readonly number[]): Value =>
    x.shape.join() === shape.join() ? x : this.one('Expand', [x], { shape });
  /** Joins along an axis, in a tree where there are many: a WebGPU shader may bind only few buffers. */
  concat = (xs: readonly Value[], axis: number): Value => {
    if (xs.length <= MOST_BUFFERS) return this.one('Concat', xs, { axis });
    return this.concat(
      chunks(xs, MOST_BUFFERS).map((part) => this.concat(part, axis)),
      axis,
    );
  };
  /** Cuts along an axis into pieces of the given sizes; in a tree where there are many. */
  split = (x: Value, axis: number, sizes: readonly number[]): Value[] => {
    if (sizes.length <= MOST_BUFFERS) return this.node('Split', [x], { axis, sizes });
    const parts = chunks(sizes, Math.ceil(sizes.length / MOST_BUFFERS));
    const cuts = this.split(
      x,
      axis,
      parts.map((part) => part.reduce((a, b) => a + b, 0)),
    );
    return cuts.flatMap((cut, i) => this.split(cut, axis, parts[i] ?? []));
  };
  /** Cuts into pieces whose sizes [pieces] int64 are known at run time only. */
  splitAt = (x: Value, axis: number, sizes: Value, dims: readonly Dim[]): Value[] =>
    this.node('SplitAt', [x, sizes], { axis, dims });
  slice = (x: Value, axis: number, start: number, end: number): Value =>
    this.one('Slice', [x], { axis, start, end });
  /** Everything of an axis from `start` on, its length being `length` (which may be a run-time size). */
  sliceFrom = (x: Value, axis: number, start: number, length: Dim): Value =>
    this.one('Slice', [x], { axis, start, end: typeof length === 'number' ? start + length : length });
  reduceSum = (x: Value, axes: readonly number[], keepdims = true): Value =>
    this.one('ReduceSum', [x], { axes, keepdims });
  reduceMax = (x: Value, axes: readonly number[], keepdims = true): Value =>
    this.one('ReduceMax', [x], { axes, keepdims });
  reduceMin = (x: Value, axes: readonly number[], keepdims = true): Value =>
    this.one('ReduceMin', [x], { axes, keepdims });
  cumSum = (x: Value, axis: number, reverse = false): Value => this.one('CumSum', [x], { axis, reverse });
  softmax = (x: Value): Value => this.one('Softmax', [x], {});
  gather = (data: Value, indices: Value): Value => this.one('Gather', [data, indices], {});
  /** x [m, k] times the transpose of a matrix of few bits, q [n, k x bits / 8] with scales [n, k / block]: [m, n]. */
  matmulQuantised = (x: Value, q: Value, scales: Value, { bits, block }: Quantised): Value => {
    const [n = 0, blocks = 0] = staticShape(scales.shape, 'MatMulNBits');
    const blocked = this.reshape(q, [n, blocks, (block * bits) / 8]);
    return this.one('MatMulNBits', [x, blocked, this.reshape(scales, [n * blocks])], { bits, block });
  };
  gatherQuantised = (q: Value, indices: Value, scales: Value, { bits, block }: Quantised): Value =>
    this.one('GatherBlockQuantized', [q, indices, scales], { bits, block });
  gatherElements = (data: Value, indices: Value): Value => this.one('GatherElements', [data, indices], {});

  rotaryEmbedding = (x: Value, positions: Value, cos: Value, sin: Value): Value =>
    this.one('RotaryEmbedding', [x, positions, cos, sin], {});
  /** RMSNorm as one operator; see block.ts for the one that training differentiates. */
  fusedNorm = (x: Value, weight: Value, epsilon: number): Value =>
    this.one('SimplifiedLayerNormalization', [x, weight], { epsilon });
  /** The norm of a + b, and the sum. */
  addNorm = (a: Value, b: Value, weight: Value, epsilon: number): Value[] =>
    this.node('SkipSimplifiedLayerNormalization', [a, b, weight], { epsilon });
  /** See CachedAttention; the outputs are to be written into the past's memory. */
  cachedAttention = (
    q: Value,
    k: Value,
    v: Value,
    past: { readonly keys: Value; readonly values: Value },
    before: Value,
    room: Value,
    attributes: CachedAttention,
  ): Value[] => this.node('GroupQueryAttention', [q, k, v, past.keys, past.values, before, room], attributes);
  quickGelu = (x: Value, alpha: number): Value => this.one('QuickGelu', [x], { alpha });
  fastGelu = (x: Value): Value => this.one('FastGelu', [x], {});

  /** A zero tensor. */
  zeros(shape: readonly number[]): Value {
    return this.expand(this.scalar(0), shape);
  }

  /**
   * The part of this graph from `inputs` (any of its values) to `outputs`: what lies before the inputs is cut
   * off. It shares this graph's operators; build on the original only.
   */
  view(inputs: readonly Value[], outputs: Readonly<Record<string, Value>>): Graph {
    const part = new Graph();
    part.inputs.push(...inputs);
    part.nodes.push(...this.nodes);
    part.constants.push(...this.constants);
    for (const [name, value] of Object.entries(outputs)) part.output(name, value);
    return part;
  }

  describe(value: Value): string {
    return `${value.name}:${formatType(value)}`;
  }
}
