/** Reading prompts: the keys and values of all their tokens, any number of prompts of one padded length at a time. */
import { Graph, type Value } from '../graph/index.ts';
import { decoderLayer, embed, type HeadValues, headValues, layerParts, MASKED, sees } from './block.ts';
import type { LayerKind, ModelConfig } from './config.ts';
import type { ModelValues } from './model-values.ts';
import { rotationInputs, rotationOf } from './rotation-inputs.ts';

/** Run-time sizes: tokens of all prompts together, and prompts. */
const TOKENS = 'tokens';
const PROMPTS = 'prompts';

/** How many prompts of a padded length are read in one run. */
export const promptsTogether = (length: number): number => Math.max(1, Math.floor(1024 / length));

export const keyName = (layer: number): string => `key${layer}`;
export const valueName = (layer: number): string => `value${layer}`;

/**
 * ids [prompts x P] int32 and their rotary tables [prompts x P, 1, headDim / 2] -> of every layer key{l}
 * [prompts, KV, D, P] (transposed, as a product with queries wants it) and value{l} [prompts, KV, P, D].
 *
 * Tokens of a prompt see no later ones, so what stands behind its end changes nothing of it.
 *
 * @param P tokens a prompt, padding included
 * @param kinds of the layers; without the windows that no prompt of this length reaches past
 * @param transposed whether keys are given as a product wants them, or as values are
 */
export function prefillGraph(
  c: ModelConfig,
  P: number,
  kinds: readonly LayerKind[],
  model: (g: Graph) => ModelValues,
  transposed: boolean,
): Graph {
  const g = new Graph();
  const parameters = model(g);
  const ids = g.input('ids', 'int32', [TOKENS]);
  const rotations = rotationInputs(g, c, kinds, [TOKENS, 1]);
  let x = embed(g, c, parameters.embedding, ids);
  kinds.forEach((kind, l) => {
    const parts = layerParts(g, c, parameters.layer(l));
    const rotation = rotationOf(rotations, kind);
    const kept = ({ k, v }: Pick<HeadValues, 'k' | 'v'>) => {
      const apart = (heads: Value) => g.reshape(heads, [PROMPTS, P, c.kvHeads, c.headDim]);
      const keys = g.transpose(apart(k), [0, 2, 3, 1]);
      const values = g.transpose(apart(v), [0, 2, 1, 3]);
      g.output(keyName(l), transposed ? keys : g.transpose(apart(k), [0, 2, 1, 3]));
      g.output(valueName(l), values);
      return { keys, values };
    };
    // Of the last layer nothing but keys and values is wanted.
    if (l === c.layers - 1) kept(headValues(g, c, x, rotation, parts));
    else {
      x = decoderLayer(g, c, x, rotation, parts, (heads) =>
        causalAttention(g, c, P, kind.window, heads.q, kept(heads)),
      );
    }
  });
  return g;
}

/** q [tokens, heads, D] against keys and values of its own prompt: [tokens, heads x D]. */
function causalAttention(
  g: Graph,
  c: ModelConfig,
  P: number,
  window: number | null,
  q: Value,
  { keys, values }: { keys: Value; values: Value },
): Value {
  const { kvHeads: KV, headDim: D } = c;
  const rep = c.heads / KV;
  // Query heads that share a key head lie in the rows of one product.
  const folded = g.transpose(g.reshape(q, [PROMPTS, P, KV, rep, D]), [0, 2, 3, 1, 4]);
  const scores = g.matmul(g.reshape(folded, [PROMPTS, KV, rep * P, D]), keys);
  const visible = Float32Array.from({ length: P * P }, (_, i) =>
    sees(Math.floor(i / P) - (i % P), window) ? 0 : MASKED,
  );
  const masked = g.add(g.reshape(scores, [PROMPTS, KV, rep, P, P]), g.constant(visible, [P, P]));
  const probs = g.reshape(g.softmax(masked), [PROMPTS, KV, rep * P, P]);
  const mixed = g.reshape(g.matmul(probs, values), [PROMPTS, KV, rep, P, D]);
  return g.reshape(g.transpose(mixed, [0, 3, 1, 2, 4]), [TOKENS, c.heads * D]);
}
