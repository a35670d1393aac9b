/**
 * The whole model as one graph with a key-value cache, with the inputs and outputs that transformers.js and
 * Optimum's exports have: any number of rows, any length, left padding by the attention mask.
 */
import { Graph, type Value } from '../graph/index.ts';
import { MASKED, rmsNorm, rotate } from './block.ts';
import type { ModelConfig } from './config.ts';
import { EMBEDDING, FINAL_NORM, HEAD, layerName } from './parameters.ts';

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
  const shared = { ...rotaryTables(g, c, positions), mask: visibility(g, ids, attention) };
  let x = g.gather(embedding, ids);
  const present: { key: Value; value: Value }[] = [];
  past.forEach((cache, l) => {
    const layer = new Layer(g, c, l, weight);
    const attended = layer.attention(x, cache, shared);
    present.push({ key: attended.key, value: attended.value });
    x = layer.mlp(g.add(x, attended.out));
  });
  const h = rmsNorm(g, x, g.constant(weight(FINAL_NORM), [c.hiddenSize], FINAL_NORM), c.rmsNormEps);
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

interface Shared {
  /** [B, S, 1, headDim / 2] */
  readonly cos: Value;
  readonly sin: Value;
  /** [B, 1, 1, S, P + S]: 0 where a new token sees a key, MASKED where not. */
  readonly mask: Value;
}

function rotaryTables(g: Graph, c: ModelConfig, positions: Value): { cos: Value; sin: Value } {
  const half = c.headDim / 2;
  const angles = Float64Array.from(
    { length: c.contextLength * half },
    (_, i) => Math.floor(i / half) * c.ropeTheta ** ((-2 * (i % half)) / c.headDim),
  );
  const at = (name: string, of: (x: number) => number) =>
    g.reshape(g.gather(g.constant(Float32Array.from(angles, of), [c.contextLength, half], name), positions), [
      BATCH,
      NEW,
      1,
      half,
    ]);
  return { cos: at('rotary.cos', Math.cos), sin: at('rotary.sin', Math.sin) };
}

/** Causal, and without what the attention mask leaves out. Places are counted, since sizes are run-time ones. */
function visibility(g: Graph, ids: Value, attention: Value): Value {
  const given = g.cast(attention, 'float32');
  const counted = (x: Value) => g.cumSum(g.add(g.mul(x, 0), 1), 1);
  const keyPlace = counted(given);
  const queryPlace = counted(g.cast(ids, 'float32'));
  const fromEnd = (place: Value) => g.sub(place, g.reduceMax(place, [1]));
  const keys = g.reshape(fromEnd(keyPlace), [BATCH, 1, 1, 1, TOTAL]);
  const queries = g.reshape(fromEnd(queryPlace), [BATCH, 1, 1, NEW, 1]);
  const hidden = g.cast(g.less(queries, keys), 'float32');
  const padding = g.reshape(g.sub(1, given), [BATCH, 1, 1, 1, TOTAL]);
  // Twice masked is still a number; a row that sees nothing is padding, and nobody reads it.
  return g.mul(g.add(hidden, padding), MASKED);
}

class Layer {
  private readonly g: Graph;
  private readonly c: ModelConfig;
  private readonly index: number;
  private readonly weight: ReadWeight;

  constructor(g: Graph, c: ModelConfig, index: number, weight: ReadWeight) {
    this.g = g;
    this.c = c;
    this.index = index;
    this.weight = weight;
  }

  private norm(x: Value, name: string): Value {
    const full = layerName(this.index, `${name}.weight`);
    const weight = this.g.constant(this.weight(full), [this.c.hiddenSize], full);
    return rmsNorm(this.g, x, weight, this.c.rmsNormEps);
  }

  /** x W^T; the weight is stored transposed, as the product wants it. */
  private project(x: Value, path: string, out: number): Value {
    const inner = Number(x.shape[2]);
    const full = layerName(this.index, `${path}.weight`);
    return this.g.matmul(x, this.g.constant(transposed(this.weight(full), out, inner), [inner, out], full));
  }

  /** [B, S, heads x D] -> [B, S, heads, D] */
  private heads(x: Value, path: string, count: number): Value {
    const flat = this.project(x, `self_attn.${path}`, count * this.c.headDim);
    return this.g.reshape(flat, [BATCH, NEW, count, this.c.headDim]);
  }

  /** The attention's output, and the cache with the new tokens in it. */
  attention(
    x: Value,
    past: { key: Value; value: Value },
    { cos, sin, mask }: Shared,
  ): { out: Value; key: Value; value: Value } {
    const { g } = this;
    const { heads, kvHeads: KV, headDim: D, hiddenSize } = this.c;
    const rep = heads / KV;
    const normed = this.norm(x, 'input_layernorm');
    const q = rotate(g, this.heads(normed, 'q_proj', heads), cos, sin);
    const k = rotate(g, this.heads(normed, 'k_proj', KV), cos, sin);
    const v = this.heads(normed, 'v_proj', KV);
    const key = g.concat([past.key, g.transpose(k, [0, 2, 1, 3])], 2);
    const value = g.concat([past.value, g.transpose(v, [0, 2, 1, 3])], 2);
    // Query heads that share a key head lie beside it in a dimension of their own: [B, KV, rep, S, D].
    const scaled = g.reshape(g.mul(q, 1 / Math.sqrt(D)), [BATCH, NEW, KV, rep, D]);
    const queries = g.transpose(scaled, [0, 2, 3, 1, 4]);
    const beside = (cache: Value) => g.reshape(cache, [BATCH, KV, 1, TOTAL, D]);
    const probs = g.softmax(g.add(g.matmul(queries, g.swap(beside(key))), mask));
    const mixed = g.transpose(g.matmul(probs, beside(value)), [0, 3, 1, 2, 4]);
    const joined = g.reshape(mixed, [BATCH, NEW, heads * D]);
    return { out: this.project(joined, 'self_attn.o_proj', hiddenSize), key, value };
  }

  /** x + down(silu(gate(x)) * up(x)) */
  mlp(x: Value): Value {
    const { g } = this;
    const { intermediateSize, hiddenSize } = this.c;
    const normed = this.norm(x, 'post_attention_layernorm');
    const gate = this.project(normed, 'mlp.gate_proj', intermediateSize);
    const up = this.project(normed, 'mlp.up_proj', intermediateSize);
    const active = g.mul(g.mul(gate, g.sigmoid(gate)), up);
    return g.add(x, this.project(active, 'mlp.down_proj', hiddenSize));
  }
}

/** [rows, columns] -> [columns, rows] */
function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) result[k * rows + r] = data[r * columns + k] ?? 0;
  }
  return result;
}
