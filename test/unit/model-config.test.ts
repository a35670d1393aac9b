/** config.json as published models have it, and what is refused in it. */
import { describe, expect, test } from 'vitest';
import { SHAPES } from '../../scripts/lib/shapes.ts';
import { type ModelConfig, ModelError, parseModelConfig } from '../../src/model/config.ts';
import { elements, modelWeights } from '../../src/model/parameters.ts';
import configs from '../fixtures/family-configs.json' with { type: 'json' };

const parameters = (c: ModelConfig): number =>
  modelWeights(c).reduce((sum, { shape }) => sum + elements(shape), 0);

const MISTRAL_7B = {
  architectures: ['MistralForCausalLM'],
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 14_336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 32_768,
  sliding_window: 4096,
  tie_word_embeddings: false,
};
// In the form of its config.json, which lists no layers.
const { layer_types: _, ...gemma } = SHAPES['Gemma-3-270M'];
const GEMMA_3_1B = {
  ...gemma,
  hidden_size: 1152,
  intermediate_size: 6912,
  num_hidden_layers: 26,
  sliding_window_pattern: 6,
};

/** The number of weights that the models' pages give (a tied head counted once). */
const PUBLISHED: readonly [string, object, number][] = [
  ['SmolLM2-135M', SHAPES['SmolLM2-135M'], 134_515_008],
  ['SmolLM2-360M', SHAPES['SmolLM2-360M'], 361_821_120],
  ['Llama-3.2-1B', SHAPES['Llama-3.2-1B'], 1_235_814_400],
  ['Mistral-7B-v0.1', MISTRAL_7B, 7_241_732_096],
  ['Qwen2.5-0.5B', SHAPES['Qwen2.5-0.5B'], 494_032_768],
  ['Qwen3-0.6B', SHAPES['Qwen3-0.6B'], 596_049_920],
  ['Gemma-3-270M', SHAPES['Gemma-3-270M'], 268_098_176],
  ['Gemma-3-1B', GEMMA_3_1B, 999_885_952],
];

test.each(PUBLISHED)('%s has as many weights as published', (_, config, count) => {
  expect(parameters(parseModelConfig(config))).toBe(count);
});

describe('layers', () => {
  const windows = (config: object) => parseModelConfig(config).layerKinds.map(({ window }) => window);

  test('every sixth layer of Gemma 3 sees all, with a rotary base of its own', () => {
    const c = parseModelConfig(gemma);
    const full = c.layerKinds.flatMap(({ window }, i) => (window === null ? [i] : []));
    expect(full).toEqual([5, 11, 17]);
    expect(c.layerKinds.map(({ rope }) => c.rope[rope]?.theta).slice(4, 7)).toEqual([1e4, 1e6, 1e4]);
    expect([c.attentionScale, c.embeddingScale]).toEqual([1 / 16, Math.sqrt(640)]);
    const listed = { ...configs.gemma3, sliding_window: 4 };
    expect(windows(listed)).toEqual([4, null, 4]);
    const newer = {
      ...gemma,
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 5e5 },
        sliding_attention: { rope_type: 'default', rope_theta: 7e3 },
      },
    };
    expect(parseModelConfig(newer).rope).toEqual([
      { theta: 5e5, scaling: { kind: 'linear', factor: 8 } },
      { theta: 7e3, scaling: { kind: 'none' } },
    ]);
  });

  test('windows of Mistral: a number, none where it is null, 4096 where it is left out', () => {
    expect(new Set(windows(MISTRAL_7B))).toEqual(new Set([4096]));
    expect(new Set(windows({ ...MISTRAL_7B, sliding_window: null }))).toEqual(new Set([null]));
    const { sliding_window: _, ...without } = configs.mistral;
    expect(new Set(windows({ ...without, max_position_embeddings: 8192 }))).toEqual(new Set([4096]));
    // No sequence gets longer than the context, so a window of its length is none.
    expect(new Set(windows({ ...MISTRAL_7B, max_position_embeddings: 4096 }))).toEqual(new Set([null]));
  });

  test('Qwen slides from max_window_layers on, where use_sliding_window is set', () => {
    expect(windows(configs.qwen2)).toEqual([null, 4, 4]);
    expect(windows({ ...configs.qwen2, use_sliding_window: false })).toEqual([null, null, null]);
    const layer_types = ['sliding_attention', 'full_attention', 'full_attention'];
    expect(windows({ ...configs.qwen2, layer_types })).toEqual([4, null, null]);
  });
});

test('rotary positions are read wherever they stand', () => {
  const { rope_scaling: _, rope_theta: __, ...config } = configs.llama3;
  const rope = (change: object) => parseModelConfig({ ...config, ...change }).rope;
  const none = { kind: 'none' };
  expect(rope({})).toEqual([{ theta: 10_000, scaling: none }]);
  expect(rope({ rope_theta: 5000 })).toEqual([{ theta: 5000, scaling: none }]);
  expect(rope({ rope_parameters: { rope_theta: 5e5, rope_type: 'default' } })).toEqual([
    { theta: 5e5, scaling: none },
  ]);
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 };
  const scaling = { kind: 'llama3', factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 32 };
  expect(rope({ rope_parameters: { rope_theta: 5e5, rope_type: 'llama3', ...llama3 } })).toEqual([
    { theta: 5e5, scaling },
  ]);
  expect(rope({ rope_theta: 5000, rope_scaling: { type: 'llama3', ...llama3 } })).toEqual([
    { theta: 5000, scaling },
  ]);
});

const REFUSED: readonly [keyof typeof configs, object, string][] = [
  [
    'llama3',
    { architectures: ['PhiForCausalLM'] },
    'the architecture PhiForCausalLM is not supported. Supported: LlamaForCausalLM (Llama 2 and 3, SmolLM2), Mistral',
  ],
  [
    'gemma3',
    { architectures: ['Gemma3ForConditionalGeneration'] },
    'the architecture Gemma3ForConditionalGeneration is not supported: it also reads pictures',
  ],
  [
    'qwen3',
    { architectures: ['Qwen3MoeForCausalLM'] },
    'the architecture Qwen3MoeForCausalLM is not supported',
  ],
  [
    'llama3',
    { rope_scaling: { rope_type: 'yarn' } },
    'rope_scaling: rope_type: "yarn" is not supported, only "def',
  ],
  [
    'llama3',
    { rope_scaling: { type: 'dynamic', factor: 2 } },
    'rope_scaling: type: "dynamic" is not supported',
  ],
  [
    'llama3',
    { rope_scaling: { rope_type: 'llama3', factor: 2 } },
    'rope_scaling: low_freq_factor: it is missing',
  ],
  ['smollm2', { rope_parameters: { rope_type: 'longrope' } }, 'rope_parameters: rope_type: "longrope"'],
  ['smollm2', { rope_interleaved: true }, 'rope_interleaved: true is not supported, only false'],
  ['smollm2', { hidden_act: 'gelu' }, 'hidden_act: "gelu" is not supported, only "silu"'],
  ['smollm2', { partial_rotary_factor: 0.5 }, 'partial_rotary_factor: 0.5 is not supported, only 1'],
  ['llama3', { num_key_value_heads: 3 }, 'num_key_value_heads: 3 does not divide num_attention_heads 4'],
  ['llama3', { head_dim: 7 }, 'head_dim: 7 is not an even whole number'],
  ['llama3', { vocab_size: null }, 'vocab_size: it is missing'],
  ['mistral', { sliding_window: 0 }, 'sliding_window: '],
  [
    'qwen2',
    { layer_types: ['full_attention'] },
    'layer_types: it lists 1 layers, but num_hidden_layers is 3',
  ],
  [
    'qwen2',
    { layer_types: ['full_attention', 'chunked_attention', 'full_attention'] },
    'layer_types: "chunked_attention" of layer 1 is not supported, only "full_attention", "sliding_attention"',
  ],
  [
    'qwen3',
    { layer_types: ['full_attention', 'sliding_attention'] },
    'layer_types: layer 1 slides, but no sliding_window is in use',
  ],
  ['gemma3', { final_logit_softcapping: 30 }, 'final_logit_softcapping: 30: capped logits are not supported'],
  ['gemma3', { attn_logit_softcapping: 50 }, 'attn_logit_softcapping: 50: capped scores are not supported'],
  [
    'gemma3',
    { hidden_activation: 'gelu' },
    'hidden_activation: "gelu" is not supported, only "gelu_pytorch_tanh"',
  ],
  ['gemma3', { use_bidirectional_attention: true }, 'use_bidirectional_attention: true is not supported'],
];

test.each(REFUSED)('%s with %j is refused by name', (family, change, message) => {
  const parse = () => parseModelConfig({ ...configs[family], ...change });
  expect(parse).toThrow(ModelError);
  expect(parse).toThrow(`config.json: ${message}`);
});

test.each([null, [], 'x', 7])('%j is no config', (value) => {
  expect(() => parseModelConfig(value)).toThrow('config.json: it is not a JSON object');
});
