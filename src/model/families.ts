/**
 * The model families this project runs, one description each: what config.json leaves open, and in what the
 * decoder layer differs. Written from the published model definitions (transformers, models/*). To add one, add a
 * description here; its case in test/fixtures/family-configs.json and what it does in test/fixtures/reference_model.py
 * test it.
 */
import * as v from 'valibot';
import type { FamilyTraits, LayerKind, ModelConfig } from './config.ts';
import { type Fields, size } from './config-fields.ts';

/** What every config.json says in the same fields. */
type Sizes = Omit<ModelConfig, keyof FamilyTraits>;

export interface Family {
  /** Name of the class in config.json's `architectures`. */
  readonly architecture: string;
  /** Models that people know it by. */
  readonly models: string;
  /** llama.cpp's `general.architecture`. */
  readonly gguf: string;
  /** llama.cpp rotates neighbours of a head, not its halves: rows of queries and keys lie otherwise there. */
  readonly ggufInterleaved: boolean;
  /** Where head_dim is left out; else hidden_size / num_attention_heads. */
  readonly headDim?: number;
  traits(f: Fields, s: Sizes): FamilyTraits;
}

const ATTENTION = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];
const MLP = ['gate_proj', 'up_proj', 'down_proj'];

/** A layer without a window. */
const FULL: LayerKind = { rope: 0, window: null };

/** The decoder layer of Llama without biases (arXiv 2302.13971); families say what they change. */
const plain = (f: Fields, s: Sizes, layerKinds: readonly LayerKind[]): FamilyTraits => ({
  rope: [f.rope(10_000)],
  layerKinds,
  attentionScale: s.headDim ** -0.5,
  biases: [],
  qkNorm: false,
  normOffset: 0,
  postNorms: false,
  activation: 'silu',
  embeddingScale: 1,
  tiedEmbeddings: f.flag('tie_word_embeddings'),
});

const llama: Family = {
  architecture: 'LlamaForCausalLM',
  models: 'Llama 2 and 3, SmolLM2',
  gguf: 'llama',
  ggufInterleaved: true,
  traits: (f, s) => {
    f.only('hidden_act', ['silu']);
    f.only('rope_interleaved', [false]);
    const layers = f.layerTypes(s.layers, { full: FULL, sliding: null }, () => FULL);
    return {
      ...plain(f, s, layers),
      biases: [...(f.flag('attention_bias') ? ATTENTION : []), ...(f.flag('mlp_bias') ? MLP : [])],
    };
  },
};

/** Llama with a window over all layers (arXiv 2310.06825). */
const mistral: Family = {
  architecture: 'MistralForCausalLM',
  models: 'Mistral',
  gguf: 'llama',
  ggufInterleaved: true,
  traits: (f, s) => {
    f.only('hidden_act', ['silu']);
    const window = f.window(4096);
    const sliding = window === null ? null : { rope: 0, window };
    const layers = f.layerTypes(s.layers, { full: FULL, sliding }, () => sliding ?? FULL);
    return plain(f, s, layers);
  },
};

/** Windows of Qwen: the layers from max_window_layers on slide, where use_sliding_window is set. */
function qwenLayers(f: Fields, s: Sizes): FamilyTraits['layerKinds'] {
  const window = f.flag('use_sliding_window') ? f.window(4096) : null;
  const sliding = window === null ? null : { rope: 0, window };
  const first = f.get('max_window_layers', v.pipe(v.number(), v.integer(), v.minValue(0)), 28);
  return f.layerTypes(s.layers, { full: FULL, sliding }, (i) => (sliding && i >= first ? sliding : FULL));
}

/** Llama with biases on queries, keys and values (arXiv 2407.10671). */
const qwen2: Family = {
  architecture: 'Qwen2ForCausalLM',
  models: 'Qwen 2 and 2.5',
  gguf: 'qwen2',
  ggufInterleaved: false,
  traits: (f, s) => {
    f.only('hidden_act', ['silu']);
    f.only('use_mrope', [false]);
    return { ...plain(f, s, qwenLayers(f, s)), biases: ['q_proj', 'k_proj', 'v_proj'] };
  },
};

/** Llama with norms on every head's queries and keys (arXiv 2505.09388). */
const qwen3: Family = {
  architecture: 'Qwen3ForCausalLM',
  models: 'Qwen 3',
  gguf: 'qwen3',
  ggufInterleaved: false,
  headDim: 128,
  traits: (f, s) => {
    f.only('hidden_act', ['silu']);
    return {
      ...plain(f, s, qwenLayers(f, s)),
      biases: f.flag('attention_bias') ? ATTENTION : [],
      qkNorm: true,
    };
  },
};

/** Text models of Gemma 3 (arXiv 2503.19786): local layers with a window, and every sixth a global one. */
const gemma3: Family = {
  architecture: 'Gemma3ForCausalLM',
  models: 'Gemma 3 text: 270m, 1b',
  gguf: 'gemma3',
  ggufInterleaved: false,
  headDim: 256,
  traits: (f, s) => {
    f.only('hidden_activation', ['gelu_pytorch_tanh']);
    f.only('hidden_act', ['gelu_pytorch_tanh']);
    f.without('attn_logit_softcapping', 'capped scores are not supported');
    f.without('final_logit_softcapping', 'capped logits are not supported');
    f.only('use_bidirectional_attention', [false]);
    const parameters = f.inside('rope_parameters');
    const globalRope = parameters?.inside('full_attention')?.ropeParameters(1e6) ?? f.rope(1e6);
    const localRope = parameters?.inside('sliding_attention')?.ropeParameters(1e4) ?? {
      theta: f.get('rope_local_base_freq', v.pipe(v.number(), v.minValue(1)), 1e4),
      scaling: { kind: 'none' },
    };
    const sliding = { rope: 1, window: f.window(4096) };
    const pattern = f.get('sliding_window_pattern', size, f.get('_sliding_window_pattern', size, 6));
    const kind = (layer: number) => ((layer + 1) % pattern ? sliding : FULL);
    return {
      ...plain(f, s, f.layerTypes(s.layers, { full: FULL, sliding }, kind)),
      rope: [globalRope, localRope],
      attentionScale: f.get('query_pre_attn_scalar', v.pipe(v.number(), v.gtValue(0)), 256) ** -0.5,
      biases: f.flag('attention_bias') ? ATTENTION : [],
      qkNorm: true,
      normOffset: 1,
      postNorms: true,
      activation: 'gelu_tanh',
      embeddingScale: Math.sqrt(s.hiddenSize),
      tiedEmbeddings: f.flag('tie_word_embeddings', true),
    };
  },
};

export const FAMILIES: readonly Family[] = [llama, mistral, qwen2, qwen3, gemma3];

const MIXTURE = ': its mixture of experts is not built.';

/** Architectures that are near to one of these, and what they have more. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    'Gemma3ForConditionalGeneration',
    ': it also reads pictures. Of Gemma 3, take 270m or 1b, which read text alone.',
  ],
  ['Gemma2ForCausalLM', ': its capped logits are not built.'],
  ['MixtralForCausalLM', MIXTURE],
  ['Qwen2MoeForCausalLM', MIXTURE],
  ['Qwen3MoeForCausalLM', MIXTURE],
]);

/** @throws Error for a config that did not come from `parseModelConfig` */
export function familyOf({ architecture }: Pick<ModelConfig, 'architecture'>): Family {
  const family = FAMILIES.find((known) => known.architecture === architecture);
  if (!family) throw new Error(`internal: no family ${architecture}`);
  return family;
}
