/** Reward models in Chromium: on WebAssembly with threads, and in their own worker from a stored folder. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRewardModel } from '../../src/engine/reward-model.ts';
import { startReward } from '../../src/service/reward-client.ts';
import { urlFolder } from '../../src/service/url-folder.ts';
import { openStorage, type Storage } from '../../src/storage/index.ts';
import { pairReward } from '../fixtures/reward-models.ts';
import { pairsOf, rewardSuite } from '../fixtures/reward-suite.ts';

const page = (name: string) => urlFolder(new URL(`/models/${name}/`, location.href).href, name);
const EMBEDDER = page('default-embedder');

describe('WASM, two threads', () =>
  rewardSuite(() => ({ embedder: EMBEDDER, model: page('default-lm') }), { wasmPath: '/ort/', threads: 2 }));

describe('in its worker', () => {
  const folder = `reward ${crypto.randomUUID()}`;
  let storage: Storage;
  beforeAll(async () => {
    storage = await openStorage();
    const { source } = pairReward(EMBEDDER);
    const paths = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx'];
    const files = await Promise.all(
      paths.map(async (path) => ({
        path,
        data: new Blob([new Uint8Array((await source.read(path)) ?? new Uint8Array(0))]),
      })),
    );
    await storage.saveModelFolder(folder, files);
  });
  afterAll(async () => {
    await storage.deleteModelFolder(folder);
    storage.close();
  });

  test('a stored folder is told from an embedder’s, and scores as on this thread', async () => {
    const found = (await storage.listModelFolders()).find(({ name }) => name === folder);
    expect(found?.kind).toBe('reward');
    const model = await startReward({ reward: folder, hub: 'https://huggingface.co' });
    try {
      expect(model.info.name).toBe(folder);
      const pairs = pairsOf(20, 40);
      const here = await openRewardModel({ source: pairReward(EMBEDDER).source, wasmPath: '/ort/' });
      const scores = await model.score(pairs);
      const expected = await here.score(pairs);
      expect(model.info.fingerprint).toBe(here.info.fingerprint);
      scores.forEach((score, i) => {
        expect(Math.abs(score - (expected[i] ?? Number.NaN))).toBeLessThan(1e-4);
      });
      const reason = new Error('stopped');
      await expect(model.score(pairs, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await model.score(pairs.slice(0, 1))).toEqual(scores.slice(0, 1));
    } finally {
      model.close();
    }
  });

  test('the one that comes with the page finds right answers of its domain better', async () => {
    const model = await startReward({ reward: 'default', hub: 'https://huggingface.co' });
    try {
      const questions = ['What is the past of speak?', 'One jar, but two what?', 'Tell me what a park is.'];
      const right = ['Today I speak, yesterday I spoke.', 'The plural of jar is jars.', 'A park is a place.'];
      const wrong = [
        'Today I speak, yesterday I speaked.',
        'The plural of jar is jares.',
        'A park is a fruit.',
      ];
      const pairs = (answers: readonly string[]) =>
        answers.map((answer, i) => ({
          messages: [{ role: 'user' as const, content: questions[i] ?? '' }],
          answer,
        }));
      const [good, bad] = [await model.score(pairs(right)), await model.score(pairs(wrong))];
      good.forEach((score, i) => {
        expect(score).toBeGreaterThan(bad[i] ?? Number.NaN);
      });
    } finally {
      model.close();
    }
  });

  test('what can’t be opened is told in words, and leaves no worker behind', async () => {
    const hub = 'https://huggingface.co';
    await expect(startReward({ reward: 'no such folder', hub })).rejects.toThrow(
      /no such folder: the file config\.json is missing/,
    );
    await expect(startReward({ reward: 'someone/reward', hub })).rejects.toThrow(
      /someone\/reward is not on this device: download it first/,
    );
    const url = new URL('/models/default-lm/', location.href).href;
    await expect(startReward({ reward: url, hub })).rejects.toThrow(
      /LlamaForCausalLM, which gives no scores/,
    );
  });
});
