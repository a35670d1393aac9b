/** Pairs, sampled answers and the cluster bundle of a real run, read back as their readers would. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import type { LanguageModel } from '../../src/engine/types.ts';
import { uniformAdapter } from '../../src/model/adapter.ts';
import { readPeft } from '../../src/model/peft.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset, readRows } from '../../src/pipeline/dataset.ts';
import { exportRun } from '../../src/pipeline/export/index.ts';
import { minedPairs, sampledResponses } from '../../src/pipeline/export/rows.ts';
import { poolOf } from '../../src/pipeline/filter.ts';
import { bytesFile } from '../../src/pipeline/import/index.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Arm, Dataset, RunStore } from '../../src/pipeline/types.ts';
import type { ExportFormat } from '../../src/pipeline/worker-api.ts';
import { DEFAULT_LM, loadModel } from '../fixtures/export-run.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

const config = parseConfig({
  backend: 'wasm',
  seed: 11,
  data: { heldOut: 2 },
  lora: { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'] },
  sft: { batch: 6, epochs: 1 },
  sample: { n: 6, maxTokens: 16 },
  dpo: { negatives: 2, batch: 6, epochs: 1, learningRate: 5e-7, ftx: 0.5, schedule: 'linear' },
  evaluate: { samples: 1 },
});

let model: LanguageModel;
let store: RunStore;
beforeAll(async () => {
  model = await loadModel(DEFAULT_LM);
  const embedder = await openEmbedder({
    source: folder(`${PUBLIC}models/default-embedder`),
    pooling: 'mean',
  });
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  const read = await readDataset('word-helper', text.split('\n').slice(0, 12).join('\n'));
  const [first, ...rest] = read.rows;
  // One row of several turns, with a system message, in what must survive every format.
  const history = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello "you"' },
    { role: 'assistant', content: 'Hello.' },
  ] as const;
  const dataset: Dataset = { ...read, rows: first ? [{ ...first, history }, ...rest] : rest };
  store = memoryStore(config, dataset);
  await runPipeline({
    config,
    model,
    embedder: async () => embedder,
    store,
    emit: () => {},
    signal: new AbortController().signal,
    now: () => performance.now(),
  });
}, 240_000);
afterAll(() => model.dispose());

async function files(format: ExportFormat, arm: Arm = 'selfContrast'): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const run = { store, model, onProgress: () => {}, signal: new AbortController().signal };
  for await (const { path, bytes } of exportRun(format, arm, run)) found.set(path, bytes);
  return found;
}
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const rows = (bytes: Uint8Array | undefined) =>
  text(bytes)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('mined pairs', () => {
  test('TRL, standard and conversational: every pair, prompts with their earlier turns', async () => {
    const all = await files('trl');
    expect([...all.keys()]).toEqual(['trl/pairs.jsonl', 'trl/pairs-conversational.jsonl']);
    const pairs = await minedPairs(store);
    expect(pairs.length).toBeGreaterThanOrEqual(12);
    const standard = rows(all.get('trl/pairs.jsonl'));
    const conversational = rows(all.get('trl/pairs-conversational.jsonl'));
    expect(standard.length).toBe(pairs.length);
    pairs.forEach(({ prompt, chosen, rejected, history }, i) => {
      expect(conversational[i]).toEqual({
        prompt: [...history, { role: 'user', content: prompt }],
        chosen: [{ role: 'assistant', content: chosen }],
        rejected: [{ role: 'assistant', content: rejected }],
      });
      if (history.length === 0) expect(standard[i]).toEqual({ prompt, chosen, rejected });
      else expect(standard[i]?.prompt).toBe(`Be brief.\nHello "you"\nHello.\n${prompt}`);
    });
    expect(pairs.some(({ history }) => history.length === 3)).toBe(true);
  });

  test('LLaMA-Factory: ShareGPT rows that its dataset_info entry describes', async () => {
    const all = await files('llama-factory');
    const info = JSON.parse(text(all.get('llama-factory/dataset_info.json')));
    expect(info).toEqual({
      run: {
        file_name: 'run.json',
        ranking: true,
        formatting: 'sharegpt',
        columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected', system: 'system' },
      },
    });
    const list = JSON.parse(text(all.get(`llama-factory/${info.run.file_name}`)));
    const pairs = await minedPairs(store);
    expect(list.length).toBe(pairs.length);
    for (const [i, row] of list.entries()) {
      expect(Object.keys(row).sort()).toEqual(Object.values(info.run.columns).sort());
      const speakers = row.conversations.map((m: { from: string }) => m.from);
      // Humans at odd places, the model between them, the human last: what LLaMA-Factory asks for.
      expect(speakers).toEqual(speakers.map((_: string, at: number) => (at % 2 === 0 ? 'human' : 'gpt')));
      expect(speakers.at(-1)).toBe('human');
      expect(row.conversations.at(-1).value).toBe(pairs[i]?.prompt);
      expect([row.chosen, row.rejected]).toEqual([
        { from: 'gpt', value: pairs[i]?.chosen },
        { from: 'gpt', value: pairs[i]?.rejected },
      ]);
      expect(row.system).toBe(pairs[i]?.history.length ? 'Be brief.' : '');
    }
  });

  test.each<[ExportFormat, string]>([
    ['trl', 'trl/pairs-conversational.jsonl'],
    ['trl', 'trl/pairs.jsonl'],
    ['llama-factory', 'llama-factory/run.json'],
  ])('%s: our own import reads %s back', async (format, path) => {
    const read = await readRows(bytesFile((await files(format)).get(path) ?? new Uint8Array(), path));
    expect(read.refused).toEqual([]);
    const plain = path === 'trl/pairs.jsonl';
    const row = (r: { prompt: string; target?: string; rejected?: readonly string[]; history?: unknown }) =>
      JSON.stringify([r.prompt, r.target, r.rejected, r.history ?? []]);
    const expected = (await minedPairs(store))
      // Equal pairs are read once; the plain form has no turns to give back.
      .filter(({ history }) => !plain || history.length === 0)
      .map(({ prompt, chosen, rejected, history }) =>
        row({ prompt, target: chosen, rejected: [rejected], history }),
      );
    expect(expected.length).toBeGreaterThan(8);
    expect(read.rows.map(row)).toEqual(expect.arrayContaining([...new Set(expected)]));
    expect(read.rows.length + read.duplicates.length).toBe((await minedPairs(store)).length);
  });

  test('before there are any, that is said', async () => {
    const empty = memoryStore(config, { id: 'd', name: 'd', rows: [], refused: [], fingerprint: '' });
    const run = { store: empty, model, onProgress: () => {}, signal: new AbortController().signal };
    await expect(exportRun('trl', 'base', run).next()).rejects.toThrow('There are no pairs yet');
    await expect(exportRun('gguf', 'sft', run).next()).rejects.toThrow('The run has no SFT adapter yet');
    await expect(exportRun('gguf', 'base', run).next()).rejects.toThrow('The base model has no adapter');
  });
});

describe('files', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'self-contrast-formats-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('answers as Parquet, row for row what responses.jsonl holds', async () => {
    const path = join(folder, 'responses.parquet');
    await writeFile(path, (await files('parquet')).get('parquet/responses.parquet') ?? new Uint8Array());
    const read = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    const expected = await sampledResponses(store);
    expect(expected.length).toBe(6 * 10);
    expect(read).toEqual(
      expected.map(({ prompt_ids: _prompt, token_ids, ...row }) => ({ ...row, tokens: token_ids.length })),
    );
  });

  test('the cluster bundle has data, adapters and settings that are the same as the run', async () => {
    const all = await files('cluster');
    const data = await store.prepared();
    expect(rows(all.get('cluster/data/sft.jsonl'))).toEqual(
      data?.train.map(({ prompt, history = [], target }) => ({
        prompt: [...history, { role: 'user', content: prompt }],
        completion: [{ role: 'assistant', content: target }],
      })),
    );
    expect(rows(all.get('cluster/data/pairs.jsonl'))).toEqual(
      rows((await files('trl')).get('trl/pairs-conversational.jsonl')),
    );
    for (const [path, stage] of [
      ['adapter-sft', 'sft'],
      ['adapter', 'dpo'],
    ] as const) {
      const peft = readPeft(
        text(all.get(`cluster/${path}/adapter_config.json`)),
        all.get(`cluster/${path}/adapter_model.safetensors`) ?? new Uint8Array(),
      );
      expect(uniformAdapter(model.config, peft.modules)).toEqual({
        lora: config.lora,
        weights: (await store.checkpoint(stage))?.state.parameters,
      });
    }
    const sft = text(all.get('cluster/sft.yaml'));
    const dpo = text(all.get('cluster/dpo.yaml'));
    const lines = (yaml: string) =>
      new Map(
        yaml
          .trim()
          .split('\n')
          .map((line) => [line.split(': ')[0], line] as const),
      );
    expect([...lines(sft).values()]).toEqual(
      expect.arrayContaining([
        'model_name_or_path: "default-lm"',
        'datasets: [{path: "json", data_files: "data/sft.jsonl"}]',
        'seed: 11',
        'num_train_epochs: 1',
        'learning_rate: 0.001',
        'lr_scheduler_type: "cosine"',
        'completion_only_loss: true',
        'use_peft: true',
        'lora_r: 4',
        'lora_alpha: 8',
        'lora_dropout: 0',
        'lora_target_modules: ["q_proj", "v_proj"]',
        'max_length: 128',
      ]),
    );
    expect([...lines(dpo).values()]).toEqual(
      expect.arrayContaining([
        'dataset_name: "data/pairs.jsonl"',
        // With a point, or YAML 1.1 would read text.
        'learning_rate: 5.0e-7',
        'lr_scheduler_type: "linear"',
        'beta: 0.1',
        'loss_type: ["sigmoid", "sft"]',
        'loss_weights: [1, 0.5]',
      ]),
    );
    // 6 prompts x 2 negatives a step, over the processes that the launcher starts.
    const value = (yaml: string, key: string) => Number(lines(yaml).get(key)?.split(': ')[1]);
    const processes = value(text(all.get('cluster/accelerate.yaml')), 'num_processes');
    const step = (yaml: string) =>
      value(yaml, 'per_device_train_batch_size') * value(yaml, 'gradient_accumulation_steps') * processes;
    expect([step(sft), step(dpo), processes]).toEqual([6, 12, 6]);
    expect(JSON.parse(text(all.get('cluster/sample.json')))).toMatchObject({
      n: 6,
      temperature: 1,
      top_p: 1,
      seed: 11,
    });
    const readme = text(all.get('cluster/README.md'));
    for (const said of [
      'trl sft --config sft.yaml',
      'python sample.py',
      'accelerate launch',
      '6 prompts x 2 negatives = 12 pairs',
    ]) {
      expect(readme).toContain(said);
    }
  });

  const python = spawnSync('python3', ['--version']).status === 0;
  test.skipIf(!python)(
    'sample.py filters as the Filter stage does, and both scripts are Python',
    async () => {
      const all = await files('cluster');
      for (const name of ['sample.py', 'dpo.py']) {
        await writeFile(join(folder, name), all.get(`cluster/${name}`) ?? new Uint8Array());
        const compiled = spawnSync('python3', ['-m', 'py_compile', name], { cwd: folder, encoding: 'utf8' });
        expect(compiled.stderr).toBe('');
      }
      const modes = ['all', 'alldedup', 'last', 'lastdedup'] as const;
      const cases = Array.from({ length: 40 }, (_, i) => ({
        texts: Array.from(
          { length: 8 },
          (__, j) => ['a', ' a', 'b', '', 'c', 'd d'][(i * 5 + j * j) % 6] ?? '',
        ),
        similarities: Array.from({ length: 8 }, (__, j) => ((i * 37 + j * 11) % 17) / 17),
        mode: modes[i % 4] ?? 'all',
        percent: [25, 50, 75, 100][i % 3] ?? 50,
      }));
      const program = `import json, sys; from sample import pool
print(json.dumps([pool(c["texts"], c["similarities"], c["mode"], c["percent"]) for c in json.load(sys.stdin)]))`;
      const ran = spawnSync('python3', ['-c', program], {
        cwd: folder,
        input: JSON.stringify(cases),
        encoding: 'utf8',
      });
      expect(ran.stderr).toBe('');
      expect(JSON.parse(ran.stdout)).toEqual(
        cases.map(({ texts, similarities, mode, percent }) =>
          poolOf(
            texts.map((each, j) => ({ text: each, similarity: similarities[j] ?? 0 })),
            { mode, percent },
          ).flatMap((kept, j) => (kept ? [j] : [])),
        ),
      );
    },
  );
});
