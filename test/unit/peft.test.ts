import { describe, expect, test } from 'vitest';
import { type PeftAdapter, PeftError, readPeft, writePeft } from '../../src/model/peft.ts';

const name = (layer: number, side: string) =>
  `base_model.model.model.layers.${layer}.self_attn.q_proj.lora_${side}.weight`;
const tensor = (at: string, shape: number[]) => ({
  name: at,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 8),
});
const adapter: PeftAdapter = {
  baseModel: 'some/model',
  rank: 2,
  alpha: 4,
  targets: ['q_proj'],
  tensors: [0, 1].flatMap((layer) => [tensor(name(layer, 'A'), [2, 3]), tensor(name(layer, 'B'), [3, 2])]),
};

test('an adapter is read back as it was written', () => {
  const { config, model } = writePeft(adapter);
  expect(readPeft(config, model)).toEqual(adapter);
});

test('the config says what PEFT must know', () => {
  expect(JSON.parse(writePeft(adapter).config)).toMatchObject({
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
});

describe('refusals', () => {
  const config = (change: Record<string, unknown>) =>
    JSON.stringify({ ...JSON.parse(writePeft(adapter).config), ...change });
  const model = (tensors: PeftAdapter['tensors']) => writePeft({ ...adapter, tensors }).model;
  const good = writePeft(adapter);
  test.each<[string, string, Uint8Array, string]>([
    ['no JSON', '{', good.model, 'adapter_config.json is not JSON'],
    ['another method', config({ peft_type: 'IA3' }), good.model, 'adapter_config.json: peft_type is "IA3"'],
    ['DoRA', config({ use_dora: true }), good.model, 'use_dora is true, which is not supported'],
    ['rsLoRA', config({ use_rslora: true }), good.model, 'use_rslora is true'],
    ['ranks that differ', config({ rank_pattern: { q_proj: 4 } }), good.model, 'rank_pattern is'],
    ['trained biases', config({ bias: 'all' }), good.model, 'bias is "all"'],
    ['another rank', config({ r: 4 }), good.model, 'has shape [2, 3], expected [4, in]'],
    [
      'a target without tensors',
      config({ target_modules: ['q_proj', 'k_proj'] }),
      good.model,
      'no tensor of k_proj',
    ],
    [
      'a tensor of another target',
      config({ target_modules: ['k_proj'] }),
      good.model,
      'does not list q_proj',
    ],
    ['A without B', good.config, model(adapter.tensors.slice(0, 1)), 'has no counterpart'],
    [
      'a tensor that is no LoRA',
      good.config,
      model([tensor('lm_head.weight', [2, 3])]),
      'is not a LoRA tensor',
    ],
    ['nothing', good.config, model([]), 'it holds no tensors'],
    ['a broken file', good.config, good.model.subarray(0, 40), 'adapter_model.safetensors: the header says'],
  ])('%s', (_, text, bytes, message) => {
    expect(() => readPeft(text, bytes)).toThrow(PeftError);
    expect(() => readPeft(text, bytes)).toThrow(message);
  });
});
