/** The two ends of a training step: the embedding, the head with its log-probabilities, and the way back from it. */
import { backward, Graph, type Value } from '../graph/index.ts';
import { embed, type Geometry, promptTotal, responseTotal, rmsNorm, rowTotal } from './block.ts';
import type { ModelConfig } from './config.ts';
import { denseMatrix, FLOAT32, type Matrix, matrixInput, type Numbers, partsOf } from './matrix.ts';
import { EMBEDDING, FINAL_NORM, HEAD, type ParameterShape, unitSize } from './parameters.ts';
import { unflatten } from './training-graphs.ts';

/** Largest [rows x vocabulary] matrix in the head, in elements: 2^21 is 8 MiB. */
const CHUNK_ELEMENTS = 2 ** 21;
/** Rows of a chunk at least: with vocabularies of 100,000 and more, graphs of hundreds of chunks would be slow. */
const LEAST_ROWS = 32;

/** Rows of the head's chunks: no tensor of [all tokens x vocabulary] ever exists. */
export function headChunks(rows: number, vocabSize: number): number[] {
  const most = Math.max(LEAST_ROWS, Math.floor(CHUNK_ELEMENTS / vocabSize));
  const count = Math.ceil(rows / most);
  const size = Math.ceil(rows / count);
  return Array.from({ length: count }, (_, i) => Math.min(size, rows - i * size));
}

/** Log-probability of each row's label under h [rows, hidden]: [rows, 1]. */
function labelLogps(g: Graph, h: Value, labels: Value, table: Matrix): Value {
  const logSum = logSumExp(g, table.times(g, h));
  return g.sub(g.reduceSum(g.mul(h, table.rows(g, labels)), [1]), logSum);
}

/** log sum exp over the last axis: [rows, n] -> [rows, 1]. */
function logSumExp(g: Graph, logits: Value): Value {
  const max = g.detach(g.reduceMax(logits, [1]));
  return g.add(g.log(g.reduceSum(g.exp(g.sub(logits, max)), [1])), max);
}

/**
 * The same where the table is too large to be float32 at once, with the gradient by h where it is wanted:
 * dlogp/dh = W[label] - softmax(h W^T) W, part by part of the vocabulary. Each part's matrix and products end before
 * the next one's begin, so that both are made twice: for the sum and for the gradient.
 */
function labelLogpsInParts(
  g: Graph,
  h: Value,
  labels: Value,
  table: Matrix,
  withGradient: boolean,
): { logp: Value; dh: Value | null } {
  const parts = partsOf(table);
  const logits = (w: Value) => g.gemm(h, w, { transB: true });
  const sums = parts.map(([from, to]) => logSumExp(g, logits(table.part(g, from, to))));
  const logSum = logSumExp(g, g.concat(sums, 1));
  const rows = table.rows(g, labels);
  const logp = g.sub(g.reduceSum(g.mul(h, rows), [1]), logSum);
  if (!withGradient) return { logp, dh: null };
  let dh = rows;
  for (const [from, to] of parts) {
    const w = table.part(g, from, to);
    dh = g.sub(dh, g.gemm(g.exp(g.sub(logits(w), logSum)), w));
  }
  return { logp, dh };
}

interface HeadInputs {
  readonly g: Graph;
  readonly x: Value;
  readonly labels: Value;
  readonly xChunks: readonly Value[];
  readonly labelChunks: readonly Value[];
}

/** @param rows of x in a chunk */
function headInputs(
  c: ModelConfig,
  s: Geometry,
  chunks = headChunks(responseTotal(s), c.vocabSize),
  g = new Graph(),
): HeadInputs {
  const x = g.input('x', 'float32', [rowTotal(s), c.hiddenSize]);
  const labels = g.input('labels', 'int32', [responseTotal(s)]);
  const response = g.slice(x, 0, promptTotal(s), rowTotal(s));
  return { g, x, labels, xChunks: g.split(response, 0, chunks), labelChunks: g.split(labels, 0, chunks) };
}

/** The matrix that makes logits, by its name in the model. */
export const headTable = (c: ModelConfig): ParameterShape => ({
  name: c.tiedEmbeddings ? EMBEDDING : HEAD,
  shape: [c.vocabSize, c.hiddenSize],
});

/**
 * Head of a frozen embedding. Since rows are independent, the gradient of every log-probability with respect
 * to its own row is computed at once and scaled later, when the loss has been worked out.
 *
 * x, labels, norm, and the table by its parts' names -> logps [M], unit [M, hidden] (M response rows)
 */
export function frozenHeadGraph(
  c: ModelConfig,
  s: Geometry,
  withGradient: boolean,
  numbers: Numbers = FLOAT32,
): Graph {
  const g = new Graph();
  const norm = g.input('norm', 'float32', [c.hiddenSize]);
  const table = matrixInput(g, numbers, headTable(c));
  const M = responseTotal(s);
  const width = table.inParts ? (partsOf(table)[0]?.[1] ?? 1) : c.vocabSize;
  const { xChunks, labelChunks } = headInputs(c, s, headChunks(M, width), g);
  const units: Value[] = [];
  const logps = xChunks.map((x, i) => {
    const labels = labelChunks[i];
    if (!labels) throw new Error('internal: chunks differ');
    const h = rmsNorm(g, c, x, norm);
    if (table.inParts) {
      const { logp, dh } = labelLogpsInParts(g, h, labels, table, withGradient);
      if (dh) units.push(...backward(g, [h], [dh], [x]));
      return logp;
    }
    const logp = labelLogps(g, h, labels, table);
    if (withGradient)
      units.push(...backward(g, [logp], [g.expand(g.scalar(1), logp.shape.map(Number))], [x]));
    return logp;
  });
  g.output('logps', g.reshape(g.concat(logps, 0), [M]));
  if (withGradient) g.output('unit', g.concat(units, 0));
  return g;
}

/** unit [M, hidden] and coefficients [M, 1] -> dx [rows, hidden], zero for the prompt's rows. */
export function seedGraph(c: ModelConfig, s: Geometry): Graph {
  const g = new Graph();
  const unit = g.input('unit', 'float32', [responseTotal(s), c.hiddenSize]);
  const coefficients = g.input('coefficients', 'float32', [responseTotal(s), 1]);
  g.output('dx', g.concat([g.zeros([promptTotal(s), c.hiddenSize]), g.mul(unit, coefficients)], 0));
  return g;
}

/** Shapes of the flat vectors in full training that the embedding and the head are read from. */
export function embeddingUnit(c: ModelConfig): ParameterShape[] {
  return [
    { name: EMBEDDING, shape: [c.vocabSize, c.hiddenSize] },
    { name: FINAL_NORM, shape: [c.hiddenSize] },
  ];
}

/**
 * Head in full training; 'theta' is the embedding unit, 'head' the untied head where there is one.
 *
 * forward: x, labels, theta[, head] -> logps. backward: also coefficients [M] and the sums -> dx, sum_out[, head_sum_out].
 */
export function trainedHeadGraphs(c: ModelConfig, s: Geometry): { forward: Graph; backward: Graph } {
  const { g, x, xChunks, labelChunks } = headInputs(c, s);
  const theta = g.input('theta', 'float32', [unitSize(embeddingUnit(c))]);
  const head = c.tiedEmbeddings ? null : g.input('head', 'float32', [c.vocabSize * c.hiddenSize]);
  const tensors = unflatten(g, theta, embeddingUnit(c));
  const norm = tensors.get(FINAL_NORM);
  const table = head
    ? unflatten(g, head, [{ name: HEAD, shape: [c.vocabSize, c.hiddenSize] }]).get(HEAD)
    : tensors.get(EMBEDDING);
  if (!norm || !table) throw new Error('internal: no head');
  const logps = xChunks.map((chunk, i) => {
    const labels = labelChunks[i];
    if (!labels) throw new Error('internal: chunks differ');
    return labelLogps(g, rmsNorm(g, c, chunk, norm), labels, denseMatrix(table));
  });
  const all = g.reshape(g.concat(logps, 0), [responseTotal(s)]);
  const inputs = [...g.inputs];
  const coefficients = g.input('coefficients', 'float32', [responseTotal(s)]);
  const wrt = head ? [x, theta, head] : [x, theta];
  const [dx, dTheta, dHead] = backward(g, [all], [coefficients], wrt);
  if (!dx || !dTheta) throw new Error('internal: no gradient');
  const sum = g.input('sum', 'float32', theta.shape);
  const results: Record<string, Value> = { dx, sum_out: g.add(sum, dTheta) };
  if (head && dHead) results.head_sum_out = g.add(g.input('head_sum', 'float32', head.shape), dHead);
  return { forward: g.view(inputs, { logps: all }), backward: g.view(g.inputs, results) };
}

/** ids [rows] -> x [rows, hidden], from a frozen table or, in full training, the embedding unit. */
export function embeddingGraph(
  c: ModelConfig,
  rows: number,
  trained: boolean,
  numbers: Numbers = FLOAT32,
): Graph {
  const g = new Graph();
  const ids = g.input('ids', 'int32', [rows]);
  const unit = embeddingUnit(c);
  const trainedTable = trained
    ? unflatten(g, g.input('theta', 'float32', [unitSize(unit)]), unit).get(EMBEDDING)
    : null;
  const table = trainedTable
    ? denseMatrix(trainedTable)
    : matrixInput(g, numbers, { name: EMBEDDING, shape: [c.vocabSize, c.hiddenSize] });
  g.output('x', embed(g, c, table, ids));
  return g;
}

/** ids, dx, sum -> sum_out: the embedding's gradient, chunked so that [tokens x vocabulary] stays small. */
export function embeddingBackwardGraph(c: ModelConfig, rows: number): Graph {
  const g = new Graph();
  const ids = g.input('ids', 'int32', [rows]);
  const dx = g.input('dx', 'float32', [rows, c.hiddenSize]);
  const sum = g.input('sum', 'float32', [unitSize(embeddingUnit(c))]);
  const chunks = headChunks(rows, c.vocabSize);
  const idChunks = g.split(ids, 0, chunks);
  const table = g.zeros([c.vocabSize, c.hiddenSize]);
  const dxChunks = g.split(dx, 0, chunks);
  const outputs = idChunks.map((chunk) => embed(g, c, denseMatrix(table), chunk));
  const [dTable] = backward(g, outputs, dxChunks, [table]);
  if (!dTable) throw new Error('internal: no gradient');
  const flat = g.concat([g.reshape(dTable, [c.vocabSize * c.hiddenSize]), g.zeros([c.hiddenSize])], 0);
  g.output('sum_out', g.add(sum, flat));
  return g;
}
