/**
 * What rows see while they are decoded, a token a row and round, every row at its own place in its own sequence.
 *
 * Most of it is a row's *past* (its prompt, and its own tokens of earlier slices), which a slice of rounds only reads;
 * the tokens of the slice itself are its *recent* ones. The recent ones come first, with masked room for those to come,
 * and the past is padded at its end. So what a row sees stands at the same places whatever the rows beside it need, and
 * what it draws does not depend on them.
 */
import type { Graph, Value } from '../graph/index.ts';
import { kindOf, type LayerKind, type ModelConfig, windowsOf } from './config.ts';

/** Run-time sizes: rows, padded tokens of the longest past, rounds of a slice, and recent tokens. */
export const ROWS = 'rows';
export const PAST = 'past';
export const ROUNDS = 'rounds';
const RECENT = 'recent';
/** Room for recent tokens to come. */
const FREE = 'free';

/** Rounds of a slice, where nothing else is said: the more, the less often caches are handed over and looked at. */
export const SLICE = 16;

export interface RoundShape {
  /** Rounds of a slice at most; no window of the layers is narrower. */
  readonly slice: number;
  /** Of the model's layers; without the windows that no row reaches past. */
  readonly kinds: readonly LayerKind[];
}

/** The longest slice that no window is narrower than. */
export const sliceWithin = (slice: number, kinds: readonly LayerKind[]): number =>
  Math.min(slice, ...kinds.map(({ window }) => window ?? slice));

/** What a slice brings along and does not change. */
export interface SliceValues {
  /** Per layer [rows, KV, D, past] (transposed) and [rows, KV, past, D]. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
  /** By window: 0 or MASKED, [rows, 1, 1, past], where there is a window [rounds, rows, 1, 1, past]. */
  readonly masks: ReadonlyMap<number | null, Value>;
  /** MASKED, [rows, KV, heads a key head, slice] */
  readonly masked: Value;
  /** int64 by round: recent tokens, room for more, past. [rounds, 3] */
  readonly sizes: Value;
  /** int64 by round: room for more recent tokens, recent ones. [rounds, 2] */
  readonly room: Value;
}

/** What a round changes. */
export interface RoundState {
  /** [rows] int32: the token to go on from. */
  readonly ids: Value;
  /** Per layer [rows, KV, recent, D]. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

export const pastKey = (layer: number): string => `past_key${layer}`;
export const pastValue = (layer: number): string => `past_value${layer}`;
export const recentKey = (layer: number): string => `recent_key${layer}`;
export const recentValue = (layer: number): string => `recent_value${layer}`;
export const maskInput = (window: number | null): string => `mask${window ?? ''}`;

const layersOf = (c: ModelConfig): number[] => [...Array(c.layers).keys()];

export function sliceInputs(g: Graph, c: ModelConfig, { slice, kinds }: RoundShape): SliceValues {
  const { kvHeads: KV, headDim: D } = c;
  const mask = (window: number | null) =>
    g.input(maskInput(window), 'float32', [...(window === null ? [] : [ROUNDS]), ROWS, 1, 1, PAST]);
  return {
    keys: layersOf(c).map((l) => g.input(pastKey(l), 'float32', [ROWS, KV, D, PAST])),
    values: layersOf(c).map((l) => g.input(pastValue(l), 'float32', [ROWS, KV, PAST, D])),
    masks: new Map(windowsOf(kinds).map((window) => [window, mask(window)])),
    masked: g.input('masked', 'float32', [ROWS, KV, c.heads / KV, slice]),
    sizes: g.input('sizes', 'int64', [ROUNDS, 3]),
    room: g.input('room', 'int64', [ROUNDS, 2]),
  };
}

/** `sizes` and `room` for a slice of so many rounds. */
export function sizesByRound(
  rounds: number,
  slice: number,
  past: number,
): { sizes: BigInt64Array; room: BigInt64Array } {
  const each = Array.from({ length: rounds }, (_, round) => [round + 1, slice - round - 1] as const);
  return {
    sizes: BigInt64Array.from(
      each.flatMap(([recent, free]) => [recent, free, past]),
      BigInt,
    ),
    room: BigInt64Array.from(
      each.flatMap(([recent, free]) => [free, recent]),
      BigInt,
    ),
  };
}

/** Names of the state, in the order of `flatState`. */
export const stateNames = (c: ModelConfig): string[] => [
  'ids',
  ...layersOf(c).map(recentKey),
  ...layersOf(c).map(recentValue),
];

export const flatState = (s: RoundState): Value[] => [s.ids, ...s.keys, ...s.values];

export function stateInputs(g: Graph, c: ModelConfig, suffix: string): RoundState {
  const shape = [ROWS, c.kvHeads, RECENT + suffix, c.headDim];
  return {
    ids: g.input(`ids${suffix}`, 'int32', [ROWS]),
    keys: layersOf(c).map((l) => g.input(recentKey(l) + suffix, 'float32', shape)),
    values: layersOf(c).map((l) => g.input(recentValue(l) + suffix, 'float32', shape)),
  };
}

/** What all layers of a round share. */
export interface RoundSizes {
  readonly sizes: Value;
  /** By window, [rows, 1, 1, past]. */
  readonly masks: ReadonlyMap<number | null, Value>;
  /** MASKED, [rows, KV, heads a key head, free] */
  readonly free: Value;
}

/** @param round its number within the slice, int64 */
export function roundSizes(g: Graph, past: SliceValues, round: Value): RoundSizes {
  const [free] = g.splitAt(past.masked, 3, g.gather(past.room, round), [FREE, RECENT]);
  if (!free) throw new Error('internal: split in two');
  const masks = [...past.masks].map(
    ([window, mask]) => [window, window === null ? mask : g.gather(mask, round)] as const,
  );
  return { sizes: g.gather(past.sizes, round), masks: new Map(masks), free };
}

export function at(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (!value) throw new Error(`internal: no layer ${index}`);
  return value;
}

/**
 * A layer's attention: q (scaled), k and v, [rows, ..., heads x D], each a token a row, against the row's recent tokens
 * and its past. -> [rows, heads x D], and the recent keys and values with the new ones.
 */
export function rowAttention(
  g: Graph,
  c: ModelConfig,
  { kinds }: RoundShape,
  { layer, past, state, sizes }: { layer: number; past: SliceValues; state: RoundState; sizes: RoundSizes },
  { q, k, v }: { readonly q: Value; readonly k: Value; readonly v: Value },
): { out: Value; keys: Value; values: Value } {
  const { kvHeads: KV, headDim: D } = c;
  const mask = sizes.masks.get(kindOf(kinds, layer).window);
  if (!mask) throw new Error(`internal: no mask of layer ${layer}`);
  const grown = (recent: Value, one: Value) => g.concat([recent, g.reshape(one, [ROWS, KV, 1, D])], 2);
  const keys = grown(at(state.keys, layer), k);
  const values = grown(at(state.values, layer), v);
  const queries = g.reshape(q, [ROWS, KV, c.heads / KV, D]);
  const recent = g.matmul(queries, g.swap(keys));
  const before = g.add(g.matmul(queries, at(past.keys, layer)), mask);
  const probs = g.softmax(g.concat([recent, sizes.free, before], 3));
  const [own, , prompt] = g.splitAt(probs, 3, sizes.sizes, [keys.shape[2] ?? RECENT, FREE, PAST]);
  if (!own || !prompt) throw new Error('internal: split in three');
  const mixed = g.add(g.matmul(own, values), g.matmul(prompt, at(past.values, layer)));
  return { out: g.reshape(mixed, [ROWS, c.heads * D]), keys, values };
}
