/**
 * The decoder block of the Llama architecture (arXiv 2302.13971), over groups: prompts with responses that see
 * only their prompt and themselves.
 *
 * Rows of every [rows, hidden] tensor: first G prompts of P tokens each, then G x R responses of L tokens each.
 * The last prompt token is *not* among the prompt's rows: it is the first row of every response, so that the
 * response rows are exactly those that predict a response token, and the head needs no gathering.
 */
import type { Graph, Value } from '../graph/index.ts';
import type { ModelConfig } from './config.ts';
import type { LoraConfig } from './parameters.ts';

/** Sizes of a padded micro-batch: G groups of one prompt (P rows) and R responses (L rows each). */
export interface Geometry {
  readonly groups: number;
  readonly promptRows: number;
  readonly responses: number;
  readonly responseRows: number;
}

export const promptTotal = (s: Geometry): number => s.groups * s.promptRows;
export const responseTotal = (s: Geometry): number => s.groups * s.responses * s.responseRows;
export const rowTotal = (s: Geometry): number => promptTotal(s) + responseTotal(s);
export const geometryKey = (s: Geometry): string =>
  `g${s.groups}p${s.promptRows}r${s.responses}l${s.responseRows}`;

/** Added to the scores of what a token must not see; finite, so that a fully masked row stays a number. */
export const MASKED = -1e9;

/** How a block gets at its parameters. */
export interface BlockWeights {
  /** A weight of the layer, e.g. 'self_attn.q_proj.weight' [out, in]. */
  weight(name: string): Value;
  /** LoRA of a projection, or null where it has none; A [r, in], B [out, r]. */
  lora(path: string): { a: Value; b: Value; scale: number } | null;
}

/** Weights of a layer found by name, with its adapter where there is one. */
export function blockWeights(tensors: ReadonlyMap<string, Value>, lora: LoraConfig | null): BlockWeights {
  return {
    weight: (name) => {
      const value = tensors.get(name);
      if (!value) throw new Error(`internal: no parameter ${name}`);
      return value;
    },
    lora: (path) => {
      const a = tensors.get(`${path}.lora_A.weight`);
      const b = tensors.get(`${path}.lora_B.weight`);
      return lora && a && b ? { a, b, scale: lora.alpha / lora.rank } : null;
    },
  };
}

/** x W^T, plus scale (x A^T) B^T where the projection has an adapter: [rows, in] -> [rows, out]. */
export function project(g: Graph, x: Value, path: string, weights: BlockWeights): Value {
  const y = g.gemm(x, weights.weight(`${path}.weight`), { transB: true });
  const lora = weights.lora(path);
  if (!lora) return y;
  const low = g.mul(g.gemm(x, lora.a, { transB: true }), lora.scale);
  return g.add(y, g.gemm(low, lora.b, { transB: true }));
}

/** x / sqrt(mean(x^2) + eps) * weight over the last axis (arXiv 1910.07467). */
export function rmsNorm(g: Graph, x: Value, weight: Value, eps: number): Value {
  const last = x.shape.length - 1;
  const width = x.shape[last];
  if (typeof width !== 'number') throw new Error('internal: rmsNorm needs a known width');
  const meanSquare = g.mul(g.reduceSum(g.mul(x, x), [last]), 1 / width);
  return g.mul(g.mul(x, g.div(1, g.sqrt(g.add(meanSquare, eps)))), weight);
}

/**
 * Rotary positions (arXiv 2104.09864, half-split form as in Hugging Face).
 *
 * @param x [rows, heads, headDim]
 * @param cos,sin [rows, 1, headDim / 2]
 */
export function rotate(g: Graph, x: Value, cos: Value, sin: Value): Value {
  const last = x.shape.length - 1;
  const half = Number(x.shape[last]) / 2;
  const [a, b] = g.split(x, last, [half, half]);
  if (!a || !b) throw new Error('internal: split in two');
  return g.concat([g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin))], last);
}

/** SwiGLU: down(silu(gate(x)) * up(x)). */
export function mlp(g: Graph, x: Value, weights: BlockWeights): Value {
  const gate = project(g, x, 'mlp.gate_proj', weights);
  const up = project(g, x, 'mlp.up_proj', weights);
  return project(g, g.mul(g.mul(gate, g.sigmoid(gate)), up), 'mlp.down_proj', weights);
}

/** Rotated queries and keys and the values of some rows: q [rows, heads, dim], k and v [rows, kvHeads, dim]. */
export function queriesKeysValues(
  g: Graph,
  c: ModelConfig,
  x: Value,
  cos: Value,
  sin: Value,
  weights: BlockWeights,
): { q: Value; k: Value; v: Value } {
  const rows = x.shape[0] ?? 0;
  const heads = (path: string, n: number) => g.reshape(project(g, x, path, weights), [rows, n, c.headDim]);
  return {
    q: rotate(g, heads('self_attn.q_proj', c.heads), cos, sin),
    k: rotate(g, heads('self_attn.k_proj', c.kvHeads), cos, sin),
    v: heads('self_attn.v_proj', c.kvHeads),
  };
}

/** Positions and masks of a micro-batch, shared by all layers. */
export interface Positions {
  /** [rows, 1, headDim / 2] */
  readonly cos: Value;
  readonly sin: Value;
  /** [G, 1, L, P + L]: 0 where a response token sees a key, MASKED where not. */
  readonly mask: Value;
}

/** What the prompt rows may see of one another: [P, P], causal. */
function causal(g: Graph, n: number): Value {
  const mask = Float32Array.from({ length: n * n }, (_, i) => (i % n > Math.floor(i / n) ? MASKED : 0));
  return g.constant(mask, [n, n]);
}

/** Rearrangements between rows [n x length, heads, dim] and batched matrices, for one head layout. */
export function headLayout(g: Graph, c: ModelConfig) {
  const { headDim: D, kvHeads: KV } = c;
  const rep = c.heads / KV;
  return {
    /**
     * Queries -> [n, KV, rep x length, D]: query heads that share a key head are folded into the rows of one
     * product, so that keys are not repeated and their gradients come out summed.
     */
    fold: (x: Value, n: number, length: number) =>
      g.reshape(g.transpose(g.reshape(x, [n, length, KV, rep, D]), [0, 2, 3, 1, 4]), [
        n,
        KV,
        rep * length,
        D,
      ]),
    /** The opposite, with heads joined: [n x length, heads x D]. */
    unfold: (x: Value, n: number, length: number) =>
      g.reshape(g.transpose(g.reshape(x, [n, KV, rep, length, D]), [0, 3, 1, 2, 4]), [
        n * length,
        c.heads * D,
      ]),
    /** Keys, transposed for the product: [n, KV, D, length]. */
    keys: (x: Value, n: number, length: number) =>
      g.transpose(g.reshape(x, [n, length, KV, D]), [0, 2, 3, 1]),
    /** Values: [n, KV, length, D]. */
    values: (x: Value, n: number, length: number) =>
      g.transpose(g.reshape(x, [n, length, KV, D]), [0, 2, 1, 3]),
  };
}

/** Causal attention of G prompts of P rows among themselves; q scaled. -> [G x P, heads x D] */
export function promptAttention(
  g: Graph,
  c: ModelConfig,
  G: number,
  P: number,
  q: Value,
  keys: Value,
  values: Value,
): Value {
  const rep = c.heads / c.kvHeads;
  const layout = headLayout(g, c);
  const scores = g.matmul(layout.fold(q, G, P), keys);
  const masked = g.add(g.reshape(scores, [G * c.kvHeads, rep, P, P]), causal(g, P));
  const probs = g.reshape(g.softmax(masked), [G, c.kvHeads, rep * P, P]);
  return layout.unfold(g.matmul(probs, values), G, P);
}

/** The group attention: [rows, heads, dim] queries against their own keys and values. */
function groupAttention(
  g: Graph,
  c: ModelConfig,
  s: Geometry,
  { q, k, v }: { q: Value; k: Value; v: Value },
  mask: Value,
): Value {
  const { groups: G, promptRows: P, responses: R, responseRows: L } = s;
  const { headDim: D, kvHeads: KV } = c;
  const rep = c.heads / KV;
  const parts = [promptTotal(s), responseTotal(s)];
  const cut = (x: Value): [Value, Value] => {
    const [prompt, response] = g.split(x, 0, parts);
    if (!prompt || !response) throw new Error('internal: split in two');
    return [prompt, response];
  };
  const [qp, qr] = cut(g.mul(q, 1 / Math.sqrt(D)));
  const [kp, kr] = cut(k);
  const [vp, vr] = cut(v);
  const layout = headLayout(g, c);
  /** The prompt's keys or values, once for each of its responses. */
  const share = (x: Value, a: number, b: number) =>
    g.reshape(g.expand(g.reshape(x, [G, 1, KV * a * b]), [G, R, KV * a * b]), [G * R, KV, a, b]);

  const promptKeys = layout.keys(kp, G, P);
  const promptValues = layout.values(vp, G, P);
  const promptOut = promptAttention(g, c, G, P, qp, promptKeys, promptValues);

  const keys = g.concat([share(promptKeys, D, P), layout.keys(kr, G * R, L)], 3);
  const values = g.concat([share(promptValues, P, D), layout.values(vr, G * R, L)], 2);
  const scores = g.matmul(layout.fold(qr, G * R, L), keys);
  const masked = g.add(g.reshape(scores, [G, R * KV * rep, L, P + L]), mask);
  const probs = g.reshape(g.softmax(masked), [G * R, KV, rep * L, P + L]);
  const responseOut = layout.unfold(g.matmul(probs, values), G * R, L);
  return g.concat([promptOut, responseOut], 0);
}

/** One decoder layer over a micro-batch: x [rows, hidden] -> [rows, hidden]. */
export function block(
  g: Graph,
  c: ModelConfig,
  s: Geometry,
  x: Value,
  positions: Positions,
  weights: BlockWeights,
): Value {
  const normed = rmsNorm(g, x, weights.weight('input_layernorm.weight'), c.rmsNormEps);
  const qkv = queriesKeysValues(g, c, normed, positions.cos, positions.sin, weights);
  const attended = groupAttention(g, c, s, qkv, positions.mask);
  const h = g.add(x, project(g, attended, 'self_attn.o_proj', weights));
  const normed2 = rmsNorm(g, h, weights.weight('post_attention_layernorm.weight'), c.rmsNormEps);
  return g.add(h, mlp(g, normed2, weights));
}
