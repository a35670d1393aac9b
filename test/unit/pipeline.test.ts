import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, TextEmbedder } from '../../src/engine/types.ts';
import { runReport } from '../../src/lab/run-report.ts';
import { uniformAdapter } from '../../src/model/adapter.ts';
import { readPeft } from '../../src/model/peft.ts';
import { parseConfig, type RunConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { exportFiles } from '../../src/pipeline/export/run-files.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset, Report, RunEvent, RunStore } from '../../src/pipeline/types.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 6, limit: 12 },
  sft: { batch: 6, epochs: 2 },
  sample: { n: 6, maxTokens: 24 },
  dpo: { negatives: 3, batch: 6, epochs: 2, learningRate: 1e-3 },
  evaluate: { samples: 2 },
});

let model: LanguageModel;
let embedder: TextEmbedder;
let dataset: Dataset;
beforeAll(async () => {
  model = await loadLanguageModel(
    await openDevice({ backend: 'wasm' }),
    folder(`${PUBLIC}models/default-lm`),
  );
  embedder = await openEmbedder({ source: folder(`${PUBLIC}models/default-embedder`), pooling: 'mean' });
  dataset = await readDataset(
    'word-helper',
    await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8'),
  );
}, 120_000);
afterAll(() => model.dispose());

function run(
  store: RunStore,
  signal: AbortSignal = new AbortController().signal,
  onEvent: (event: RunEvent) => void = () => {},
  settings: RunConfig = config,
): Promise<void> {
  return runPipeline({
    config: settings,
    model,
    embedder: async () => embedder,
    store,
    emit: onEvent,
    signal,
    now: () => performance.now(),
  });
}

/** The files of a run, by path. */
async function files(store: RunStore): Promise<Map<string, Uint8Array>> {
  return new Map((await exportFiles(store, model, {})).map(({ path, bytes }) => [path, bytes]));
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

/** The run's report in the form of a lab's says what the evaluation said, and more. */
async function checkReport(store: RunStore, evaluation: Report['evaluation'] | undefined): Promise<void> {
  const report = await runReport(store, { 'self-contrast': '0' });
  const [base, sft, ours] = report.arms;
  const held = evaluation?.heldOut;
  for (const [row, score] of [
    [base, held?.base],
    [sft, held?.sft],
    [ours, held?.selfContrast],
  ] as const) {
    expect(row).toMatchObject({ state: 'done', figures: { accuracy: { n: 6, seeds: 1 } } });
    expect(row?.figures.accuracy?.value).toBeCloseTo(score?.accuracy ?? Number.NaN, 9);
    expect(row?.figures.similarity?.value).toBeCloseTo(score?.similarity ?? Number.NaN, 6);
    expect(row?.figures.tokens?.value).toBeCloseTo(score?.meanTokens ?? Number.NaN, 9);
  }
  expect(ours?.winRate?.value).toBeCloseTo(evaluation?.winRateVsSft ?? Number.NaN, 9);
  expect(ours?.gain.accuracy?.value).toBeCloseTo(evaluation?.gainOverSft?.accuracy ?? Number.NaN, 9);
  expect([base?.steps, sft?.steps, ours?.steps]).toEqual([0, 4, 4]);
  expect(report.findings.map(({ claim }) => claim)).toEqual([
    'Self-Contrast beats SFT.',
    'Self-Contrast beats base model.',
  ]);
  expect(report.samples).toHaveLength(6);
  expect(report.diagnosis.falseNegatives).toMatchObject({ judge: 'grader' });
  expect(new Set(report.signs.map(({ id }) => id)).has('few-distinct')).toBe(true);
  expect(report.timings.map(({ label }) => label)).toContain('DPO');

  const unbegun = await runReport(memoryStore(config, dataset), {});
  expect(unbegun.arms.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
  expect(unbegun.findings.map(({ verdict }) => verdict)).toEqual(['unclear', 'unclear']);
}

describe('the whole pipeline on the default model (WASM in Node)', () => {
  test('every stage leaves its records, and a run stopped in every stage ends with the same bytes', async () => {
    const whole = memoryStore(config, dataset);
    await run(whole);
    const { stages, report } = await whole.manifest();
    expect(Object.values(stages).every((state) => state === 'done')).toBe(true);
    expect(report?.stages.sft?.steps).toBe(4);
    expect(report?.stages.sample?.responses).toBe(72);
    expect(report?.evaluation.heldOut.selfContrast?.prompts).toBe(6);
    expect(Object.keys(report?.evaluation.heldOut ?? {})).toEqual(['base', 'sft', 'selfContrast']);
    await checkReport(whole, report?.evaluation);

    const store = memoryStore(config, dataset);
    let stops = 0;
    for (const stage of ['sft', 'sample', 'dpo', 'evaluate'] as const) {
      const abort = new AbortController();
      const stopped = run(store, abort.signal, (event) => {
        if (event.type === 'progress' && event.progress.stage === stage) abort.abort(new Error('stopped'));
      });
      await stopped.catch((error: unknown) => {
        stops++;
        expect(error).toMatchObject({ message: 'stopped' });
      });
    }
    expect(stops).toBeGreaterThanOrEqual(3);
    await run(store);
    const [expected, resumed] = [await files(whole), await files(store)];
    for (const path of ['adapter/adapter_model.safetensors', 'pairs.jsonl', 'responses.jsonl']) {
      expect(Buffer.from(resumed.get(path) ?? []).equals(Buffer.from(expected.get(path) ?? [])), path).toBe(
        true,
      );
    }
  }, 240_000);

  test('the adapter reads back, and the rewards of the report can be recomputed from the exported pairs', async () => {
    const store = memoryStore(config, dataset);
    await run(store);
    const out = await files(store);
    const bytes = out.get('adapter/adapter_model.safetensors') ?? new Uint8Array();
    const peft = readPeft(text(out.get('adapter/adapter_config.json')), bytes);
    const { lora, weights: adapter } = uniformAdapter(model.config, peft.modules);
    expect(lora).toEqual(config.lora);
    const stored = (await store.checkpoint('dpo'))?.state.parameters ?? [];
    expect(adapter).toEqual(stored);

    const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 };
    const trainer = await model.createTrainer(config.lora, optimiser, 0);
    const zeros = adapter.map((v) => new Float32Array(v.length));
    await trainer.restore({ step: 0, parameters: adapter, m: zeros, v: zeros });
    const rows = text(out.get('pairs.jsonl'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const logps = await trainer.logps(
      rows.map((r) => ({ promptIds: r.prompt_ids, responseIds: [r.chosen_ids, r.rejected_ids] })),
    );
    await trainer.dispose();
    const margins = rows.map((row, i) => {
      const [chosen = 0, rejected = 0] = (logps[i] ?? []).map((x) => x.reduce((a, b) => a + b, 0));
      return config.dpo.beta * (chosen - row.ref_chosen_logp - (rejected - row.ref_rejected_logp));
    });
    const { report } = await store.manifest();
    const mean = margins.reduce((a, b) => a + b, 0) / margins.length;
    expect(Math.abs(mean - Number(report?.stages.dpo?.rewardMargin))).toBeLessThan(1e-4);
    expect(margins.filter((m) => m > 0).length / margins.length).toBeCloseTo(
      Number(report?.stages.dpo?.rewardAccuracy),
      2,
    );
  }, 240_000);

  test('a stage that fails is told and stored with its name, and what was finished stays', async () => {
    const strict = parseConfig({
      ...config,
      sample: { ...config.sample, n: 3 },
      filter: { mode: 'lastdedup', percent: 25 },
    });
    const store = memoryStore(strict, dataset);
    await expect(run(store, undefined, undefined, strict)).rejects.toThrow('No prompt has 3 negatives left');
    const { error, stages } = await store.manifest();
    expect(error).toMatchObject({ stage: 'filter', code: 'FilterError' });
    expect(stages).toMatchObject({ sft: 'done', sample: 'done', filter: 'failed', dpo: 'waiting' });
    expect((await store.responses()).length).toBe(12);
  }, 240_000);
});
