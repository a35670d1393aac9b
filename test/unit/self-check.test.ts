/** The self-check on WASM: sound models pass. Unsound devices are met in test/browser/self-check.test.ts. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { selfCheck } from '../../src/engine/self-check.ts';
import type { LanguageModel } from '../../src/engine/types.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { elements, modelWeights } from '../../src/model/parameters.ts';
import { stream } from '../../src/model/random.ts';
import { parseConfig } from '../../src/pipeline/config.ts';

const MODEL = fileURLToPath(new URL('../../public/models/default-lm', import.meta.url));
const { lora } = parseConfig({});

let model: LanguageModel;
beforeAll(async () => {
  model = await loadLanguageModel(await openDevice({ backend: 'wasm' }), folder(MODEL));
}, 120_000);
afterAll(() => model.dispose());

test('the default model passes, with a finite difference well within what is allowed', async () => {
  const progress: number[] = [];
  const check = await model.selfCheck(lora, { onProgress: (done) => progress.push(done) });
  expect(check).toMatchObject({ passed: true, backend: 'wasm', precision: 'f32', remarks: [] });
  expect(check.compared.map(({ what }) => what)).toEqual(['gradient against a finite difference']);
  expect(check.compared[0]?.difference).toBeLessThan((check.compared[0]?.allowed ?? 0) / 3);
  expect(progress).toEqual([0, 1, 2]);
});

// A fresh or faint model has gradients so small that a step along one component would have to be a long one.
test.each([
  [0.02, ['q_proj']],
  [0.02, ['k_proj']],
  [0.005, ['q_proj']],
  [0.005, ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']],
])('random weights of size %f pass with an adapter on %j', async (size, targets) => {
  const config = parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    hidden_size: 256,
    num_attention_heads: 4,
    num_hidden_layers: 4,
    intermediate_size: 768,
    vocab_size: 1024,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  });
  const device = await openDevice({ backend: 'wasm', threads: 1 });
  const random = stream(5, 'weights');
  const weights = new Map(
    modelWeights(config).map(({ name, shape }) => {
      const values = Float32Array.from({ length: elements(shape) }, () =>
        shape.length === 1 ? 1 : size * (2 * random() - 1) * Math.sqrt(3),
      );
      return [name, device.upload(values, shape)] as const;
    }),
  );
  const subject = {
    device,
    config,
    info: model.info,
    precision: 'f32',
    weights,
    load: async () => new Map(),
  } as const;
  const check = await selfCheck(subject, { rank: 8, alpha: 16, targets });
  expect(check.problem).toBeUndefined();
  expect(check.compared[0]?.difference).toBeLessThan((check.compared[0]?.allowed ?? 0) / 2);
  await device.dispose();
});
