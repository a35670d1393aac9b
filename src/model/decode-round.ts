/**
 * One round of decoding: a token a row, every row at its own place in its own sequence.
 *
 * Of what a row sees, most is its *past* (its prompt, and its own tokens of earlier slices), which a slice of rounds
 * only reads; the tokens of the slice itself are its *recent* ones. Both are padded behind: the past at its end, the
 * recent ones at their beginning. So what a row sees stands at the same places whatever the rows beside it need, and
 * what it draws does not depend on them.
 */
import type { Graph, Shape, Value } from '../graph/index.ts';
import { decoderLayer, embed, layerParts, type Rotation, rmsNorm } from './block.ts';
import { kindOf, type LayerKind, type ModelConfig, windowsOf } from './config.ts';
import { drawToken, type SamplingRule } from './draw-token.ts';
import type { ModelValues } from './model-values.ts';
import { rotationOf } from './rotation-inputs.ts';

/** Run-time sizes: rows, and padded tokens of the longest past. */
export const ROWS = 'rows';
export const PAST = 'past';
/** Of a slice. */
export const ROUNDS = 'rounds';

/** Rounds of a slice, where nothing else is said: the more, the less often caches are handed over and looked at. */
export const SLICE = 16;

export interface RoundShape {
  /** Rounds of a slice at most: as many recent tokens have room. */
  readonly slice: number;
  /** Of the model's layers; without the windows that no row reaches past. */
  readonly kinds: readonly LayerKind[];
}

/** What a slice brings along and does not change. */
export interface SliceValues {
  /** Per layer [rows, KV, D, past] (transposed) and [rows, KV, past, D]. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

/** What is different in every round, but known beforehand. */
export interface RoundInputs {
  /** [rows], uniform in [0, 1) */
  readonly u: Value;
  /** By window, [rows, 1, 1, slice + past]: 0 or MASKED. */
  readonly masks: ReadonlyMap<number | null, Value>;
  /** By rope, [rows, 1, headDim / 2]. */
  readonly rotations: ReadonlyMap<number, Rotation>;
}

/** What a round changes. */
export interface RoundState {
  /** [rows] int32: the token to go on from. */
  readonly ids: Value;
  /** Per layer [rows, KV, slice, D], the latest last. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

export const pastKey = (layer: number): string => `past_key${layer}`;
export const pastValue = (layer: number): string => `past_value${layer}`;
export const maskInput = (window: number | null): string => `mask${window ?? ''}`;

const layersOf = (c: ModelConfig): number[] => [...Array(c.layers).keys()];

export function sliceInputs(g: Graph, c: ModelConfig): SliceValues {
  const { kvHeads: KV, headDim: D } = c;
  return {
    keys: layersOf(c).map((l) => g.input(pastKey(l), 'float32', [ROWS, KV, D, PAST])),
    values: layersOf(c).map((l) => g.input(pastValue(l), 'float32', [ROWS, KV, PAST, D])),
  };
}

/** @param shape what stands before each: nothing, or the rounds */
export function maskInputs(
  g: Graph,
  { slice, kinds }: RoundShape,
  shape: Shape,
): ReadonlyMap<number | null, Value> {
  const at = [...shape, ROWS, 1, 1, `${slice}+${PAST}`];
  return new Map(windowsOf(kinds).map((window) => [window, g.input(maskInput(window), 'float32', at)]));
}

/** Names of the state, in the order of `flatState`. */
export function stateNames(c: ModelConfig): string[] {
  return ['ids', ...layersOf(c).map((l) => `recent_key${l}`), ...layersOf(c).map((l) => `recent_value${l}`)];
}

export const flatState = (s: RoundState): Value[] => [s.ids, ...s.keys, ...s.values];

export function stateInputs(g: Graph, c: ModelConfig, { slice }: RoundShape, suffix: string): RoundState {
  const shape = [ROWS, c.kvHeads, slice, c.headDim];
  const recent = (name: string) => layersOf(c).map((l) => g.input(`${name}${l}${suffix}`, 'float32', shape));
  return {
    ids: g.input(`ids${suffix}`, 'int32', [ROWS]),
    keys: recent('recent_key'),
    values: recent('recent_value'),
  };
}

/** The token after `state.ids` for every row, and its log-probability. */
export function decodeRound(
  g: Graph,
  c: ModelConfig,
  s: RoundShape,
  model: ModelValues,
  past: SliceValues,
  round: RoundInputs,
  state: RoundState,
  rule: SamplingRule,
): RoundState & { readonly logps: Value } {
  const keys: Value[] = [];
  const values: Value[] = [];
  let x = embed(g, c, model.embedding, state.ids);
  s.kinds.forEach((kind, layer) => {
    const parts = layerParts(g, c, model.layer(layer));
    x = decoderLayer(g, c, x, rotationOf(round.rotations, kind), parts, ({ q, k, v }) => {
      const cache = recentAndPast(g, c, s, { layer, past, state, masks: round.masks, k, v });
      keys.push(cache.keys);
      values.push(cache.values);
      return rowAttention(g, c, q, cache);
    });
  });
  const h = rmsNorm(g, c, x, model.norm);
  return { ...drawToken(g, c, model.head.times(g, h), round.u, rule), keys, values };
}

function at(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (!value) throw new Error(`internal: no layer ${index}`);
  return value;
}

/** What the rows of a layer see once this round's keys and values (k, v [rows, kvHeads x D]) are among the recent. */
export function recentAndPast(
  g: Graph,
  c: ModelConfig,
  { slice, kinds }: RoundShape,
  from: {
    readonly layer: number;
    readonly past: SliceValues;
    readonly state: RoundState;
    readonly masks: ReadonlyMap<number | null, Value>;
    readonly k: Value;
    readonly v: Value;
  },
): RowCache {
  const { layer, past, state } = from;
  /** The recent ones with one more; the first makes room for it. */
  const pushed = (recent: Value, one: Value) => {
    const latest = g.reshape(one, [ROWS, c.kvHeads, 1, c.headDim]);
    return slice === 1 ? latest : g.concat([g.slice(recent, 2, 1, slice), latest], 2);
  };
  const mask = from.masks.get(kindOf(kinds, layer).window);
  if (!mask) throw new Error(`internal: no mask of layer ${layer}`);
  return {
    slice,
    mask,
    pastKeys: at(past.keys, layer),
    pastValues: at(past.values, layer),
    keys: pushed(at(state.keys, layer), from.k),
    values: pushed(at(state.values, layer), from.v),
  };
}

export interface RowCache {
  readonly slice: number;
  /** [rows, 1, 1, slice + past]: the recent tokens first. */
  readonly mask: Value;
  readonly pastKeys: Value;
  readonly pastValues: Value;
  readonly keys: Value;
  readonly values: Value;
}

/** q [rows, heads x D] (scaled), however they are laid out in rows, against the row's recent tokens and its past: [rows, heads x D]. */
export function rowAttention(g: Graph, c: ModelConfig, q: Value, cache: RowCache): Value {
  const { kvHeads: KV, headDim: D } = c;
  const { slice } = cache;
  const queries = g.reshape(q, [ROWS, KV, c.heads / KV, D]);
  const scores = g.concat([g.matmul(queries, g.swap(cache.keys)), g.matmul(queries, cache.pastKeys)], 3);
  const probs = g.softmax(g.add(scores, cache.mask));
  const fromRecent = g.matmul(g.slice(probs, 3, 0, slice), cache.values);
  const fromPast = g.matmul(g.sliceFrom(probs, 3, slice, PAST), cache.pastValues);
  return g.reshape(g.add(fromRecent, fromPast), [ROWS, c.heads * D]);
}
