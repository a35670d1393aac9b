/** The ONNX export in transformers.js itself: the same greedy tokens as our own sampler's. */
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  AutoConfig,
  AutoModelForCausalLM,
  AutoTokenizer,
  env,
  type PreTrainedModel,
} from '@huggingface/transformers';
import * as ort from 'onnxruntime-node';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AdapterWeights, LanguageModel } from '../../src/engine/types.ts';
import {
  DEFAULT_LM,
  greedy,
  LORA,
  loadModel,
  PROMPTS,
  promptIds,
  randomAdapter,
} from '../fixtures/export-run.ts';
import { exported, generated } from '../fixtures/onnx-export.ts';
import { REAL_DATA, REAL_DATA_NOTE, realPath } from '../fixtures/realdata.ts';

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(DEFAULT_LM);
}, 120_000);

const made: string[] = [];
afterEach(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});

/** The export loaded; its folder is removed after the test. */
async function loaded(of: LanguageModel, adapter: AdapterWeights | null): Promise<PreTrainedModel> {
  const { folder, theirs } = await exported(of, adapter);
  made.push(folder);
  return theirs;
}

describe('the default model in transformers.js', () => {
  test.each<[string, boolean]>([
    ['base', false],
    ['with the adapter merged', true],
  ])(
    '%s: greedy tokens of padded rows as our sampler draws them',
    async (_, adapted) => {
      const adapter = adapted ? randomAdapter(model) : null;
      const rows = promptIds(model);
      // Rows of different lengths: left padding is at work.
      expect(new Set(rows.map((row) => row.length)).size).toBeGreaterThan(1);
      const ours = await greedy(model, adapter, rows);
      const theirs = await loaded(model, adapter);
      const { stopIds } = model.tokenizer;
      expect(await generated(theirs, rows, stopIds, 24)).toEqual(ours);
      for (const [i, row] of rows.entries()) {
        expect(await generated(theirs, [row], stopIds, 24)).toEqual([ours[i]]);
      }
      if (adapted) expect(ours).not.toEqual(await greedy(model, null, rows));
      await theirs.dispose();
    },
    120_000,
  );

  test('the folder stands by itself: tokenizer with chat template, config, generation_config', async () => {
    const theirs = await loaded(model, null);
    const config = await AutoConfig.from_pretrained('onnx');
    expect(config.model_type).toBe('llama');
    const tokenizer = await AutoTokenizer.from_pretrained('onnx');
    const ids = tokenizer.apply_chat_template([{ role: 'user', content: PROMPTS[0] ?? '' }], {
      add_generation_prompt: true,
      return_tensor: false,
      return_dict: false,
    });
    expect(ids).toEqual(promptIds(model)[0]);
    const out = dirname(`${made.at(-1)}/onnx/config.json`);
    expect(JSON.parse(await readFile(`${out}/generation_config.json`, 'utf8'))).toMatchObject({
      eos_token_id: 2,
    });
    expect(JSON.parse(await readFile(`${out}/config.json`, 'utf8')).torch_dtype).toBe('float32');
    await theirs.dispose();
  }, 120_000);

  test('logits of a cached step are those of the whole sequence', async () => {
    const theirs = await loaded(model, randomAdapter(model));
    const [row = []] = promptIds(model);
    const session = await ort.InferenceSession.create(`${made.at(-1)}/onnx/onnx/model.onnx`);
    expect(session.inputNames.slice(0, 5)).toEqual([
      'input_ids',
      'attention_mask',
      'position_ids',
      'past_key_values.0.key',
      'past_key_values.0.value',
    ]);
    expect(session.outputNames.slice(0, 3)).toEqual(['logits', 'present.0.key', 'present.0.value']);
    const int64 = (values: readonly number[]) =>
      new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const { layers, kvHeads, headDim, vocabSize } = model.config;
    const empty = () => new ort.Tensor('float32', new Float32Array(0), [1, kvHeads, 0, headDim]);
    const run = (ids: readonly number[], total: number, past: (name: string) => ort.Tensor) =>
      session.run({
        input_ids: int64(ids),
        attention_mask: int64(Array.from({ length: total }, () => 1)),
        position_ids: int64(ids.map((_, i) => total - ids.length + i)),
        ...Object.fromEntries(
          Array.from({ length: layers }, (_, l) => ['key', 'value'].map((kind) => `${l}.${kind}`))
            .flat()
            .map((name) => [`past_key_values.${name}`, past(name)]),
        ),
      });
    const whole = await run(row, row.length, empty);
    const cut = row.length - 2;
    const first = await run(row.slice(0, cut), cut, empty);
    const rest = await run(row.slice(cut), row.length, (name) => first[`present.${name}`] ?? empty());
    const last = (result: ort.InferenceSession.OnnxValueMapType) => {
      const data = result.logits?.data;
      if (!(data instanceof Float32Array)) throw new Error('no logits');
      return data.slice(-vocabSize);
    };
    const [expected, got] = [last(whole), last(rest)];
    expect(Math.max(...got.map((x, i) => Math.abs(x - (expected[i] ?? 0))))).toBeLessThan(2e-5);
    await theirs.dispose();
  }, 120_000);
});

describe.skipIf(REAL_DATA === null)(`a real model (${REAL_DATA_NOTE})`, () => {
  test.each<[string, boolean]>([
    ['base', false],
    ['with an adapter merged', true],
  ])(
    'stories260k, %s: our sampler, our export and another export tell the same story',
    async (_, adapted) => {
      const stories = await loadModel(realPath('stories260k-hf'));
      const adapter = adapted ? randomAdapter(stories, 0.05) : null;
      const ours = await greedyFrom(stories, adapter);
      const theirs = await loaded(stories, adapter);
      expect((await generated(theirs, [[1]], [], 200))[0]).toEqual(ours);
      await theirs.dispose();
      if (!adapted) {
        env.localModelPath = realPath('');
        const other = await AutoModelForCausalLM.from_pretrained('stories260k-hf', { dtype: 'fp32' });
        expect((await generated(other, [[1]], [], 200))[0]).toEqual(ours);
        await other.dispose();
      }
      await stories.dispose();
    },
    240_000,
  );

  async function greedyFrom(
    stories: LanguageModel,
    adapter: Parameters<typeof greedy>[1],
  ): Promise<number[]> {
    const sampler = await stories.createSampler(LORA, adapter);
    let ids: number[] = [];
    await sampler.sample(
      [{ promptIds: [1], n: 1, seed: 0 }],
      { temperature: 0, topP: 1, topK: 0, maxTokens: 200, stopIds: [] },
      (_, [sample]) => {
        ids = sample?.tokenIds ?? [];
      },
    );
    await sampler.dispose();
    return ids;
  }
});
