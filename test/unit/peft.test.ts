import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LoraModule, loraModules, namedAdapter, uniformAdapter } from '../../src/model/adapter.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { initialAdapter, mergeLora, projections, TARGETS } from '../../src/model/parameters.ts';
import { PeftError, readPeft, writePeft } from '../../src/model/peft.ts';
import { stream } from '../../src/model/random.ts';
import { type NamedArray, type SafetensorsType, writeSafetensors } from '../../src/model/safetensors.ts';

const model = parseModelConfig({
  architectures: ['LlamaForCausalLM'],
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
});

/** Multiples of 1/8: exact in half precision and bfloat16 too. */
const eighths = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 7 + seed * 13) % 31) - 15) / 8);

const size = (target: string) =>
  projections(model).find((p) => p.target === target) ?? { path: '', in: 0, out: 0 };

/** A and B of one module under another tool's name for it. */
function pair(layer: number, target: string, rank: number, rename = (name: string) => name): NamedArray[] {
  const { path, in: inner, out } = size(target);
  const name = (side: string) => rename(`base_model.model.model.layers.${layer}.${path}.lora_${side}.weight`);
  return [
    { name: name('A'), shape: [rank, inner], data: eighths(rank * inner, layer) },
    { name: name('B'), shape: [out, rank], data: eighths(out * rank, layer + 5) },
  ];
}

const settings = (change: Record<string, unknown>) =>
  JSON.stringify({
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: 2,
    lora_alpha: 4,
    target_modules: ['q_proj'],
    ...change,
  });
const file = (tensors: readonly NamedArray[], dtype: SafetensorsType = 'F32') =>
  writeSafetensors(tensors, { format: 'pt' }, dtype);

/** What a module adds to its weight. */
const delta = (m: LoraModule) => mergeLora(new Float32Array(m.out * m.in), m.a, m.b, m);

function deltas(modules: readonly LoraModule[]): Map<string, number[]> {
  return new Map(modules.map((m) => [`${m.layer} ${m.target}`, [...delta(m)]]));
}

describe('writing and reading back', () => {
  test.each<[string, readonly string[]]>([
    ['one target', ['q_proj']],
    ['all seven', TARGETS],
  ])('%s: the same weights', (_, targets) => {
    const lora = { rank: 2, alpha: 4, targets };
    const weights = initialAdapter(model, lora, stream(1, 'peft')).map((v) => v.map((x, i) => x + i / 64));
    const { config, model: bytes } = writePeft({
      baseModel: 'some/model',
      lora,
      tensors: namedAdapter(model, lora, weights),
    });
    const read = readPeft(config, bytes);
    expect(read.baseModel).toBe('some/model');
    expect(uniformAdapter(model, read.modules)).toEqual({ lora, weights });
  });

  test('the config says what PEFT must know, the tensors have its names', () => {
    const lora = { rank: 2, alpha: 4, targets: ['q_proj'] };
    const tensors = namedAdapter(model, lora, initialAdapter(model, lora, stream(1, 'peft')));
    expect(JSON.parse(writePeft({ baseModel: 'some/model', lora, tensors }).config)).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      r: 2,
      lora_alpha: 4,
      lora_dropout: 0,
      bias: 'none',
      target_modules: ['q_proj'],
      base_model_name_or_path: 'some/model',
      inference_mode: true,
    });
    expect(tensors.slice(0, 2).map(({ name, shape }) => [name, shape])).toEqual([
      ['base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', [2, 8]],
      ['base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight', [8, 2]],
    ]);
  });
});

describe("others' adapters", () => {
  test.each<[string, (name: string) => string]>([
    ['as PEFT saves', (name) => name],
    ["with the adapter's name", (name) => name.replace('.weight', '.default.weight')],
    ['without the wrapper', (name) => name.replace('base_model.model.', '')],
    ['from distributed training', (name) => `module.${name}`],
  ])('names %s', (_, rename) => {
    const { modules } = readPeft(settings({}), file(pair(1, 'q_proj', 2, rename)));
    expect(modules).toMatchObject([{ layer: 1, target: 'q_proj', rank: 2, scale: 2 }]);
  });

  test.each<SafetensorsType>(['F32', 'F16', 'BF16'])('stored as %s', (dtype) => {
    const tensors = pair(0, 'q_proj', 2);
    const [module] = readPeft(settings({}), file(tensors, dtype)).modules;
    expect([module?.a, module?.b]).toEqual(tensors.map(({ data }) => data));
  });

  test.each<[string, Record<string, unknown>]>([
    ['"all-linear"', { target_modules: 'all-linear' }],
    ['a regular expression', { target_modules: '.*\\.(self_attn|mlp)\\.(q|v|down)_proj' }],
    ['paths', { target_modules: ['self_attn.q_proj', 'model.layers.2.self_attn.v_proj', 'mlp.down_proj'] }],
    ['some layers only', { target_modules: ['q_proj', 'v_proj', 'down_proj'], layers_to_transform: [1, 2] }],
  ])('targets given as %s', (_, change) => {
    const tensors = [...pair(1, 'q_proj', 2), ...pair(2, 'v_proj', 2), ...pair(2, 'down_proj', 2)];
    const { modules } = readPeft(settings(change), file(tensors));
    expect(modules.map((m) => `${m.layer} ${m.target}`)).toEqual(['1 q_proj', '2 v_proj', '2 down_proj']);
  });

  test('patterns of ranks and alphas, the first that matches counting', () => {
    const change = {
      target_modules: ['q_proj', 'v_proj'],
      rank_pattern: { 'layers.0.self_attn.q_proj': 4, v_proj: 1 },
      alpha_pattern: { '^model\\.layers\\.0\\.self_attn\\.q_proj$': 32 },
    };
    const tensors = [...pair(0, 'q_proj', 4), ...pair(1, 'q_proj', 2), ...pair(0, 'v_proj', 1)];
    const { modules } = readPeft(settings(change), file(tensors));
    expect(modules.map(({ rank, scale }) => [rank, scale])).toEqual([
      [4, 8],
      [2, 2],
      [1, 4],
    ]);
  });

  test('rank stabilisation scales by the root of the rank', () => {
    const { modules } = readPeft(
      settings({ use_rslora: true, r: 4, lora_alpha: 6 }),
      file(pair(0, 'q_proj', 4)),
    );
    expect(modules[0]?.scale).toBe(3);
  });

  test('mixed ranks, scales and missing modules become one LoraConfig that adds the same', () => {
    const change = {
      target_modules: 'all-linear',
      rank_pattern: { q_proj: 4, down_proj: 1 },
      alpha_pattern: { down_proj: 16 },
    };
    const tensors = [
      ...TARGETS.flatMap((t) => pair(0, t, t === 'q_proj' ? 4 : t === 'down_proj' ? 1 : 2)),
      ...pair(2, 'q_proj', 4),
    ];
    const { modules } = readPeft(settings(change), file(tensors));
    const { lora, weights } = uniformAdapter(model, modules);
    expect(lora).toEqual({ rank: 4, alpha: 8, targets: [...TARGETS] });
    const before = deltas(modules);
    const after = deltas(loraModules(model, lora, weights));
    for (const [place, values] of after) {
      // Scales are powers of two here, so nothing is rounded. (-0 and 0 are the same weight.)
      expect(
        values.map((x) => x + 0),
        place,
      ).toEqual((before.get(place) ?? values.map(() => 0)).map((x) => x + 0));
    }
    expect(after.size).toBe(3 * 7);
  });

  test('any ranks and alphas: what is added agrees to rounding', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.double({ min: 0.1, max: 64, noNaN: true })), {
          minLength: 3,
          maxLength: 3,
        }),
        (choices) => {
          const tensors = choices.flatMap(([rank], layer) => pair(layer, 'k_proj', rank));
          const key = (layer: number) => `layers.${layer}.self_attn.k_proj`;
          const change = {
            target_modules: ['k_proj'],
            rank_pattern: Object.fromEntries(choices.map(([rank], i) => [key(i), rank])),
            alpha_pattern: Object.fromEntries(choices.map(([, alpha], i) => [key(i), alpha])),
          };
          const { modules } = readPeft(settings(change), file(tensors));
          const { lora, weights } = uniformAdapter(model, modules);
          const after = deltas(loraModules(model, lora, weights));
          for (const [place, values] of deltas(modules)) {
            const largest = Math.max(...values.map(Math.abs), 1e-9);
            after.get(place)?.forEach((x, i) => {
              expect(Math.abs(x - (values[i] ?? 0)) / largest).toBeLessThan(1e-5);
            });
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('an adapter of another model is refused with what does not fit', () => {
    const { modules } = readPeft(settings({}), file(pair(1, 'q_proj', 2)));
    expect(() => uniformAdapter({ ...model, layers: 1 }, modules)).toThrow('layer 1: the model has 1 layers');
    expect(() => uniformAdapter({ ...model, hiddenSize: 16 }, modules)).toThrow(
      "q_proj of layer 1 is for a weight of [8, 8], but the model's is [8, 16]",
    );
  });
});

describe('refusals', () => {
  const good = file(pair(0, 'q_proj', 2));
  const named = (name: string) =>
    file([...pair(0, 'q_proj', 2), { name, shape: [1], data: Float32Array.of(1) }]);
  const prefix = 'base_model.model.model.layers.0.self_attn.q_proj';
  test.each<[string, string, Uint8Array, string]>([
    ['no JSON', '{', good, 'adapter_config.json is not JSON'],
    ['another method', settings({ peft_type: 'IA3' }), good, 'adapter_config.json: peft_type is "IA3"'],
    ['another task', settings({ task_type: 'SEQ_CLS' }), good, 'task_type is "SEQ_CLS"'],
    ['DoRA', settings({ use_dora: true }), good, 'use_dora is true, which is not supported'],
    ['transposed weights', settings({ fan_in_fan_out: true }), good, 'fan_in_fan_out is true'],
    [
      'wholly trained modules',
      settings({ modules_to_save: ['lm_head'] }),
      good,
      'modules_to_save is ["lm_head"]',
    ],
    ['changed base weights', settings({ init_lora_weights: 'pissa' }), good, 'init_lora_weights is "pissa"'],
    ['trained biases', settings({ bias: 'all' }), good, 'bias is "all"'],
    [
      'the head as a target',
      settings({ target_modules: ['q_proj', 'lm_head'] }),
      good,
      'target_modules is "lm_head"',
    ],
    [
      'a pattern that is an expression',
      settings({ alpha_pattern: { '(a+)+b': 3 } }),
      good,
      'alpha_pattern: the regular expression "(a+)+b"',
    ],
    ['another rank', settings({ r: 4 }), good, 'has shape [2, 8], expected [4, in]'],
    ['no alpha', settings({ lora_alpha: 0 }), good, 'lora_alpha is 0'],
    [
      'a target without tensors',
      settings({ target_modules: ['q_proj', 'k_proj'] }),
      good,
      'no tensor of k_proj',
    ],
    [
      'a tensor of another target',
      settings({ target_modules: ['k_proj'] }),
      good,
      'does not list q_proj of layer 0',
    ],
    [
      'a tensor of another layer',
      settings({ layers_to_transform: 1 }),
      good,
      'does not list q_proj of layer 0',
    ],
    ['A without B', settings({}), file(pair(0, 'q_proj', 2).slice(0, 1)), 'has no counterpart lora_B'],
    ['LoRA on the head', settings({}), named('base_model.model.lm_head.lora_A.weight'), 'LoRA on the head'],
    [
      'LoRA on embeddings',
      settings({}),
      named('base_model.model.model.embed_tokens.lora_embedding_A'),
      'LoRA on embeddings',
    ],
    [
      'DoRA magnitudes',
      settings({}),
      named(`${prefix}.lora_magnitude_vector.weight`),
      'DoRA is not supported',
    ],
    ['a bias', settings({}), named(`${prefix}.base_layer.bias`), 'trained biases'],
    [
      'a module of another model',
      settings({}),
      named('base_model.model.transformer.h.0.attn.c_attn.lora_A.weight'),
      'seven projections',
    ],
    [
      'two adapters',
      settings({}),
      file([...pair(0, 'q_proj', 2), ...pair(1, 'q_proj', 2, (n) => n.replace('.weight', '.other.weight'))]),
      'several adapters',
    ],
    [
      'the same module twice',
      settings({}),
      file([...pair(0, 'q_proj', 2), ...pair(0, 'q_proj', 2, (n) => n.replace('base_model.model.', ''))]),
      'occurs twice',
    ],
    [
      'no numbers',
      settings({}),
      file(pair(0, 'q_proj', 2).map((t) => ({ ...t, data: t.data.map(() => Number.NaN) }))),
      'not finite',
    ],
    ['nothing', settings({}), file([]), 'it holds no tensors'],
    ['a broken file', settings({}), good.subarray(0, 40), 'adapter_model.safetensors: the header says'],
  ])('%s', (_, text, bytes, message) => {
    expect(() => readPeft(text, bytes)).toThrow(PeftError);
    expect(() => readPeft(text, bytes)).toThrow(message);
  });
});
