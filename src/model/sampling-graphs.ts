/**
 * The graphs of sampling: one prefill a prompt, then decoding of G prompts x n rows, a token a row and round.
 *
 * All rows of a batch share a step number, so a row's position is its prompt's length plus the round. The
 * prompt's keys and values are kept once a prompt and met by all its n rows in one product.
 */
import { Graph, type Value } from '../graph/index.ts';
import {
  type BlockWeights,
  blockWeights,
  decoderLayer,
  embed,
  headLayout,
  headValues,
  layerParts,
  MASKED,
  promptAttention,
  type Rotation,
  rmsNorm,
} from './block.ts';
import { kindOf, type LayerKind, type ModelConfig, ropesOf, windowsOf } from './config.ts';
import { denseMatrix, FLOAT32, type Matrix, matrixInput, type Numbers } from './matrix.ts';
import {
  EMBEDDING,
  FINAL_NORM,
  HEAD,
  type LoraConfig,
  layerName,
  layerWeights,
  loraTensors,
  modelWeights,
  unitSize,
} from './parameters.ts';
import { cosInput, kindsKey, sinInput, thetaInput, unflatten } from './training-graphs.ts';

export interface SamplingShape {
  readonly prompts: number;
  /** Rows a prompt. */
  readonly n: number;
  /** Padded prompt rows (the last prompt token is not among them: it is the first token decoded from). */
  readonly promptRows: number;
  /** Of the model's layers; without the windows that no row of this batch will reach past. */
  readonly kinds: readonly LayerKind[];
}

export const samplingKey = (s: SamplingShape): string =>
  `g${s.prompts}n${s.n}p${s.promptRows} ${kindsKey(s.kinds)}`;

/** How tokens are drawn; all numbers are built into the graph. */
export interface SamplingRule {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly stopIds: readonly number[];
}

/** Parameters of a model as graph values: constants or inputs. */
export interface ModelValues {
  layer(index: number): BlockWeights;
  readonly embedding: Matrix;
  readonly norm: Value;
  readonly head: Matrix;
}

/** Rotary tables as inputs, by the index of their rope. */
function rotationInputs(
  g: Graph,
  c: ModelConfig,
  kinds: readonly LayerKind[],
  shape: readonly (number | string)[],
) {
  const at = [...shape, c.headDim / 2];
  const tables = ropesOf(kinds).map((rope): [number, Rotation] => [
    rope,
    { cos: g.input(cosInput(rope), 'float32', at), sin: g.input(sinInput(rope), 'float32', at) },
  ]);
  return new Map(tables);
}

function rotationOf(rotations: ReadonlyMap<number, Rotation>, { rope }: LayerKind): Rotation {
  const rotation = rotations.get(rope);
  if (!rotation) throw new Error(`internal: no rotary table ${rope}`);
  return rotation;
}

/** ids and rotary tables of the prompts' rows -> key{l} [G, KV, D, P] and value{l} [G, KV, P, D] of every layer. */
export function prefill(g: Graph, c: ModelConfig, s: SamplingShape, model: ModelValues): void {
  const { prompts: groups, promptRows } = s;
  const ids = g.input('ids', 'int32', [groups * promptRows]);
  const rotations = rotationInputs(g, c, s.kinds, [groups * promptRows, 1]);
  const layout = headLayout(g, c);
  let x = embed(g, c, model.embedding, ids);
  s.kinds.forEach((kind, l) => {
    const parts = layerParts(g, c, model.layer(l));
    const rotation = rotationOf(rotations, kind);
    const kept = (k: Value, v: Value) => {
      const keys = layout.keys(k, groups, promptRows);
      const values = layout.values(v, groups, promptRows);
      g.output(`key${l}`, keys);
      g.output(`value${l}`, values);
      return { keys, values };
    };
    if (l === c.layers - 1) {
      const { k, v } = headValues(g, c, x, rotation, parts);
      kept(k, v);
    } else {
      x = decoderLayer(g, c, x, rotation, parts, ({ q, k, v }) =>
        promptAttention(g, c, { groups, promptRows }, kind.window, { q, ...kept(k, v) }),
      );
    }
  });
}

/** What a batch brings along and does not change while decoding. */
export interface PromptValues {
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
  /** [G, 1, 1, P]: 0 or MASKED. */
  readonly mask: Value;
  /** Rotary tables by position: [positions, headDim / 2]. */
  readonly rotations: ReadonlyMap<number, Rotation>;
}

/** What a round changes. */
export interface DecodeState {
  /** [B] int32: the token to go on from, and its position. */
  readonly ids: Value;
  readonly positions: Value;
  /** [B] float32: 1 once a stop token was drawn. */
  readonly finished: Value;
  /** Per layer [B, KV, t, D]: the response so far, or as much of it as the layer's window holds. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

/** One round: the token after `state.ids` for every row, and its log-probability. `u` [B] is uniform in [0, 1). */
export function decodeStep(
  g: Graph,
  c: ModelConfig,
  s: SamplingShape,
  model: ModelValues,
  prompt: PromptValues,
  state: DecodeState,
  u: Value,
  rule: SamplingRule,
): DecodeState & { readonly logps: Value } {
  const B = s.prompts * s.n;
  const here = (table: Value) => g.reshape(g.gather(table, state.positions), [B, 1, c.headDim / 2]);
  const rotations = new Map(
    [...prompt.rotations].map(([rope, { cos, sin }]) => [rope, { cos: here(cos), sin: here(sin) }] as const),
  );
  const masks = new Map(
    windowsOf(s.kinds).map((window) => [window, promptMask(g, s, prompt.mask, state.positions, window)]),
  );
  const keys: Value[] = [];
  const values: Value[] = [];
  let x = embed(g, c, model.embedding, state.ids);
  s.kinds.forEach((kind, l) => {
    const grown = (past: Value, one: Value) => {
      const all = g.concat([past, g.reshape(one, [B, c.kvHeads, 1, c.headDim])], 2);
      return kind.window === null ? all : g.sliceFrom(all, 2, -kind.window, `kept${kind.window}`);
    };
    x = decoderLayer(
      g,
      c,
      x,
      rotationOf(rotations, kind),
      layerParts(g, c, model.layer(l)),
      ({ q, k, v }) => {
        keys.push(grown(at(state.keys, l), k));
        values.push(grown(at(state.values, l), v));
        return decodeAttention(g, c, s, q, {
          promptKeys: at(prompt.keys, l),
          promptValues: at(prompt.values, l),
          mask: masks.get(kind.window) ?? prompt.mask,
          keys: at(keys, l),
          values: at(values, l),
        });
      },
    );
  });
  const h = rmsNorm(g, c, x, model.norm);
  const { ids, logps } = drawToken(g, c, model.head.times(g, h), u, rule);
  return {
    ids,
    logps,
    positions: g.add(state.positions, g.int(1)),
    finished: finish(g, B, ids, state.finished, rule.stopIds),
    keys,
    values,
  };
}

/** What of their prompt the rows see in this round, whose position all rows of a prompt share: [G, 1, 1, P]. */
function promptMask(
  g: Graph,
  { prompts: G, n, promptRows: P }: SamplingShape,
  used: Value,
  positions: Value,
  window: number | null,
): Value {
  if (window === null) return used;
  // Cast first: WebGPU does not slice whole numbers.
  const position = g.slice(g.reshape(g.cast(positions, 'float32'), [G, n]), 1, 0, 1);
  const first = g.reshape(g.add(position, 1 - window), [G, 1, 1, 1]);
  const key = g.constant(
    Float32Array.from({ length: P }, (_, i) => i),
    [1, 1, 1, P],
  );
  return g.add(used, g.mul(g.cast(g.less(key, first), 'float32'), MASKED));
}

function at(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (!value) throw new Error(`internal: no layer ${index}`);
  return value;
}

/** q [B, heads, D] (scaled) against its prompt's and its own keys: [B, heads x D]. */
function decodeAttention(
  g: Graph,
  c: ModelConfig,
  { prompts: G, n, promptRows: P }: SamplingShape,
  q: Value,
  cache: { promptKeys: Value; promptValues: Value; mask: Value; keys: Value; values: Value },
): Value {
  const { kvHeads: KV, headDim: D } = c;
  const rep = c.heads / KV;
  const B = G * n;
  // All n rows of a prompt meet its keys in one product, [n x rep, D] x [D, P] a head.
  const together = (x: Value, width: number) =>
    g.reshape(g.transpose(g.reshape(x, [G, n, KV, rep, width]), [0, 2, 1, 3, 4]), [G, KV, n * rep, width]);
  const apart = (x: Value, width: number) =>
    g.reshape(g.transpose(g.reshape(x, [G, KV, n, rep, width]), [0, 2, 1, 3, 4]), [B, KV, rep, width]);
  const promptScores = apart(g.add(g.matmul(together(q, D), cache.promptKeys), cache.mask), P);
  const ownScores = g.matmul(g.reshape(q, [B, KV, rep, D]), g.swap(cache.keys));
  const probs = g.softmax(g.concat([promptScores, ownScores], 3));
  const fromPrompt = apart(g.matmul(together(g.slice(probs, 3, 0, P), P), cache.promptValues), D);
  const fromOwn = g.matmul(g.sliceFrom(probs, 3, P, cache.keys.shape[2] ?? 0), cache.values);
  return g.reshape(g.add(fromPrompt, fromOwn), [B, KV * rep * D]);
}

/** finished or one of the stop ids: [B] float32. */
function finish(g: Graph, B: number, ids: Value, finished: Value, stopIds: readonly number[]): Value {
  if (stopIds.length === 0) return finished;
  const stops = g.constant(Int32Array.from(stopIds), [1, stopIds.length]);
  const hit = g.reduceMax(g.cast(g.equal(g.reshape(ids, [B, 1]), stops), 'float32'), [1], false);
  const both = g.concat([g.reshape(hit, [B, 1]), g.reshape(finished, [B, 1])], 1);
  return g.reduceMax(both, [1], false);
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

/** Inputs of a decoding graph that come from the prefill and the host. */
export function promptInputs(g: Graph, c: ModelConfig, s: SamplingShape): PromptValues {
  const { prompts: G, promptRows: P } = s;
  const range = [...Array(c.layers).keys()];
  return {
    keys: range.map((l) => g.input(`key${l}`, 'float32', [G, c.kvHeads, c.headDim, P])),
    values: range.map((l) => g.input(`value${l}`, 'float32', [G, c.kvHeads, P, c.headDim])),
    mask: g.input('mask', 'float32', [G, 1, 1, P]),
    rotations: rotationInputs(g, c, s.kinds, ['positions']),
  };
}

function stateInputs(g: Graph, c: ModelConfig, s: SamplingShape, suffix: string): DecodeState {
  const B = s.prompts * s.n;
  const range = [...Array(c.layers).keys()];
  const shape = (l: number) => [B, c.kvHeads, `t${kindOf(s.kinds, l).window ?? ''}${suffix}`, c.headDim];
  return {
    ids: g.input(`ids${suffix}`, 'int32', [B]),
    positions: g.input(`positions${suffix}`, 'int32', [B]),
    finished: g.input(`finished${suffix}`, 'float32', [B]),
    keys: range.map((l) => g.input(`own_key${l}${suffix}`, 'float32', shape(l))),
    values: range.map((l) => g.input(`own_value${l}${suffix}`, 'float32', shape(l))),
  };
}

const flatState = (s: DecodeState): Value[] => [s.ids, s.positions, s.finished, ...s.keys, ...s.values];

/** Names of the state, in the order of `flatState`; results carry `_out`. */
export function stateNames(c: ModelConfig): string[] {
  const range = [...Array(c.layers).keys()];
  return [
    'ids',
    'positions',
    'finished',
    ...range.map((l) => `own_key${l}`),
    ...range.map((l) => `own_value${l}`),
  ];
}

/**
 * One round as a graph of its own, for backends where a loop would leave the device: u [B]. What was drawn is
 * appended to `tokens` and `logps` [t, B], so that it is read back only now and then.
 */
export function stepGraph(
  c: ModelConfig,
  s: SamplingShape,
  rule: SamplingRule,
  model: (g: Graph) => ModelValues,
): Graph {
  const g = new Graph();
  const B = s.prompts * s.n;
  const values = model(g);
  const prompt = promptInputs(g, c, s);
  const state = stateInputs(g, c, s, '');
  const u = g.input('u', 'float32', [B]);
  const next = decodeStep(g, c, s, values, prompt, state, u, rule);
  const names = stateNames(c);
  flatState(next).forEach((value, i) => {
    g.output(`${names[i]}_out`, value);
  });
  const log = (name: string, dtype: 'int32' | 'float32', value: Value) =>
    g.output(`${name}_out`, g.concat([g.input(name, dtype, ['drawn', B]), g.reshape(value, [1, B])], 0));
  log('tokens', 'int32', next.ids);
  log('logps', 'float32', next.logps);
  return g;
}

/**
 * Many rounds in one run: u [rounds, B] and `rounds` int64 -> tokens [t, B], logps [t, B] and the state. It ends
 * early when all rows have finished.
 */
export function loopGraph(
  c: ModelConfig,
  s: SamplingShape,
  rule: SamplingRule,
  maxRounds: number,
  model: (g: Graph) => ModelValues,
): Graph {
  const g = new Graph();
  const B = s.prompts * s.n;
  const values = model(g);
  const prompt = promptInputs(g, c, s);
  const state = stateInputs(g, c, s, '');
  const u = g.input('u', 'float32', [maxRounds, B]);
  const rounds = g.input('rounds', 'int64', []);
  const goOn = g.input('go_on', 'bool', []);

  const body = new Graph(g);
  const round = body.input('round', 'int64', []);
  body.input('go_on_in', 'bool', []);
  const inner = stateInputs(body, c, s, '_in');
  const next = decodeStep(body, c, s, values, prompt, inner, body.gather(u, round), rule);
  const allDone = body.reduceMin(next.finished, [0], false);
  body.output('go_on_next', body.less(allDone, body.scalar(0.5)));
  const names = stateNames(c);
  flatState(next).forEach((value, i) => {
    body.output(`${names[i]}_next`, value);
  });
  body.output('tokens_scan', next.ids);
  body.output('logps_scan', next.logps);

  const carried = flatState(state);
  const results = g.node('Loop', [rounds, goOn, ...carried], { body, carried: carried.length });
  [...names.map((name) => `${name}_out`), 'tokens', 'logps'].forEach((name, i) => {
    const value = results[i];
    if (value) g.output(name, value);
  });
  return g;
}

/** Parameters as inputs, under the names of their parts; with `lora` the layers' adapters too, as theta{l}. */
export function inputModel(
  g: Graph,
  c: ModelConfig,
  lora: LoraConfig | null,
  numbers: Numbers = FLOAT32,
): ModelValues {
  const vectors = new Map<string, Value>();
  const matrices = new Map<string, Matrix>();
  for (const weight of modelWeights(c)) {
    const { name, shape } = weight;
    if (shape.length === 2) matrices.set(name, matrixInput(g, numbers, weight));
    else vectors.set(name, g.input(name, 'float32', shape));
  }
  return modelValues(c, vectors, matrices, lora, (l) => {
    const shapes = lora ? loraTensors(c, lora) : [];
    return lora ? unflatten(g, g.input(thetaInput(l), 'float32', [unitSize(shapes)]), shapes) : new Map();
  });
}

/** Parameters built in, from host memory: the fastest on WASM, where inputs are copied on every run. */
export function constantModel(g: Graph, c: ModelConfig, weight: (name: string) => Float32Array): ModelValues {
  const constants = new Map(
    modelWeights(c).map(({ name, shape }) => [name, g.constant(weight(name), shape, name)] as const),
  );
  const matrices = [...constants].filter(([, value]) => value.shape.length === 2);
  return modelValues(
    c,
    constants,
    new Map(matrices.map(([name, value]) => [name, denseMatrix(value)])),
    null,
  );
}

function find<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (!value) throw new Error(`internal: no parameter ${name}`);
  return value;
}

function modelValues(
  c: ModelConfig,
  vectors: ReadonlyMap<string, Value>,
  matrices: ReadonlyMap<string, Matrix>,
  lora: LoraConfig | null,
  adapter: (layer: number) => ReadonlyMap<string, Value> = () => new Map(),
): ModelValues {
  const layers = Array.from({ length: c.layers }, (_, l) => {
    const tensors = new Map(adapter(l));
    const own = new Map<string, Matrix>();
    for (const { name, shape } of layerWeights(c)) {
      if (shape.length === 2) own.set(name, find(matrices, layerName(l, name)));
      else tensors.set(name, find(vectors, layerName(l, name)));
    }
    return blockWeights(tensors, lora, own);
  });
  return {
    layer: (index) => {
      const layer = layers[index];
      if (!layer) throw new Error(`internal: no layer ${index}`);
      return layer;
    },
    embedding: find(matrices, EMBEDDING),
    norm: find(vectors, FINAL_NORM),
    head: find(matrices, c.tiedEmbeddings ? EMBEDDING : HEAD),
  };
}
