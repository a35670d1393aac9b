/** Runs that start from an adapter: it is the reference as it is, or SFT trains it further. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdapter, withAdapter } from '../../scripts/headless/adapter.ts';
import { folder } from '../../scripts/lib/native.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import type { AdapterWeights, LanguageModel, TextEmbedder } from '../../src/engine/types.ts';
import { parseConfig, type RunConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { adapterFiles } from '../../src/pipeline/export/run-files.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import { readStartAdapter } from '../../src/pipeline/start-adapter.ts';
import type { Dataset, RunStore } from '../../src/pipeline/types.ts';
import { DEFAULT_LM, greedy, LORA, loadModel, promptIds, randomAdapter } from '../fixtures/export-run.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

let model: LanguageModel;
let embedder: TextEmbedder;
let dataset: Dataset;
let scratch = '';
let adapter: AdapterWeights;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'self-contrast-adapter-'));
  model = await loadModel(DEFAULT_LM);
  embedder = await openEmbedder({ source: folder(`${PUBLIC}models/default-embedder`), pooling: 'mean' });
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  dataset = await readDataset('word-helper', text.split('\n').slice(0, 8).join('\n'));
  adapter = randomAdapter(model, 0.03);
  for (const { path, bytes } of adapterFiles(model, LORA, adapter, 'made')) {
    await mkdir(join(scratch, 'made'), { recursive: true });
    await writeFile(join(scratch, path), bytes);
  }
}, 120_000);
afterAll(async () => {
  await model.dispose();
  await rm(scratch, { recursive: true, force: true });
});

const made = () => ({ ...folder(join(scratch, 'made')), name: 'made' });

async function run(config: RunConfig): Promise<RunStore> {
  const store = memoryStore(config, dataset);
  await runPipeline({
    config,
    model,
    embedder: async () => embedder,
    startAdapter: () => readStartAdapter(made(), model.config, config.lora),
    store,
    emit: () => {},
    signal: new AbortController().signal,
    now: () => performance.now(),
  });
  return store;
}

const settings = (epochs: number) =>
  parseConfig({
    adapter: 'made',
    data: { heldOut: 1 },
    lora: LORA,
    sft: { epochs, batch: 4, learningRate: 1e-3 },
    sample: { n: 4, maxTokens: 12 },
    filter: { mode: 'all' },
    dpo: { negatives: 2, batch: 4, learningRate: 1e-3 },
    evaluate: { samples: 1 },
  });

describe('a run', () => {
  test('without SFT: the adapter is the reference, bit for bit, and DPO goes on from it', async () => {
    const store = await run(settings(0));
    expect((await store.checkpoint('sft'))?.state.parameters).toEqual(adapter);
    expect((await store.checkpoint('dpo'))?.state.parameters).not.toEqual(adapter);
    // The answers are the adapter's: their log-probabilities are its own.
    const [record] = await store.responses();
    const data = await store.prepared();
    const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 };
    const trainer = await model.createTrainer(LORA, optimiser, 0);
    const zeros = adapter.map((v) => new Float32Array(v.length));
    await trainer.restore({ step: 0, parameters: adapter, m: zeros, v: zeros });
    const first = record?.responses[0];
    const [[logps = new Float32Array()] = []] = await trainer.logps([
      { promptIds: data?.train[record?.index ?? 0]?.promptIds ?? [], responseIds: [first?.tokenIds ?? []] },
    ]);
    await trainer.dispose();
    expect(logps.reduce((a, b) => a + b, 0)).toBeCloseTo(first?.logp ?? 0, 3);
    // It is no other adapter than a fresh one would be.
    expect(await greedy(model, adapter, promptIds(model))).not.toEqual(
      await greedy(model, null, promptIds(model)),
    );
  }, 240_000);

  test('with SFT: training begins at the adapter, not at a fresh one', async () => {
    const store = await run(settings(1));
    const trained = (await store.checkpoint('sft'))?.state.parameters ?? [];
    const moved = trained.flatMap((flat, l) => [...flat].map((x, i) => Math.abs(x - (adapter[l]?.[i] ?? 0))));
    expect(Math.max(...moved)).toBeGreaterThan(0);
    // Two steps at this rate can't move a weight further.
    expect(Math.max(...moved)).toBeLessThan(5e-3);
  }, 240_000);

  test('with other LoRA settings is refused with both', async () => {
    const other = { ...LORA, rank: 2 };
    await expect(readStartAdapter(made(), model.config, other)).rejects.toThrow(
      /needs LoRA settings of rank 4, alpha 8, .* but the run has rank 2/,
    );
    const nowhere = { ...folder(join(scratch, 'nowhere')), name: 'nowhere' };
    await expect(readStartAdapter(nowhere, model.config, LORA)).rejects.toThrow(
      'nowhere: the file adapter_config.json is missing',
    );
  });
});

describe('--adapter', () => {
  const zipped = async (prefix: string) => {
    const read = (name: string) => readFile(join(scratch, 'made', name));
    const path = join(scratch, `${prefix || 'flat'}.zip`);
    const names = ['adapter_config.json', 'adapter_model.safetensors', 'README.md'];
    await writeFile(join(scratch, 'made', 'README.md'), 'x');
    const entries = await Promise.all(
      names.map(async (name) => [join(prefix, name), new Uint8Array(await read(name))] as const),
    );
    await writeFile(path, zipSync(Object.fromEntries(entries)));
    return path;
  };

  test.each<[string, () => Promise<string>, string]>([
    ['a folder', async () => join(scratch, 'made'), 'made'],
    ['a zip', () => zipped(''), 'flat'],
    ['a zip with a folder in it', () => zipped('inner'), 'inner'],
  ])('%s gives the LoRA settings, and SFT is left out', async (_, path, name) => {
    const found = await openAdapter(await path(), await mkdtemp(join(scratch, 'scratch-')));
    expect(found).toMatchObject({ name, lora: LORA });
    expect(await readStartAdapter(folder(found.folder), model.config, found.lora)).toEqual(adapter);
    const config = withAdapter(parseConfig({}), 'somewhere', found, false);
    expect(config).toMatchObject({ adapter: 'somewhere', lora: LORA, sft: { epochs: 0 } });
    expect(withAdapter(parseConfig({}), 'somewhere', found, true).sft.epochs).toBe(1);
  });

  test('what is no adapter is told of in one line', async () => {
    await writeFile(join(scratch, 'other.zip'), zipSync({ 'a.txt': new Uint8Array(3) }));
    await writeFile(join(scratch, 'broken.zip'), 'PK');
    for (const [path, message] of [
      ['missing', 'no such folder or file'],
      ['other.zip', 'there is no adapter_config.json in it'],
      ['broken.zip', 'not a zip file'],
    ]) {
      await expect(openAdapter(join(scratch, path ?? ''), scratch)).rejects.toThrow(message);
    }
  });
});
