/** The graphs a training step is made of: embedding, segments of layers, head, and the bridge between them. */
import { backward, Graph, savedValues, type Value } from '../graph/index.ts';
import { liveValues } from '../graph/live.ts';
import {
  type BlockWeights,
  blockWeights,
  decoderLayer,
  embed,
  type Geometry,
  groupAttention,
  layerParts,
  promptTotal,
  responseTotal,
  rmsNorm,
  rowTotal,
} from './block.ts';
import { type LayerKind, type ModelConfig, ropesOf, windowsOf } from './config.ts';
import { denseMatrix, FLOAT32, type Matrix, matrixInput, type Numbers, partsOf } from './matrix.ts';
import {
  EMBEDDING,
  elements,
  FINAL_NORM,
  HEAD,
  layerWeights,
  type ParameterShape,
  type TrainingMode,
  trainableLayer,
  unitSize,
} from './parameters.ts';

/** Names of a segment's per-layer inputs: frozen weights, the trainable vector, the gradient sum. */
export const frozenInput = (slot: number, name: string): string => `w${slot}.${name}`;
export const thetaInput = (slot: number): string => `theta${slot}`;
export const gradientSum = (slot: number): string => `sum${slot}`;
/** Names of a micro-batch's inputs that layers of one kind share. */
export const cosInput = (rope: number): string => `cos${rope}`;
export const sinInput = (rope: number): string => `sin${rope}`;
export const maskInput = (window: number | null): string => `mask${window ?? ''}`;

/** Tells segments apart whose layers are of other kinds. */
export const kindsKey = (kinds: readonly LayerKind[]): string =>
  kinds.map(({ rope, window }) => `${rope}${window === null ? '' : `w${window}`}`).join();

/** Cuts a flat vector into its tensors. */
export function unflatten(g: Graph, flat: Value, tensors: readonly ParameterShape[]): Map<string, Value> {
  const parts = g.split(
    flat,
    0,
    tensors.map(({ shape }) => elements(shape)),
  );
  return new Map(
    tensors.map(({ name, shape }, i) => {
      const part = parts[i];
      if (!part) throw new Error('internal: fewer parts than tensors');
      return [name, g.reshape(part, shape)];
    }),
  );
}

function layerInputs(
  g: Graph,
  c: ModelConfig,
  mode: TrainingMode,
  slot: number,
): { weights: BlockWeights; theta: Value } {
  const trainable = trainableLayer(c, mode);
  const theta = g.input(thetaInput(slot), 'float32', [unitSize(trainable)]);
  const tensors = unflatten(g, theta, trainable);
  if (mode.kind === 'full') return { weights: blockWeights(tensors, null), theta };
  const prefix = frozenInput(slot, '');
  const matrices = new Map<string, Matrix>();
  for (const weight of layerWeights(c)) {
    const { name, shape } = weight;
    if (shape.length === 2) matrices.set(name, matrixInput(g, mode.numbers ?? FLOAT32, weight, prefix));
    else tensors.set(name, g.input(prefix + name, 'float32', shape));
  }
  return { weights: blockWeights(tensors, mode.lora, matrices), theta };
}

export interface SegmentGraphs {
  /** x -> y, and what the backward graph wants kept, as 'keep.NAME' each. */
  readonly forward: Graph;
  /** dy, the kept values (as NAME) and the gradient sums -> dx (if wanted) and the new sums. */
  readonly backward: Graph;
}

const KEEP = 'keep.';

/** The forward graph's kept outputs under the names by which the backward graph takes them. */
export function renameSaved<T>(outputs: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name.slice(KEEP.length), value]));
}

/** Inputs of a micro-batch that the layers share, by the rope and window of their kind. */
function positionInputs(g: Graph, c: ModelConfig, s: Geometry, kinds: readonly LayerKind[]) {
  const angles = [rowTotal(s), 1, c.headDim / 2];
  const keys = s.promptRows + s.responseRows;
  return {
    rotations: new Map(
      ropesOf(kinds).map((rope) => [
        rope,
        { cos: g.input(cosInput(rope), 'float32', angles), sin: g.input(sinInput(rope), 'float32', angles) },
      ]),
    ),
    masks: new Map(
      windowsOf(kinds).map((window) => [
        window,
        g.input(maskInput(window), 'float32', [s.groups, 1, s.responseRows, keys]),
      ]),
    ),
  };
}

function segmentForward(c: ModelConfig, mode: TrainingMode, s: Geometry, kinds: readonly LayerKind[]) {
  const g = new Graph();
  const x = g.input('x', 'float32', [rowTotal(s), c.hiddenSize]);
  const { rotations, masks } = positionInputs(g, c, s, kinds);
  const thetas: Value[] = [];
  let y = x;
  kinds.forEach((kind, slot) => {
    const { weights, theta } = layerInputs(g, c, mode, slot);
    thetas.push(theta);
    const rotation = rotations.get(kind.rope);
    const mask = masks.get(kind.window);
    if (!rotation || !mask) throw new Error('internal: no positions for this kind of layer');
    y = decoderLayer(g, c, y, rotation, layerParts(g, c, weights), (heads) =>
      groupAttention(g, c, s, kind, heads, mask),
    );
  });
  return { g, x, y, thetas };
}

/** Forward only, for scoring: x -> y. */
export function scoringGraph(
  c: ModelConfig,
  mode: TrainingMode,
  s: Geometry,
  kinds: readonly LayerKind[],
): Graph {
  const { g, y } = segmentForward(c, mode, s, kinds);
  return g.view(g.inputs, { y });
}

/**
 * Consecutive layers of the given kinds as a forward and a backward graph.
 *
 * @param keep keep matrix products for the backward pass, or compute everything again from x
 * @param wantDx whether anything below the segment is trained
 */
export function segmentGraphs(
  c: ModelConfig,
  mode: TrainingMode,
  s: Geometry,
  kinds: readonly LayerKind[],
  { keep, wantDx }: { keep: boolean; wantDx: boolean },
): SegmentGraphs {
  const { g, x, y, thetas } = segmentForward(c, mode, s, kinds);
  const forwardInputs = [...g.inputs];
  const forwardCount = g.nodes.length;
  const dy = g.input('dy', 'float32', y.shape);
  const wrt = wantDx ? [...thetas, x] : thetas;
  const gradients = backward(g, [y], [dy], wrt);
  const results: Record<string, Value> = {};
  const sums: Value[] = [];
  thetas.forEach((theta, slot) => {
    const sum = g.input(gradientSum(slot), 'float32', theta.shape);
    const gradient = gradients[slot];
    if (!gradient) throw new Error('internal: no gradient');
    sums.push(sum);
    results[`${gradientSum(slot)}_out`] = g.add(sum, gradient);
  });
  const dx = gradients[thetas.length];
  if (wantDx && dx) results.dx = dx;
  const saved = keep ? savedValues(g, forwardCount, Object.values(results)) : [];
  const back = g.view([...forwardInputs, dy, ...sums, ...saved], results);
  const used = liveValues(back);
  return {
    forward: g.view(forwardInputs, { y, ...Object.fromEntries(saved.map((v) => [KEEP + v.name, v])) }),
    backward: g.view(
      back.inputs.filter((v) => used.has(v)),
      results,
    ),
  };
}

/** Largest [rows x vocabulary] matrix in the head, in elements: 2^21 is 8 MiB. */
const CHUNK_ELEMENTS = 2 ** 21;

/** Rows of the head's chunks: no tensor of [all tokens x vocabulary] ever exists. */
export function headChunks(rows: number, vocabSize: number): number[] {
  const most = Math.max(1, Math.floor(CHUNK_ELEMENTS / vocabSize));
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
