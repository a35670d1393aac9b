/**
 * One round of decoding on a GPU: a token a row, every row at its own place in its own sequence. Keys and values stay
 * in buffers of a fixed size, into which the round writes in place, and what a round needs of the host is there before
 * the first of a slice begins.
 *
 * Nothing is differentiated here, so norms, rotations and attention are onnxruntime's own operators, one dispatch each
 * or a few; block.ts has the same layer in plain ones.
 */
import { Graph, type Value } from '../graph/index.ts';
import { padLength } from './batch.ts';
import { embed } from './block.ts';
import { type LayerKind, type ModelConfig, ropesOf } from './config.ts';
import { drawToken, type SamplingRule } from './draw-token.ts';
import type { ModelValues } from './model-values.ts';
import { hasBias, type LoraConfig } from './parameters.ts';
import { adapterInputs } from './step-adapter.ts';
import { cosInput, sinInput } from './training-graphs.ts';

export interface StepShape {
  readonly rows: number;
  /** Tokens that a row's buffers hold. */
  readonly room: number;
  /** Of the model's layers; without the windows that no row reaches past. */
  readonly kinds: readonly LayerKind[];
}

export const cachedKey = (layer: number): string => `key${layer}`;
export const cachedValue = (layer: number): string => `value${layer}`;
/** Outputs that take the place of an input of their name. */
export const written = (name: string): string => `${name}_out`;

/** The operator wants heads of whole 8s: narrower ones, of test models, stand among zeros. */
export const cachedDim = ({ headDim }: ModelConfig): number => Math.ceil(headDim / 8) * 8;

/** Room for rows of so many tokens: of few sizes, since each is built into a graph. */
export const stepRoom = (tokens: number, contextLength: number): number =>
  Math.min(padLength(tokens), contextLength);

/** Keys or values of a layer: [rows, kvHeads, room, cachedDim]. */
export const cacheShape = (c: ModelConfig, { rows, room }: StepShape): number[] => [
  rows,
  c.kvHeads,
  room,
  cachedDim(c),
];

/** The part of a layer that attends: [rows, hidden] -> [rows, heads x headDim]. */
interface Attention {
  readonly before: Value;
  readonly positions: Value;
  readonly room: Value;
  readonly tables: ReadonlyMap<number, { readonly cos: Value; readonly sin: Value }>;
}

/** How a layer's parts are put down: [rows, in] -> [rows, out], and norms with their weight's name. */
interface Parts {
  linear(x: Value, path: string): Value;
  norm(x: Value, name: string): Value;
  /** The norm of a + b, and a + b. */
  addNorm(a: Value, b: Value, name: string): [Value, Value];
}

/**
 * Inputs: the model's weights and its adapter (step-adapter.ts), ids [rows] int32 (the tokens to go on from), before
 * [rows] int32 (how many tokens stand before each), positions [rows, 1] int64 (the same), u [rows] uniform in [0, 1),
 * cos and sin [room, headDim / 2] a rope, and the caches. Outputs: ids_out, logps_out [rows], and the caches as
 * key{l}_out and value{l}_out, which are to be the same memory.
 */
export function stepGraph(
  c: ModelConfig,
  s: StepShape,
  rule: SamplingRule,
  lora: LoraConfig | null,
  weights: (g: Graph) => ModelValues,
): Graph {
  const g = new Graph();
  const model = weights(g);
  const ids = g.input('ids', 'int32', [s.rows]);
  const u = g.input('u', 'float32', [s.rows]);
  const table = (name: string) => g.input(name, 'float32', [s.room, c.headDim / 2]);
  const attention: Attention = {
    before: g.input('before', 'int32', [s.rows]),
    positions: g.input('positions', 'int64', [s.rows, 1]),
    // The whole room whatever is in use: so a row's result does not depend on how far the others are.
    room: g.constant(Int32Array.of(s.room), [1]),
    tables: new Map(
      ropesOf(s.kinds).map((rope) => [rope, { cos: table(cosInput(rope)), sin: table(sinInput(rope)) }]),
    ),
  };
  let sum = embed(g, c, model.embedding, ids);
  /** What is not added to the sum yet: the norm that follows adds it. */
  let open: Value | null = null;
  s.kinds.forEach((kind, layer) => {
    const parts = layerParts(g, c, model, lora, layer);
    let normed: Value;
    if (open) [normed, sum] = parts.addNorm(sum, open, 'input_layernorm');
    else normed = parts.norm(sum, 'input_layernorm');
    const attended = parts.linear(attend(g, c, s, kind, layer, normed, parts, attention), 'self_attn.o_proj');
    const first = c.postNorms ? parts.norm(attended, 'post_attention_layernorm') : attended;
    const between = c.postNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm';
    [normed, sum] = parts.addNorm(sum, first, between);
    const out = mlp(g, c, normed, parts);
    open = c.postNorms ? parts.norm(out, 'post_feedforward_layernorm') : out;
  });
  const final = offset(g, c, model.norm);
  const [h] = open ? g.addNorm(sum, open, final, c.rmsNormEps) : [g.fusedNorm(sum, final, c.rmsNormEps)];
  if (!h) throw new Error('internal: no norm');
  const drawn = drawToken(g, c, model.head.times(g, h), u, rule);
  g.output(written('ids'), drawn.ids);
  g.output('logps', drawn.logps);
  return g;
}

const offset = (g: Graph, c: ModelConfig, weight: Value): Value =>
  c.normOffset ? g.add(weight, c.normOffset) : weight;

function layerParts(
  g: Graph,
  c: ModelConfig,
  model: ModelValues,
  lora: LoraConfig | null,
  layer: number,
): Parts {
  const weights = model.layer(layer);
  const adapt = adapterInputs(g, c, lora, layer);
  const norm = (name: string) => offset(g, c, weights.weight(`${name}.weight`));
  return {
    linear: (x, path) => {
      const y = adapt(x, path, weights.matrix(`${path}.weight`).times(g, x));
      return hasBias(c, path) ? g.add(y, weights.weight(`${path}.bias`)) : y;
    },
    norm: (x, name) => g.fusedNorm(x, norm(name), c.rmsNormEps),
    addNorm: (a, b, name) => {
      const [normed, sum] = g.addNorm(a, b, norm(name), c.rmsNormEps);
      if (!normed || !sum) throw new Error('internal: no norm');
      return [normed, sum];
    },
  };
}

function attend(
  g: Graph,
  c: ModelConfig,
  { rows, room, kinds }: StepShape,
  kind: LayerKind,
  layer: number,
  x: Value,
  parts: Parts,
  { before, positions, tables, room: whole }: Attention,
): Value {
  const { headDim, heads, kvHeads } = c;
  const table = tables.get(kind.rope);
  if (!table) throw new Error(`internal: no rotary table ${kind.rope}`);
  const wide = cachedDim(c);
  const project = (name: string, n: number) => {
    const y = parts.linear(x, `self_attn.${name}_proj`);
    if (!c.qkNorm || name === 'v') return y;
    return parts.norm(g.reshape(y, [rows, n, headDim]), `self_attn.${name}_norm`);
  };
  const turned = (y: Value, n: number) =>
    g.rotaryEmbedding(g.reshape(y, [rows, 1, n * headDim]), positions, table.cos, table.sin);
  const padded = (y: Value, n: number) => {
    if (wide === headDim) return g.reshape(y, [rows, 1, n * headDim]);
    const zeros = g.constant(new Float32Array(rows * n * (wide - headDim)), [rows, n, wide - headDim]);
    return g.reshape(g.concat([g.reshape(y, [rows, n, headDim]), zeros], 2), [rows, 1, n * wide]);
  };
  const cache = [rows, kvHeads, room, wide];
  const [out, keys, values] = g.cachedAttention(
    padded(turned(project('q', heads), heads), heads),
    padded(turned(project('k', kvHeads), kvHeads), kvHeads),
    padded(project('v', kvHeads), kvHeads),
    {
      keys: g.input(cachedKey(layer), 'float32', cache),
      values: g.input(cachedValue(layer), 'float32', cache),
    },
    before,
    whole,
    { heads, kvHeads, scale: c.attentionScale, window: kinds[layer]?.window ?? -1 },
  );
  if (!out || !keys || !values) throw new Error('internal: no attention');
  g.output(written(cachedKey(layer)), keys);
  g.output(written(cachedValue(layer)), values);
  if (wide === headDim) return g.reshape(out, [rows, heads * headDim]);
  return g.reshape(g.slice(g.reshape(out, [rows, heads, wide]), 2, 0, headDim), [rows, heads * headDim]);
}

/** Gated MLP, as in block.ts. */
function mlp(g: Graph, c: ModelConfig, x: Value, parts: Parts): Value {
  const gate = parts.linear(x, 'mlp.gate_proj');
  const active = c.activation === 'silu' ? g.quickGelu(gate, 1) : g.fastGelu(gate);
  return parts.linear(g.mul(active, parts.linear(x, 'mlp.up_proj')), 'mlp.down_proj');
}
