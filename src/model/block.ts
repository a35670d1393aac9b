/**
 * The decoder layer that all families share, and its attention over groups: prompts with responses that see only
 * their prompt and themselves.
 *
 * Rows of every [rows, hidden] tensor: first G prompts of P tokens each, then G x R lanes of L rows each, of one
 * response or of several short ones.
 * The last prompt token is *not* among the prompt's rows: it is the first row of every response, so that the
 * response rows are exactly those that predict a response token, and the head needs no gathering.
 */
import type { Graph, Value } from '../graph/index.ts';
import type { LayerKind, ModelConfig } from './config.ts';
import { denseMatrix, type Matrix } from './matrix.ts';
import { hasBias, type LoraConfig } from './parameters.ts';

/** Sizes of a padded micro-batch: G groups of one prompt (P rows) and R lanes (L rows each) for its responses. */
export interface Geometry {
  readonly groups: number;
  readonly promptRows: number;
  readonly lanes: number;
  readonly laneRows: number;
  /** Whether a lane holds several responses: each lane has a mask of its own then. */
  readonly shared: boolean;
}

export const promptTotal = (s: Geometry): number => s.groups * s.promptRows;
export const responseTotal = (s: Geometry): number => s.groups * s.lanes * s.laneRows;
export const rowTotal = (s: Geometry): number => promptTotal(s) + responseTotal(s);
export const geometryKey = (s: Geometry): string =>
  `g${s.groups}p${s.promptRows}r${s.lanes}l${s.laneRows}${s.shared ? 's' : ''}`;
/** A mask a group, or one a lane: [G or G x R, 1, L, P + L]. */
export const maskShape = (s: Geometry): [number, number, number, number] => [
  s.groups * (s.shared ? s.lanes : 1),
  1,
  s.laneRows,
  s.promptRows + s.laneRows,
];

/** Added to the scores of what a token must not see; finite, so that a fully masked row stays a number. */
export const MASKED = -1e9;

/** How a block gets at its parameters. */
export interface BlockWeights {
  /** A weight of the layer that is a vector, e.g. 'input_layernorm.weight'. */
  weight(name: string): Value;
  /** One that is a matrix, e.g. 'self_attn.q_proj.weight' [out, in]. */
  matrix(name: string): Matrix;
  /** LoRA of a projection, or null where it has none; A [r, in], B [out, r]. */
  lora(path: string): { a: Value; b: Value; scale: number } | null;
}

/**
 * Weights of a layer found by name, with its adapter where there is one.
 *
 * @param matrices frozen ones, in the form they are kept in; others are among the tensors
 */
export function blockWeights(
  tensors: ReadonlyMap<string, Value>,
  lora: LoraConfig | null,
  matrices: ReadonlyMap<string, Matrix> = new Map(),
): BlockWeights {
  const weight = (name: string): Value => {
    const value = tensors.get(name);
    if (!value) throw new Error(`internal: no parameter ${name}`);
    return value;
  };
  return {
    weight,
    matrix: (name) => matrices.get(name) ?? denseMatrix(weight(name)),
    lora: (path) => {
      const a = tensors.get(`${path}.lora_A.weight`);
      const b = tensors.get(`${path}.lora_B.weight`);
      return lora && a && b ? { a, b, scale: lora.alpha / lora.rank } : null;
    },
  };
}

/** What a decoder layer is made of, however its weights are held. */
export interface LayerParts {
  /** A projection of the last axis, bias and adapter included. */
  linear(x: Value, path: string): Value;
  /** A weight of one dimension, e.g. 'input_layernorm.weight'. */
  vector(name: string): Value;
}

/** The parts over rows [rows, width]: x W^T, plus scale (x A^T) B^T with an adapter, plus the bias. */
export function layerParts(g: Graph, c: ModelConfig, weights: BlockWeights): LayerParts {
  return {
    linear: (x, path) => {
      const y = weights.matrix(`${path}.weight`).times(g, x);
      const lora = weights.lora(path);
      const low = lora && g.mul(g.gemm(x, lora.a, { transB: true }), lora.scale);
      const adapted = lora && low ? g.add(y, g.gemm(low, lora.b, { transB: true })) : y;
      return hasBias(c, path) ? g.add(adapted, weights.weight(`${path}.bias`)) : adapted;
    },
    vector: (name) => weights.weight(name),
  };
}

/** x / sqrt(mean(x^2) + eps) * (offset + weight) over the last axis (arXiv 1910.07467). */
export function rmsNorm(g: Graph, c: ModelConfig, x: Value, weight: Value): Value {
  const last = x.shape.length - 1;
  const width = x.shape[last];
  if (typeof width !== 'number') throw new Error('internal: rmsNorm needs a known width');
  const meanSquare = g.mul(g.reduceSum(g.mul(x, x), [last]), 1 / width);
  const scale = c.normOffset ? g.add(weight, c.normOffset) : weight;
  return g.mul(g.mul(x, g.div(1, g.sqrt(g.add(meanSquare, c.rmsNormEps)))), scale);
}

/** Rows of the table [vocabulary, hidden], as the first layer takes them: [...ids, hidden]. */
export function embed(g: Graph, c: ModelConfig, table: Matrix, ids: Value): Value {
  const x = table.rows(g, ids);
  return c.embeddingScale === 1 ? x : g.mul(x, c.embeddingScale);
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

/** x sigmoid(x), or GELU's approximation x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (arXiv 1606.08415). */
function activate(g: Graph, c: ModelConfig, x: Value): Value {
  if (c.activation === 'silu') return g.mul(x, g.sigmoid(x));
  const inner = g.mul(g.add(x, g.mul(g.mul(g.mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return g.mul(g.mul(x, 0.5), g.add(g.tanh(inner), 1));
}

/** Gated MLP (arXiv 2002.05202): down(activation(gate(x)) * up(x)). */
function mlp(g: Graph, c: ModelConfig, x: Value, parts: LayerParts): Value {
  const gate = activate(g, c, parts.linear(x, 'mlp.gate_proj'));
  return parts.linear(g.mul(gate, parts.linear(x, 'mlp.up_proj')), 'mlp.down_proj');
}

/** One table of rotary positions for some rows: [..., 1, headDim / 2] each. */
export interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
}

/** Rotated queries (scaled) and keys, and values: q [..., heads, dim], k and v [..., kvHeads, dim]. */
export interface HeadValues {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** The first half of a layer's attention: from x [..., hidden] to its heads. */
export function headValues(
  g: Graph,
  c: ModelConfig,
  x: Value,
  { cos, sin }: Rotation,
  parts: LayerParts,
): HeadValues {
  const normed = rmsNorm(g, c, x, parts.vector('input_layernorm.weight'));
  const heads = (path: string, n: number) =>
    g.reshape(parts.linear(normed, `self_attn.${path}_proj`), [...x.shape.slice(0, -1), n, c.headDim]);
  const norm = (y: Value, name: string) =>
    c.qkNorm ? rmsNorm(g, c, y, parts.vector(`self_attn.${name}_norm.weight`)) : y;
  return {
    q: g.mul(rotate(g, norm(heads('q', c.heads), 'q'), cos, sin), c.attentionScale),
    k: rotate(g, norm(heads('k', c.kvHeads), 'k'), cos, sin),
    v: heads('v', c.kvHeads),
  };
}

/**
 * One decoder layer: x [..., hidden] -> [..., hidden].
 *
 * @param attend from heads to [..., heads x dim]: who sees whom
 */
export function decoderLayer(
  g: Graph,
  c: ModelConfig,
  x: Value,
  rotation: Rotation,
  parts: LayerParts,
  attend: (heads: HeadValues) => Value,
): Value {
  const norm = (y: Value, name: string) => rmsNorm(g, c, y, parts.vector(`${name}.weight`));
  const attended = parts.linear(attend(headValues(g, c, x, rotation, parts)), 'self_attn.o_proj');
  if (!c.postNorms) {
    const h = g.add(x, attended);
    return g.add(h, mlp(g, c, norm(h, 'post_attention_layernorm'), parts));
  }
  const h = g.add(x, norm(attended, 'post_attention_layernorm'));
  const out = mlp(g, c, norm(h, 'pre_feedforward_layernorm'), parts);
  return g.add(h, norm(out, 'post_feedforward_layernorm'));
}

/** Whether a token sees one so many places before it (negative: after it). */
export const sees = (distance: number, window: number | null): boolean =>
  distance >= 0 && (window === null || distance < window);

/** What the prompt rows may see of one another: [P, P]. */
function causal(g: Graph, n: number, window: number | null): Value {
  const mask = Float32Array.from({ length: n * n }, (_, i) =>
    sees(Math.floor(i / n) - (i % n), window) ? 0 : MASKED,
  );
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

/** Causal attention of G prompts of P rows among themselves. -> [G x P, heads x D] */
export function promptAttention(
  g: Graph,
  c: ModelConfig,
  { groups: G, promptRows: P }: { readonly groups: number; readonly promptRows: number },
  window: number | null,
  { q, keys, values }: { q: Value; keys: Value; values: Value },
): Value {
  const rep = c.heads / c.kvHeads;
  const layout = headLayout(g, c);
  const scores = g.matmul(layout.fold(q, G, P), keys);
  const masked = g.add(g.reshape(scores, [G * c.kvHeads, rep, P, P]), causal(g, P, window));
  const probs = g.reshape(g.softmax(masked), [G, c.kvHeads, rep * P, P]);
  return layout.unfold(g.matmul(probs, values), G, P);
}

/**
 * The group attention: queries of all rows against their prompt's and their own keys.
 *
 * @param mask of `maskShape`: 0 where a response token sees a key, MASKED where not
 */
export function groupAttention(
  g: Graph,
  c: ModelConfig,
  s: Geometry,
  { window }: LayerKind,
  { q, k, v }: HeadValues,
  mask: Value,
): Value {
  const { groups: G, promptRows: P, lanes: R, laneRows: L } = s;
  const { headDim: D, kvHeads: KV } = c;
  const rep = c.heads / KV;
  const parts = [promptTotal(s), responseTotal(s)];
  const cut = (x: Value): [Value, Value] => {
    const [prompt, response] = g.split(x, 0, parts);
    if (!prompt || !response) throw new Error('internal: split in two');
    return [prompt, response];
  };
  const [qp, qr] = cut(q);
  const [kp, kr] = cut(k);
  const [vp, vr] = cut(v);
  const layout = headLayout(g, c);
  /** The prompt's keys or values, once for each of its lanes. */
  const share = (x: Value, a: number, b: number) =>
    g.reshape(g.expand(g.reshape(x, [G, 1, KV * a * b]), [G, R, KV * a * b]), [G * R, KV, a, b]);

  const promptKeys = layout.keys(kp, G, P);
  const promptValues = layout.values(vp, G, P);
  const promptOut = promptAttention(g, c, s, window, { q: qp, keys: promptKeys, values: promptValues });

  const keys = g.concat([share(promptKeys, D, P), layout.keys(kr, G * R, L)], 3);
  const values = g.concat([share(promptValues, P, D), layout.values(vr, G * R, L)], 2);
  const scores = g.matmul(layout.fold(qr, G * R, L), keys);
  const [masks] = maskShape(s);
  const masked = g.add(g.reshape(scores, [masks, (G * R * KV * rep) / masks, L, P + L]), mask);
  const probs = g.reshape(g.softmax(masked), [G * R, KV, rep * L, P + L]);
  const responseOut = layout.unfold(g.matmul(probs, values), G * R, L);
  return g.concat([promptOut, responseOut], 0);
}
