/**
 * The layers of block.ts in as few operators as there are for them, for decoding on WASM: with small models an operator
 * costs more by being called than by what it computes. Nothing here has a gradient.
 */
import type { Graph, Value } from '../graph/index.ts';
import { layerParts } from './block.ts';
import type { ModelConfig } from './config.ts';
import type { ModelValues } from './model-values.ts';
import { FINAL_NORM, hasBias, layerName, projections } from './parameters.ts';

/** A model's parameters as the fused layers ask for them. */
export interface FusedValues {
  /** Some of a layer's projections of x [rows, in], side by side: [rows, sum of their sizes]. */
  project(g: Graph, layer: number, x: Value, paths: readonly string[]): Value;
  /** Weight of a norm as it is multiplied by; of a layer, e.g. 'input_layernorm', or of the model. */
  norm(name: string): Value;
  /** Whether queries come out of their projection, or their norm, as they meet keys: scaled. */
  readonly scaled: boolean;
}

const Q = 'self_attn.q_proj';
const K = 'self_attn.k_proj';
const V = 'self_attn.v_proj';
const O = 'self_attn.o_proj';
const GATE = 'mlp.gate_proj';
const UP = 'mlp.up_proj';
const DOWN = 'mlp.down_proj';
const Q_NORM = 'self_attn.q_norm.weight';

/** Parameters that are handed in, in whatever form: a projection each. `outer` is where they are inputs. */
export function separateValues(outer: Graph, c: ModelConfig, model: ModelValues): FusedValues {
  const norms = new Map<string, Value>();
  return {
    scaled: false,
    project: (g, layer, x, paths) => {
      const parts = layerParts(g, c, model.layer(layer));
      const each = paths.map((path) => parts.linear(x, path));
      return g.concat(each, 1);
    },
    norm: (name) => {
      const known = norms.get(name);
      if (known) return known;
      const [, layer = '', own = ''] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
      const weight = name === FINAL_NORM ? model.norm : model.layer(Number(layer)).weight(own);
      const value = c.normOffset ? outer.add(weight, c.normOffset) : weight;
      norms.set(name, value);
      return value;
    },
  };
}

/** Float32 parameters built into the graph: projections of one input are one matrix. */
export function joinedValues(
  outer: Graph,
  c: ModelConfig,
  weight: (name: string) => Float32Array,
): FusedValues {
  const values = new Map<string, Value>();
  const constant = (name: string, make: () => { data: Float32Array; shape: number[] }): Value => {
    const known = values.get(name);
    if (known) return known;
    const { data, shape } = make();
    const value = outer.constant(data, shape, `joined.${name}`);
    values.set(name, value);
    return value;
  };
  const sizes = new Map(projections(c).map((p) => [p.path, p]));
  /** Queries meet keys scaled: where they are not normed, by their projection. */
  const factor = (path: string): number => (path === Q && !c.qkNorm ? c.attentionScale : 1);
  const joined = (layer: number, paths: readonly string[], part: 'weight' | 'bias'): Float32Array => {
    const all = paths.map((path) => {
      const { out = 0, in: inner = 0 } = sizes.get(path) ?? {};
      if (part === 'bias' && !hasBias(c, path)) return new Float32Array(out);
      const data = weight(layerName(layer, `${path}.${part}`));
      if (data.length !== out * (part === 'bias' ? 1 : inner)) throw new Error(`internal: size of ${path}`);
      return factor(path) === 1 ? data : data.map((x) => x * factor(path));
    });
    const [only] = all;
    if (all.length === 1 && only) return only;
    const result = new Float32Array(all.reduce((sum, data) => sum + data.length, 0));
    let at = 0;
    for (const data of all) {
      result.set(data, at);
      at += data.length;
    }
    return result;
  };
  return {
    scaled: true,
    project: (g, layer, x, paths) => {
      const name = layerName(layer, paths.join('+'));
      const inner = sizes.get(paths[0] ?? '')?.in ?? 0;
      const matrix = constant(name, () => {
        const data = joined(layer, paths, 'weight');
        return { data, shape: [data.length / inner, inner] };
      });
      const y = g.gemm(x, matrix, { transB: true });
      if (!paths.some((path) => hasBias(c, path))) return y;
      const bias = constant(`${name}.bias`, () => {
        const data = joined(layer, paths, 'bias');
        return { data, shape: [data.length] };
      });
      return g.add(y, bias);
    },
    norm: (name) =>
      constant(name, () => {
        const scale = name.endsWith(Q_NORM) ? c.attentionScale : 1;
        const data = weight(name).map((x) => (x + c.normOffset) * scale);
        return { data, shape: [data.length] };
      }),
  };
}

/** A token's heads a row, [rows, ..., heads x D] each: q rotated and scaled, k rotated. */
export interface RowHeads {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

export interface Rotary {
  /** [rows, 1] int64 */
  readonly positions: Value;
  /** [positions, headDim / 2] */
  readonly cos: Value;
  readonly sin: Value;
}

/** All layers and the last norm over x [rows, hidden]. */
export function fusedLayers(
  g: Graph,
  c: ModelConfig,
  values: FusedValues,
  embedded: Value,
  rotary: (layer: number) => Rotary,
  attend: (layer: number, heads: RowHeads) => Value,
): Value {
  const norm = (y: Value, weight: Value) => g.fusedNorm(y, weight, c.rmsNormEps);
  const own = (layer: number, name: string) => values.norm(layerName(layer, `${name}.weight`));
  /** The sum of what was and what is added, and the norm of it. */
  const add = (x: Value, y: Value, weight: Value): [Value, Value] => {
    const [normed, sum] = g.addNorm(x, y, weight, c.rmsNormEps);
    if (!normed || !sum) throw new Error('internal: two results expected');
    return [normed, sum];
  };
  let x = embedded;
  let normed = norm(x, own(0, 'input_layernorm'));
  for (let l = 0; l < c.layers; l++) {
    const heads = fusedHeads(g, c, values, l, normed, rotary(l));
    const attended = values.project(g, l, attend(l, heads), [O]);
    const first = c.postNorms ? norm(attended, own(l, 'post_attention_layernorm')) : attended;
    const before = own(l, c.postNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm');
    [normed, x] = add(x, first, before);
    const out = fusedMlp(g, c, values, l, normed);
    const second = c.postNorms ? norm(out, own(l, 'post_feedforward_layernorm')) : out;
    [normed, x] = add(x, second, l + 1 < c.layers ? own(l + 1, 'input_layernorm') : values.norm(FINAL_NORM));
  }
  return normed;
}

function fusedHeads(
  g: Graph,
  c: ModelConfig,
  values: FusedValues,
  layer: number,
  x: Value,
  { positions, cos, sin }: Rotary,
): RowHeads {
  const [rows = 0] = x.shape;
  const [nq, nk] = [c.heads * c.headDim, c.kvHeads * c.headDim];
  const all = values.project(g, layer, x, [Q, K, V]);
  const rotate = (y: Value, width: number) =>
    g.rotaryEmbedding(g.reshape(y, [rows, 1, width]), positions, cos, sin);
  const scaled = (q: Value) => (values.scaled ? q : g.mul(q, c.attentionScale));
  if (!c.qkNorm) {
    const [qk, v] = two(g.split(all, 1, [nq + nk, nk]));
    const [q, k] = two(g.split(rotate(qk, nq + nk), 2, [nq, nk]));
    return { q: scaled(q), k, v };
  }
  const [q, k, v] = g.split(all, 1, [nq, nk, nk]);
  if (!q || !k || !v) throw new Error('internal: split in three');
  const normed = (y: Value, n: number, name: string) => {
    const weight = values.norm(layerName(layer, `self_attn.${name}_norm.weight`));
    return g.fusedNorm(g.reshape(y, [rows, n, c.headDim]), weight, c.rmsNormEps);
  };
  return { q: scaled(rotate(normed(q, c.heads, 'q'), nq)), k: rotate(normed(k, c.kvHeads, 'k'), nk), v };
}

function fusedMlp(g: Graph, c: ModelConfig, values: FusedValues, layer: number, x: Value): Value {
  const n = c.intermediateSize;
  const [gate, up] = two(g.split(values.project(g, layer, x, [GATE, UP]), 1, [n, n]));
  const active = c.activation === 'silu' ? g.quickGelu(gate, 1) : g.fastGelu(gate);
  return values.project(g, layer, g.mul(active, up), [DOWN]);
}

function two([a, b]: readonly Value[]): [Value, Value] {
  if (!a || !b) throw new Error('internal: two results expected');
  return [a, b];
}
