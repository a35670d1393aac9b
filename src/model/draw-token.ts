/** Drawing one token a row within a graph: temperature, top-k and top-p, and the inverse of the cumulative sum. */
import type { Graph, Value } from '../graph/index.ts';
import type { ModelConfig } from './config.ts';

/** How tokens are drawn; all numbers are built into the graph. */
export interface SamplingRule {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly stopIds: readonly number[];
}

/** Halvings by which a threshold is found: enough for float32. */
const HALVINGS = 30;

/**
 * Draws one token a row by inverting the cumulative distribution with one uniform number: first the block of
 * the vocabulary, then the token in it. Exact, and needs neither sorting nor random operators.
 *
 * logits [B, V], u [B] -> ids [B] int32 and their log-probabilities [B] under the plain softmax
 */
export function drawToken(
  g: Graph,
  c: ModelConfig,
  logits: Value,
  u: Value,
  rule: SamplingRule,
): { ids: Value; logps: Value } {
  const B = Number(logits.shape[0]);
  const V = c.vocabSize;
  const max = g.reduceMax(logits, [1]);
  const shifted = g.sub(logits, max);
  const plain = g.exp(shifted);
  const logSum = g.log(g.reduceSum(plain, [1]));
  const iota = g.constant(
    Float32Array.from({ length: V }, (_, i) => i),
    [1, V],
  );
  let index: Value;
  if (rule.temperature === 0) {
    index = g.reduceMin(g.where(g.equal(logits, max), iota, g.scalar(V)), [1]);
  } else {
    const weights = rule.temperature === 1 ? plain : g.exp(g.mul(shifted, 1 / rule.temperature));
    index = invertCdf(g, B, V, truncate(g, V, weights, rule), g.reshape(u, [B, 1]));
  }
  const ids = g.cast(index, 'int32');
  const logps = g.sub(g.gatherElements(shifted, ids), logSum);
  return { ids: g.reshape(ids, [B]), logps: g.reshape(logps, [B]) };
}

/** Sets to zero what top-k, then top-p, leave out. weights [B, V], largest 1. Equal weights stay together. */
function truncate(g: Graph, V: number, weights: Value, rule: SamplingRule): Value {
  let kept = weights;
  if (rule.topK > 0 && rule.topK < V) {
    kept = above(g, kept, (candidate) => g.reduceSum(candidate.mask, [1]), g.scalar(rule.topK));
  }
  if (rule.topP < 1) {
    const wanted = g.mul(g.reduceSum(kept, [1]), rule.topP);
    kept = above(g, kept, (candidate) => g.reduceSum(candidate.kept, [1]), wanted);
  }
  return kept;
}

/**
 * Keeps the largest weights: those at or above the highest threshold at which `measure` still reaches `wanted`,
 * found by halving.
 */
function above(
  g: Graph,
  weights: Value,
  measure: (candidate: { mask: Value; kept: Value }) => Value,
  wanted: Value,
): Value {
  const zero = g.scalar(0);
  const cut = (threshold: Value) => {
    const mask = g.where(g.less(weights, threshold), zero, g.scalar(1));
    return { mask, kept: g.mul(weights, mask) };
  };
  let low = g.mul(g.reduceMax(weights, [1]), 0);
  let high = g.add(g.reduceMax(weights, [1]), 1e-6);
  for (let i = 0; i < HALVINGS; i++) {
    const middle = g.mul(g.add(low, high), 0.5);
    const tooFew = g.less(measure(cut(middle)), wanted);
    low = g.where(tooFew, low, middle);
    high = g.where(tooFew, middle, high);
  }
  return cut(low).kept;
}

/** weights [B, V] and u [B, 1] -> index [B, 1] (float32) drawn in proportion to the weights. */
function invertCdf(g: Graph, B: number, V: number, weights: Value, u: Value): Value {
  const size = 2 ** Math.ceil(Math.log2(Math.sqrt(V)));
  const blocks = Math.ceil(V / size);
  const padding = blocks * size - V;
  const padded = padding ? g.concat([weights, g.zeros([B, padding])], 1) : weights;
  const table = g.reshape(padded, [B * blocks, size]);
  const sums = g.reshape(g.reduceSum(table, [1]), [B, blocks]);
  const upTo = cumulative(g, sums, blocks);
  const target = g.mul(u, g.slice(upTo, 1, blocks - 1, blocks));
  const block = firstAbove(g, blocks, upTo, sums, target);
  const blockIds = g.cast(block, 'int32');
  const before = g.sub(g.gatherElements(upTo, blockIds), g.gatherElements(sums, blockIds));
  const offsets = g.constant(
    Int32Array.from({ length: B }, (_, i) => i * blocks),
    [B, 1],
  );
  const row = g.reshape(g.gather(table, g.reshape(g.add(blockIds, offsets), [B])), [B, size]);
  const token = firstAbove(g, size, cumulative(g, row, size), row, g.sub(target, before));
  return g.add(g.mul(block, size), token);
}

/** Sums up to and including each element, as a product with a triangle of ones. */
function cumulative(g: Graph, x: Value, n: number): Value {
  const triangle = Float32Array.from({ length: n * n }, (_, i) => (Math.floor(i / n) <= i % n ? 1 : 0));
  return g.gemm(x, g.constant(triangle, [n, n]));
}

/**
 * The first element with a weight whose cumulative sum passes the target; the last one with a weight where
 * rounding leaves none. [B, 1] float32.
 */
function firstAbove(g: Graph, n: number, upTo: Value, weights: Value, target: Value): Value {
  const iota = g.constant(
    Float32Array.from({ length: n }, (_, i) => i),
    [1, n],
  );
  const positive = g.less(g.scalar(0), weights);
  const passes = g.and(positive, g.less(target, upTo));
  const first = g.reduceMin(g.where(passes, iota, g.scalar(n)), [1]);
  const last = g.reduceMax(g.where(positive, iota, g.scalar(0)), [1]);
  return g.where(g.less(first, g.scalar(n)), first, last);
}
