/** Drawing one token a row within a graph: temperature, top-k and top-p, and the inverse of the cumulative sum. */
import type { Graph, Value } from '../graph/index.ts';
import type { ModelConfig } from './config.ts';

/** How tokens are drawn; all numbers are built into the graph. */
export interface SamplingRule {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
}

/** Halvings by which a threshold is found: enough for float32. */
const HALVINGS = 30;

/**
 * The largest uniform number there is for a row: times a sum it stays below it, whatever the rounding. Drawing from a
 * cumulative sum by a number below its last element always ends at an element with a weight.
 */
export const MOST_UNIFORM = 1 - 2 ** -23;

/**
 * Draws one token a row by inverting the cumulative distribution with one uniform number: first the block of
 * the vocabulary, then the token in it. Exact, and needs neither sorting nor random operators.
 *
 * logits [rows, V], u [rows] up to MOST_UNIFORM -> ids [rows] int32 and their log-probabilities [rows] under the plain
 * softmax
 */
export function drawToken(
  g: Graph,
  c: ModelConfig,
  logits: Value,
  u: Value,
  rule: SamplingRule,
): { ids: Value; logps: Value } {
  const [rows = 0] = logits.shape;
  const V = c.vocabSize;
  const plain = g.softmax(logits);
  const one = (x: Value) => g.reshape(x, [rows]);
  if (rule.temperature === 1) {
    const ids = g.cast(invertCdf(g, V, truncate(g, V, plain, rule), g.reshape(u, [rows, 1])), 'int32');
    return { ids: one(ids), logps: one(g.log(g.gatherElements(plain, ids))) };
  }
  const max = g.reduceMax(logits, [1]);
  const ids = g.cast(otherTemperature(g, V, logits, max, u, rule), 'int32');
  // A token that is hardly ever drawn at temperature 1 may be at another, and its probability be too small a number:
  // its distance from the likeliest one never is.
  const distance = g.sub(g.gatherElements(logits, ids), max);
  return { ids: one(ids), logps: one(g.add(distance, g.log(g.reduceMax(plain, [1])))) };
}

/** The index [rows, 1] (float32) of the token drawn: the likeliest at temperature 0. */
function otherTemperature(
  g: Graph,
  V: number,
  logits: Value,
  max: Value,
  u: Value,
  rule: SamplingRule,
): Value {
  // Logits that are no numbers equal nothing: the last token then, whose log-probability shows it.
  if (rule.temperature === 0)
    return g.reduceMin(g.where(g.equal(logits, max), iota(g, V), g.scalar(V - 1)), [1]);
  const weights = g.softmax(g.mul(logits, 1 / rule.temperature));
  const [rows = 0] = logits.shape;
  return invertCdf(g, V, truncate(g, V, weights, rule), g.reshape(u, [rows, 1]));
}

/** 0, 1, ... as float32 [1, n]. */
const iota = (g: Graph, n: number): Value =>
  g.constant(
    Float32Array.from({ length: n }, (_, i) => i),
    [1, n],
  );

/** Sets to zero what top-k, then top-p, leave out. weights [rows, V]. Equal weights stay together. */
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

/** weights [rows, V] and u [rows, 1] -> index [rows, 1] (float32) drawn in proportion to the weights. */
function invertCdf(g: Graph, V: number, weights: Value, u: Value): Value {
  const [rows = 0] = weights.shape;
  const { size, blocks } = blocksOf(V);
  const padding = blocks * size - V;
  const padded = padding ? g.concat([weights, g.mul(g.slice(weights, 1, 0, padding), 0)], 1) : weights;
  const sums = g.reduceSum(g.reshape(padded, [rows, blocks, size]), [2], false);
  const upTo = cumulative(g, sums, blocks);
  const target = g.mul(u, last(g, upTo, blocks));
  const passed = g.lessOrEqual(upTo, target);
  const block = count(g, passed);
  const before = g.reduceMax(g.where(passed, upTo, g.scalar(0)), [1]);
  const places = g.add(g.mul(g.cast(block, 'int32'), g.int(size)), g.reshape(g.iota(size), [1, size]));
  const within = cumulative(g, g.gatherElements(padded, places), size);
  // The block's sum and its cumulative sum may differ by their rounding.
  const most = g.mul(last(g, within, size), MOST_UNIFORM);
  const rest = g.sub(target, before);
  const token = count(g, g.lessOrEqual(within, g.where(g.less(rest, most), rest, most)));
  return g.add(g.mul(block, size), token);
}

/** The vocabulary in blocks of about as many tokens as there are blocks; without padding where a size divides it. */
function blocksOf(V: number): { size: number; blocks: number } {
  const root = 2 ** Math.ceil(Math.log2(Math.sqrt(V)));
  const sizes = Array.from({ length: root }, (_, i) => root / 2 + i + 1);
  const size = sizes.toReversed().find((divisor) => V % divisor === 0) ?? root;
  return { size, blocks: Math.ceil(V / size) };
}

/**
 * Sums up to and including each element, as a product with a triangle of ones. However the product adds up, it does so
 * alike for each of its columns: no sum is less than the one before it, and where a weight is 0 the two are the same.
 */
function cumulative(g: Graph, x: Value, n: number): Value {
  const triangle = Float32Array.from({ length: n * n }, (_, i) => (Math.floor(i / n) <= i % n ? 1 : 0));
  return g.gemm(x, g.constant(triangle, [n, n]));
}

const last = (g: Graph, x: Value, n: number): Value => g.slice(x, 1, n - 1, n);

/** How many are true: of sums that do not fall, those before the first that passes. [rows, 1] float32 */
const count = (g: Graph, passed: Value): Value => g.reduceSum(g.cast(passed, 'float32'), [1]);
