/**
 * The intermediate representation: a graph of typed values and ONNX operators.
 *
 * A graph is built forwards only (an operator can use just values that exist already), so its node list is
 * always in topological order.
 */
import type { Graph } from './graph.ts';

export type DType = 'float32' | 'float16' | 'int32' | 'int64' | 'uint8' | 'bool';

/** A size known while building, or the name of one known only at run time (the length of a growing cache). */
export type Dim = number | string;
export type Shape = readonly Dim[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A tensor in a graph: an input, a constant or an operator's output. */
export interface Value extends TensorType {
  readonly name: string;
  readonly graph: Graph;
}

/** Data of a tensor. uint8 and bool are one byte an element, float16 its bits. */
export type TensorData = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** The type that data are of where nothing else is said: bytes are truth values. */
export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Uint16Array) return 'float16';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof BigInt64Array ? 'int64' : 'bool';
}

type None = Readonly<Record<never, never>>;
export interface Axis {
  readonly axis: number;
}
export interface Reduction {
  /** Non-negative axes; the reduced dimensions stay as 1 when keepdims. */
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}

export interface Quantised {
  readonly bits: 4 | 8;
  readonly block: number;
}

export interface CachedAttention {
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
  /** Tokens that a query sees at most, itself included; -1 for all. */
  readonly window: number;
}

/** Every operator this project uses, with its attributes. Adding a key here asks for a rule in every table. */
export interface OpAttributes {
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Equal: None;
  Less: None;
  LessOrEqual: None;
  And: None;
  Neg: None;
  Exp: None;
  Log: None;
  Sqrt: None;
  Sigmoid: None;
  Tanh: None;
  /** The same value, cut off from differentiation (ONNX Identity). */
  Detach: None;
  Cast: { readonly to: DType };
  /** cond, x, y. */
  Where: None;
  /** Batched product over the last two dimensions, with broadcasting before them. */
  MatMul: None;
  /** Product of two matrices, either of them transposed; a third one is added to it. */
  Gemm: { readonly transA: boolean; readonly transB: boolean };
  Transpose: { readonly perm: readonly number[] };
  /** Run-time sizes that stay in their place are copied; at most one other is worked out at run time. */
  Reshape: { readonly shape: Shape };
  Expand: { readonly shape: readonly number[] };
  Concat: Axis;
  Split: Axis & { readonly sizes: readonly number[] };
  /** The same with sizes worked out at run time, x and sizes [pieces] int64; `dims` are their names. */
  SplitAt: Axis & { readonly dims: readonly Dim[] };
  /** Elements start..end-1 of one axis; a named end means the rest, which is of that run-time size. */
  Slice: Axis & { readonly start: number; readonly end: Dim };
  ReduceSum: Reduction;
  ReduceMax: Reduction;
  ReduceMin: Reduction;
  /** Sums of the elements up to and including each one; from the end where `reverse`. */
  CumSum: Axis & { readonly reverse: boolean };
  /** Over the last axis. */
  Softmax: None;
  /** Rows of a table: data [n, ...rest], indices of any shape -> [...indices, ...rest]. */
  Gather: None;
  /** Elements of each row: data [..., n], indices [..., k] -> [..., k]. Differentiable where k is 1. */
  GatherElements: None;
  /**
   * x W^T with W in blocks of few bits: x [m, k], q [n, k / block, block x bits / 8] uint8, scales [n x k / block].
   * An element is (its unsigned number - 2^(bits - 1)) times its block's scale; of 4 bits the lower half of a byte
   * comes first. (com.microsoft, as the next one.)
   */
  MatMulNBits: Quantised;
  /** Rows of such a matrix as float32: q [n, k x bits / 8] uint8, indices [...], scales [n, k / block] -> [..., k]. */
  GatherBlockQuantized: Quantised;
  /**
   * One new token of every row against what the row holds in a buffer of a fixed size: q [B, 1, heads x D], k and v
   * [B, 1, kvHeads x D], past keys and values [B, kvHeads, room, D], tokens before the new one [B] int32, and `room` as
   * int32 []. -> [B, 1, heads x D], and the buffers with the new token in its place: give the past ones' memory for them
   * and nothing is copied. (com.microsoft)
   */
  GroupQueryAttention: CachedAttention;
  /**
   * Rotary positions, half-split: x [B, n, heads x D], positions [B, n] int64, cos and sin [positions, D / 2] -> as x.
   * (com.microsoft)
   */
  RotaryEmbedding: None;
  /** x / sqrt(mean(x^2) + epsilon) * weight over the last axis, in one piece; the other outputs are wrong on WebGPU. */
  SimplifiedLayerNormalization: { readonly epsilon: number };
  /** The same of a + b, and the sum: a, b [rows, n], weight [n] -> [rows, n] twice. (com.microsoft) */
  SkipSimplifiedLayerNormalization: { readonly epsilon: number };
  /** x sigmoid(alpha x). (com.microsoft) */
  QuickGelu: { readonly alpha: number };
  /** GELU's tanh form, see block.ts. (com.microsoft) */
  FastGelu: None;
  /** Rounds of `body`; inputs are trip count, condition and the carried state. */
  Loop: { readonly body: Graph; readonly carried: number };
}

export type OpName = keyof OpAttributes;

export interface NodeOf<K extends OpName> {
  readonly op: K;
  readonly attributes: OpAttributes[K];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

export type Node = { [K in OpName]: NodeOf<K> }[OpName];

/** An operator was given what it can't take: names the operator and the shapes. */
export class ShapeError extends Error {
  constructor(op: string, inputs: readonly TensorType[], problem: string) {
    super(`${op}(${inputs.map(formatType).join(', ')}): ${problem}`);
    this.name = 'ShapeError';
  }
}

const SHORT: Record<DType, string> = {
  float32: 'f32',
  float16: 'f16',
  int32: 'i32',
  int64: 'i64',
  uint8: 'u8',
  bool: 'bool',
};

/** e.g. f32[2,3]. */
export function formatType(type: TensorType): string {
  return `${SHORT[type.dtype]}[${type.shape.join(',')}]`;
}
