/** The merged model: our own loader reads it back, and it says what base and adapter say together. */
import { readFile, rm } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AdapterWeights, Group, LanguageModel } from '../../src/engine/types.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { readHeader, type SafetensorsType } from '../../src/model/safetensors.ts';
import { exportMerged } from '../../src/pipeline/export/merged.ts';
import { DEFAULT_OPTIONS, ExportError, type ExportOptions } from '../../src/pipeline/export/types.ts';
import {
  allFiles,
  DEFAULT_LM,
  exportRun,
  greedy,
  LORA,
  loadModel,
  promptIds,
  randomAdapter,
  written,
} from '../fixtures/export-run.ts';

let model: LanguageModel;
let adapter: AdapterWeights;
beforeAll(async () => {
  model = await loadModel(DEFAULT_LM);
  adapter = randomAdapter(model);
}, 120_000);

const made: string[] = [];
afterEach(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});

const run = (options: Partial<ExportOptions>) =>
  exportRun(model, adapter, { options: { ...DEFAULT_OPTIONS, ...options } });

async function merged(options: Partial<ExportOptions>): Promise<LanguageModel> {
  const out = await written(exportMerged, run(options));
  made.push(out);
  return loadModel(`${out}/merged`);
}

/** Log-probabilities of two fixed answers to each prompt. */
async function logps(of: LanguageModel, weights: AdapterWeights | null): Promise<number[]> {
  const groups: Group[] = promptIds(model).map((ids) => ({
    promptIds: ids,
    responseIds: ['The plural of box is boxes.', 'It is apple.'].map((text) =>
      model.tokenizer.encodeTarget(text),
    ),
  }));
  const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 };
  const trainer = await of.createTrainer(LORA, optimiser, 0);
  const parameters = weights ?? (await trainer.weights());
  const zeros = parameters.map((v) => new Float32Array(v.length));
  if (weights) await trainer.restore({ step: 0, parameters, m: zeros, v: zeros });
  const result = await trainer.logps(groups);
  await trainer.dispose();
  return result.flat().flatMap((response) => [...response]);
}

const furthest = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? Number.NaN))));

test.each<[string, Partial<ExportOptions>, number, number]>([
  ['F32, one file', { dtype: 'F32' }, 1, 1e-4],
  ['F32, in shards', { dtype: 'F32', shardBytes: 500_000 }, 9, 1e-4],
  ["the base's F16", {}, 1, 0.02],
])(
  '%s: the same log-probabilities and greedy tokens',
  async (_, options, files, tolerance) => {
    const loaded = await merged(options);
    const expected = await logps(model, adapter);
    const got = await logps(loaded, null);
    expect(got.length).toBe(expected.length);
    expect(furthest(expected, got)).toBeLessThan(tolerance);
    // The adapter matters: without it the same answers are as likely as the base model finds them.
    expect(furthest(expected, await logps(model, null))).toBeGreaterThan(0.1);
    expect(await greedy(loaded, null, promptIds(model))).toEqual(
      await greedy(model, adapter, promptIds(model)),
    );
    const names = [...(await allFiles(exportMerged, run(options))).keys()];
    expect(names.filter((name) => name.endsWith('.safetensors')).length).toBe(files);
    await loaded.dispose();
  },
  120_000,
);

describe('the folder', () => {
  test("config and tokenizer are the base's, with the weights' type", async () => {
    const files = await allFiles(exportMerged, run({ dtype: 'BF16' }));
    expect([...files.keys()]).toEqual([
      'merged/model.safetensors',
      'merged/config.json',
      'merged/generation_config.json',
      'merged/tokenizer.json',
      'merged/tokenizer_config.json',
      'merged/special_tokens_map.json',
      'merged/NOTICE.md',
    ]);
    const base = JSON.parse(await readFile(`${DEFAULT_LM}/config.json`, 'utf8'));
    const config = JSON.parse(new TextDecoder().decode(files.get('merged/config.json')?.bytes));
    expect(config).toEqual({ ...base, torch_dtype: 'bfloat16' });
    const { tensors } = readHeader(files.get('merged/model.safetensors')?.bytes ?? new Uint8Array());
    expect([...new Set([...tensors.values()].map((t) => t.dtype))]).toEqual<SafetensorsType[]>(['BF16']);
  });

  test('shards are numbered, and the index says where each weight is', async () => {
    const files = await allFiles(exportMerged, run({ dtype: 'F16', shardBytes: 600_000 }));
    const index = JSON.parse(
      new TextDecoder().decode(files.get('merged/model.safetensors.index.json')?.bytes),
    );
    expect(Object.keys(index.weight_map).length).toBe(2 + 4 * 9);
    let total = 0;
    for (const [path, { bytes }] of files) {
      if (!path.endsWith('.safetensors')) continue;
      expect(path).toMatch(/^merged\/model-0000\d-of-00004\.safetensors$/);
      const { tensors } = readHeader(bytes);
      for (const { name, start, end } of tensors.values()) {
        expect(`merged/${index.weight_map[name]}`).toBe(path);
        total += end - start;
      }
    }
    expect(index.metadata.total_size).toBe(total);
  });

  test('what half precision can not hold is refused with what to do', async () => {
    const huge = adapter.map((flat) => flat.map((x) => x * 2000));
    const work = allFiles(
      exportMerged,
      exportRun(model, huge, { options: { ...DEFAULT_OPTIONS, dtype: 'F16' } }),
    );
    await expect(work).rejects.toThrow(ExportError);
    await expect(work).rejects.toThrow('export the merged model as F32');
  });
});

describe('reading shards', () => {
  const files = async () => allFiles(exportMerged, run({ dtype: 'F16', shardBytes: 600_000 }));
  const source = (all: Map<string, { bytes: Uint8Array }>) =>
    wholeFiles('sharded', async (path) => all.get(`merged/${path}`)?.bytes ?? null);
  const load = async (all: Map<string, { bytes: Uint8Array }>) => {
    const { openWeights } = await import('../../src/model/weights.ts');
    const reader = await openWeights(model.config, source(all));
    for (const { names } of reader.files) for (const name of names) await reader.read(name);
  };
  const withIndex = (all: Map<string, { path: string; bytes: Uint8Array }>, text: string) =>
    new Map(all).set('merged/model.safetensors.index.json', {
      path: '',
      bytes: new TextEncoder().encode(text),
    });

  test('a missing shard is named', async () => {
    const all = await files();
    all.delete('merged/model-00002-of-00004.safetensors');
    await expect(load(all)).rejects.toThrow('the file model-00002-of-00004.safetensors is missing');
  });

  test.each<[string, string, string]>([
    ['no JSON', '{', 'not valid JSON'],
    ['another file', '[]', 'it has no weight_map'],
    ['a weight that is nowhere', '{"weight_map": {}}', 'names no file for "model.embed_tokens.weight"'],
    [
      'a path out of the folder',
      '{"weight_map": {"model.embed_tokens.weight": "../../x.safetensors"}}',
      'is not a .safetensors file of the folder',
    ],
  ])('an index that is %s is refused', async (_, text, message) => {
    await expect(load(withIndex(await files(), text))).rejects.toThrow(message);
  });
});
