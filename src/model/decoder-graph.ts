/**
 * The whole model as one graph with a key-value cache, with the inputs and outputs that transformers.js and
 * Optimum's exports have: any number of rows, any length, left padding by the attention mask.
 */
import { Graph, type Value } from '../graph/index.ts';
import { rotaryFrequencies } from './batch.ts';
import {
  decoderLayer,
  embed,
  type HeadValues,
  type LayerParts,
  MASKED,
  type Rotation,
  rmsNorm,
} from './block.ts';
import { kindOf, type ModelConfig, windowsOf } from './config.ts';
import { denseMatrix } from './matrix.ts';
import { EMBEDDING, FINAL_NORM, HEAD, hasBias, layerName, layerWeights } from './parameters.ts';

const BATCH = 'batch_size';
const NEW = 'sequence_length';
const PAST = 'past_sequence_length';
/** What joining the cache with new tokens makes of its length. */
const TOTAL = `${PAST}+${NEW}`;

/** Reads a weight of the given shape, in Hugging Face's name. */
export type ReadWeight = (name: string) => Float32Array;

/**
 * Inputs: input_ids [B, S], attention_mask [B, P + S] and position_ids [B, S] (int64), and for every layer
 * past_key_values.N.key and .value [B, kvHeads, P, headDim]. Outputs: logits [B, S, vocabulary] and present.N.key
 * and .value [B, kvHeads, P + S, headDim]. P may be 0.
 */
export function decoderGraph(c: ModelConfig, weight: ReadWeight): Graph {
  const g = new Graph();
  const ids = g.input('input_ids', 'int64', [BATCH, NEW]);
  const attention = g.input('attention_mask', 'int64', [BATCH, TOTAL]);
  const positions = g.input('position_ids', 'int64', [BATCH, NEW]);
  const cacheShape = [BATCH, c.kvHeads, PAST, c.headDim];
  const past = Array.from({ length: c.layers }, (_, l) => ({
    key: g.input(`past_key_values.${l}.key`, 'float32', cacheShape),
    value: g.input(`past_key_values.${l}.value`, 'float32', cacheShape),
  }));
  const embedding = g.constant(weight(EMBEDDING), [c.vocabSize, c.hiddenSize], EMBEDDING);
  const rotations = c.rope.map((_, rope) => rotation(g, c, rope, positions));
  const masks = visibility(g, windowsOf(c.layerKinds), ids, attention);
  let x = embed(g, c, denseMatrix(embedding), ids);
  const present: { key: Value; value: Value }[] = [];
  past.forEach((cache, l) => {
    const kind = kindOf(c.layerKinds, l);
    const [tables, mask] = [rotations[kind.rope], masks.get(kind.window)];
    if (!tables || !mask) throw new Error(`internal: no positions for layer ${l}`);
    x = decoderLayer(g, c, x, tables, constantParts(g, c, l, weight), (heads) => {
      const { out, key, value } = attend(g, c, heads, cache, mask);
      present.push({ key, value });
      return out;
    });
  });
  const h = rmsNorm(g, c, x, g.constant(weight(FINAL_NORM), [c.hiddenSize], FINAL_NORM));
  const head = c.tiedEmbeddings
    ? g.swap(embedding)
    : g.constant(transposed(weight(HEAD), c.vocabSize, c.hiddenSize), [c.hiddenSize, c.vocabSize], HEAD);
  g.output('logits', g.matmul(h, head));
  present.forEach(({ key, value }, l) => {
    g.output(`present.${l}.key`, key);
    g.output(`present.${l}.value`, value);
  });
  return g;
}

/** Rotary tables of the new tokens: [B, S, 1, headDim / 2]. */
function rotation(g: Graph, c: ModelConfig, rope: number, positions: Value): Rotation {
  const config = c.rope[rope];
  if (!config) throw new Error(`internal: no rope ${rope}`);
  const frequencies = rotaryFrequencies(config, c.headDim);
  const half = frequencies.length;
  const table = (name: string, of: (x: number) => number) => {
    const data = Float32Array.from({ length: c.contextLength * half }, (_, i) =>
      of(Math.floor(i / half) * (frequencies[i % half] ?? 0)),
    );
    const rows = g.gather(g.constant(data, [c.contextLength, half], `rotary.${name}${rope}`), positions);
    return g.reshape(rows, [BATCH, NEW, 1, half]);
  };
  return { cos: table('cos', Math.cos), sin: table('sin', Math.sin) };
}

/**
 * For each window [B, 1, 1, S, P + S], 0 where a new token sees a key and MASKED where not: causal, within the
 * window and without what the attention mask leaves out. Places are counted, since sizes are run-time ones.
 */
function visibility(
  g: Graph,
  windows: readonly (number | null)[],
  ids: Value,
  attention: Value,
): Map<number | null, Value> {
  const given = g.cast(attention, 'float32');
  const counted = (x: Value) => g.cumSum(g.add(g.mul(x, 0), 1), 1);
  const keyPlace = counted(given);
  const queryPlace = counted(g.cast(ids, 'float32'));
  const fromEnd = (place: Value) => g.sub(place, g.reduceMax(place, [1]));
  const keys = g.reshape(fromEnd(keyPlace), [BATCH, 1, 1, 1, TOTAL]);
  const queries = g.reshape(fromEnd(queryPlace), [BATCH, 1, 1, NEW, 1]);
  const later = g.cast(g.less(queries, keys), 'float32');
  const padding = g.reshape(g.sub(1, given), [BATCH, 1, 1, 1, TOTAL]);
  // Twice masked is still a number; a row that sees nothing is padding, and nobody reads it.
  const hidden = g.add(later, padding);
  return new Map(
    windows.map((window) => {
      if (window === null) return [window, g.mul(hidden, MASKED)];
      const before = g.cast(g.less(keys, g.add(queries, 1 - window)), 'float32');
      return [window, g.mul(g.add(hidden, before), MASKED)];
    }),
  );
}

/** A layer's parts over [B, S, width], its weights built in and stored transposed, as the product wants them. */
function constantParts(g: Graph, c: ModelConfig, layer: number, weight: ReadWeight): LayerParts {
  const shapes = new Map(layerWeights(c).map(({ name, shape }) => [name, shape]));
  const vector = (name: string) =>
    g.constant(weight(layerName(layer, name)), shapes.get(name) ?? [], layerName(layer, name));
  return {
    linear: (x, path) => {
      const [out = 0, inner = 0] = shapes.get(`${path}.weight`) ?? [];
      const full = layerName(layer, `${path}.weight`);
      const y = g.matmul(x, g.constant(transposed(weight(full), out, inner), [inner, out], full));
      return hasBias(c, path) ? g.add(y, vector(`${path}.bias`)) : y;
    },
    vector,
  };
}

/** The attention's output [B, S, heads x D], and the cache with the new tokens in it. */
function attend(
  g: Graph,
  c: ModelConfig,
  { q, k, v }: HeadValues,
  past: { key: Value; value: Value },
  mask: Value,
): { out: Value; key: Value; value: Value } {
  const { heads, kvHeads: KV, headDim: D } = c;
  const rep = heads / KV;
  const key = g.concat([past.key, g.transpose(k, [0, 2, 1, 3])], 2);
  const value = g.concat([past.value, g.transpose(v, [0, 2, 1, 3])], 2);
  // Query heads that share a key head lie beside it in a dimension of their own: [B, KV, rep, S, D].
  const queries = g.transpose(g.reshape(q, [BATCH, NEW, KV, rep, D]), [0, 2, 3, 1, 4]);
  const beside = (cache: Value) => g.reshape(cache, [BATCH, KV, 1, TOTAL, D]);
  const probs = g.softmax(g.add(g.matmul(queries, g.swap(beside(key))), mask));
  const mixed = g.transpose(g.matmul(probs, beside(value)), [0, 3, 1, 2, 4]);
  return { out: g.reshape(mixed, [BATCH, NEW, heads * D]), key, value };
}

/** [rows, columns] -> [columns, rows] */
function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) result[k * rows + r] = data[r * columns + k] ?? 0;
  }
  return result;
}
