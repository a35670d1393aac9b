/**
 * The graphs of sampling: one prefill a prompt, then decoding of G prompts x n rows, a token a row and round.
 *
 * All rows of a batch share a step number, so a row's position is its prompt's length plus the round. The
 * prompt's keys and values are kept once a prompt and met by all its n rows in one product.
 */
import { Graph, type Value } from '../graph/index.ts';
import {
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
import { drawToken, type SamplingRule } from './draw-token.ts';
import type { ModelValues } from './model-values.ts';
import { cosInput, kindsKey, sinInput } from './training-graphs.ts';

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
