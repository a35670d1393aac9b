/** What a model's config.json comes to: sizes, and in what its family's decoder layers differ from others'. */
import * as v from 'valibot';
import { Fields, size } from './config-fields.ts';
import { FAMILIES, REFUSED } from './families.ts';
import { ModelError } from './model-error.ts';
import { excerpt } from './text.ts';

export { ModelError } from './model-error.ts';

/** How the frequencies of rotary positions are stretched; the forms of transformers' rope_type. */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequency: number;
      readonly highFrequency: number;
      /** Tokens. */
      readonly originalContext: number;
    };

/** One table of rotary positions. */
export interface RopeConfig {
  /** Base of the wavelengths. */
  readonly theta: number;
  readonly scaling: RopeScaling;
}

/** In what the layers of one model differ from one another. */
export interface LayerKind {
  /** Index into `ModelConfig.rope`. */
  readonly rope: number;
  /** How many tokens a token sees, itself included; null where it sees all before it. */
  readonly window: number | null;
}

/** What a family leaves open, as its table entry in families.ts reads it from config.json. */
export interface FamilyTraits {
  readonly rope: readonly RopeConfig[];
  /** One a layer. */
  readonly layerKinds: readonly LayerKind[];
  /** What queries are multiplied by before they meet keys. */
  readonly attentionScale: number;
  /** Projections (as in parameters.ts) that have a bias. */
  readonly biases: readonly string[];
  /** Queries and keys pass an RMSNorm over the head's dimension before they are rotated. */
  readonly qkNorm: boolean;
  /** Added to every norm's weight: 1 where the files hold its distance from 1. */
  readonly normOffset: 0 | 1;
  /** What attention and MLP give is normed once more before it is added. */
  readonly postNorms: boolean;
  readonly activation: 'silu' | 'gelu_tanh';
  /** What embeddings are multiplied by. */
  readonly embeddingScale: number;
  readonly tiedEmbeddings: boolean;
}

export interface ModelConfig extends FamilyTraits {
  /** Name of the model's class in transformers; one of families.ts. */
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly contextLength: number;
  readonly rmsNormEps: number;
}

/** The same model with its first layers only. */
export const truncatedConfig = (c: ModelConfig, layers: number): ModelConfig => ({
  ...c,
  layers,
  layerKinds: c.layerKinds.slice(0, layers),
});

/** Beyond what any model has; each layer has entries of its own in tables. */
const MOST_LAYERS = 10_000;

const supported = (): string => FAMILIES.map((f) => `${f.architecture} (${f.models})`).join(', ');

/**
 * @param value parsed config.json
 * @throws ModelError naming the field that stopped it
 */
export function parseModelConfig(value: unknown): ModelConfig {
  const f = Fields.of(value, 'config.json');
  const [architecture = ''] = f.get('architectures', v.pipe(v.array(v.string()), v.minLength(1)));
  const family = FAMILIES.find((known) => known.architecture === architecture);
  if (!family) {
    const name = excerpt(architecture, 100);
    const why = REFUSED.get(architecture) ?? '.';
    throw new ModelError(
      `config.json: the architecture ${name} is not supported${why} Supported: ${supported()}.`,
    );
  }
  const hiddenSize = f.get('hidden_size', size);
  const heads = f.get('num_attention_heads', size);
  const kvHeads = f.get('num_key_value_heads', size, heads);
  const headDim = f.get('head_dim', size, family.headDim ?? hiddenSize / heads);
  const contextLength = f.get('max_position_embeddings', size);
  if (heads % kvHeads !== 0)
    f.refuse('num_key_value_heads', `${kvHeads} does not divide num_attention_heads ${heads}`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    f.refuse('head_dim', `${headDim} is not an even whole number, as rotary positions need`);
  f.only('partial_rotary_factor', [1]);
  const sizes = {
    architecture,
    vocabSize: f.get('vocab_size', size),
    hiddenSize,
    intermediateSize: f.get('intermediate_size', size),
    layers: f.get('num_hidden_layers', v.pipe(size, v.maxValue(MOST_LAYERS))),
    heads,
    kvHeads,
    headDim,
    contextLength,
    rmsNormEps: f.get('rms_norm_eps', v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1e-6),
  };
  const traits = family.traits(f, sizes);
  return { ...sizes, ...traits, layerKinds: kindsWithin(traits.layerKinds, contextLength) };
}

/** The kinds where no sequence has more than so many tokens: a window that none reaches past is none. */
export function kindsWithin(kinds: readonly LayerKind[], tokens: number): LayerKind[] {
  return kinds.map((kind) =>
    kind.window !== null && kind.window >= tokens ? { ...kind, window: null } : kind,
  );
}

/** The kind of one layer. */
export function kindOf(kinds: readonly LayerKind[], layer: number): LayerKind {
  const kind = kinds[layer];
  if (!kind) throw new Error(`internal: no layer ${layer}`);
  return kind;
}

/** The windows that layers of these kinds have, each once. */
export function windowsOf(kinds: readonly LayerKind[]): (number | null)[] {
  return [...new Set(kinds.map(({ window }) => window))];
}

/** The rotary tables that layers of these kinds use, each once. */
export function ropesOf(kinds: readonly LayerKind[]): number[] {
  return [...new Set(kinds.map(({ rope }) => rope))];
}
