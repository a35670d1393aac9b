import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, TextEmbedder } from '../../src/engine/types.ts';
import { type Plan, planOf, together } from '../../src/lab/plans.ts';
import { type LabContext, runLab } from '../../src/lab/run.ts';
import type { LabEvent, LabManifest, Piece } from '../../src/lab/types.ts';
import { planWork } from '../../src/lab/work.ts';
import { parseConfig, type RunConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { copyOfLab, labContext, labManifest, type MemoryLab, memoryLab } from '../fixtures/memory-lab.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 6, limit: 12 },
  sft: { batch: 6, epochs: 2 },
  sample: { n: 6, maxTokens: 24 },
  dpo: { negatives: 2, batch: 6, epochs: 1, learningRate: 1e-3 },
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

const facts = { hasRejected: false, imported: 0 };

function labOf(
  plans: readonly Plan[],
  change: Partial<LabManifest> = {},
  settings: RunConfig = config,
): MemoryLab {
  return memoryLab(labManifest(settings, { ...together(plans), ...change }), dataset);
}

const run = (lab: MemoryLab, change: Partial<LabContext> = {}) =>
  runLab(labContext(lab, dataset, model, embedder, change));

const pieces = (lab: MemoryLab): Piece[] => Object.values(lab.records.manifest.pieces);

async function adapter(lab: MemoryLab, arm: string, seed: number): Promise<readonly Float32Array[]> {
  const plan = planWork(lab.records.manifest, dataset.fingerprint);
  const key = plan.arms.find((each) => each.arm === arm && each.seed === seed)?.policy ?? '';
  const work = plan.byKey.get(key);
  const stage = work?.kind === 'policy' ? work.stage : 'sft';
  return (await lab.piece(key).checkpoint(stage))?.state.parameters ?? [];
}

describe('a lab on the default model (WASM in Node)', () => {
  test('pieces that arms share are computed once, and all of k train for as many steps', async () => {
    const lab = labOf([planOf('negatives', config, facts)], { seeds: [1, 2] });
    const events: LabEvent[] = [];
    await run(lab, { emit: (event) => events.push(event) });
    const all = pieces(lab);
    expect(all.filter(({ state }) => state !== 'done')).toEqual([]);
    const count = (label: RegExp) => all.filter((piece) => label.test(piece.label)).length;
    // k = 1, 2, 4 of 6 samples; SFT and its samples once a seed.
    expect(count(/^SFT, seed/)).toBe(2);
    expect(count(/^answers for SFT, seed/)).toBe(2);
    expect(count(/^k = \d, seed/)).toBe(6);
    expect(count(/^evaluation of/)).toBe(8);
    expect(count(/^data/)).toBe(1);
    const begun = events.filter((event) => event.type === 'piece' && event.piece.state === 'running');
    expect(begun.length).toBe(all.length);
    for (const seed of [1, 2]) {
      const steps = all.filter(({ label }) => label.startsWith('k = ') && label.endsWith(`seed ${seed}`));
      expect(new Set(steps.map(({ figures }) => figures.steps)).size).toBe(1);
      expect(new Set(steps.map(({ figures }) => figures.prompts)).size).toBe(1);
    }
    expect(await adapter(lab, 'k4', 1)).not.toEqual(await adapter(lab, 'k4', 2));
    // Again: nothing is left to do.
    const later: LabEvent[] = [];
    await run(lab, { emit: (event) => later.push(event) });
    expect(later.filter((event) => event.type === 'piece')).toEqual([]);
  }, 240_000);

  test('Self-Contrast in a lab is, bit for bit, what a run with the same settings and split makes of it', async () => {
    const { arms, info } = planOf('baselines', config, facts);
    const wanted = arms.filter(({ id }) => ['sft', 'base', 'self-contrast'].includes(id));
    const lab = labOf([{ info, arms: wanted }]);
    await run(lab);
    const store = memoryStore(config, dataset);
    const signal = new AbortController().signal;
    const now = () => performance.now();
    await runPipeline({ config, model, embedder: async () => embedder, store, emit: () => {}, signal, now });
    expect(await adapter(lab, 'sft', 1)).toEqual((await store.checkpoint('sft'))?.state.parameters);
    expect(await adapter(lab, 'self-contrast', 1)).toEqual((await store.checkpoint('dpo'))?.state.parameters);
    const records = await store.evaluation();
    const plan = planWork(lab.records.manifest, dataset.fingerprint);
    for (const { evaluation } of plan.arms) {
      const ours = await lab.piece(evaluation).evaluation();
      const theirs = records.filter((record) => record.arm === ours[0]?.arm);
      expect(ours.length).toBe(6);
      expect(ours).toEqual(theirs);
    }
  }, 240_000);

  test('stopped anywhere, it ends with the same bits', async () => {
    const settings = parseConfig({ ...config, sft: { ...config.sft, epochs: 1 } });
    const plan = planOf('negatives', settings, facts);
    const arms = { info: plan.info, arms: plan.arms.filter(({ id }) => ['sft', 'k2'].includes(id)) };
    const whole = labOf([arms], {}, settings);
    await run(whole);
    let lab = labOf([arms], {}, settings);
    let stops = 0;
    for (const label of ['SFT', 'answers for SFT', 'k = 2', 'evaluation of k = 2']) {
      const abort = new AbortController();
      const emit = (event: LabEvent) => {
        if (event.type !== 'progress' || event.progress.label !== label) return;
        if (event.progress.done > 0) abort.abort(new Error('stopped'));
      };
      await expect(run(lab, { signal: abort.signal, emit })).rejects.toThrow('stopped');
      stops++;
      expect(pieces(lab).find((piece) => piece.label === label)?.state).toBe('running');
      // What a killed process leaves behind.
      lab = copyOfLab(lab, dataset);
    }
    expect(stops).toBe(4);
    await run(lab);
    expect(await adapter(lab, 'k2', 1)).toEqual(await adapter(whole, 'k2', 1));
    const { arms: done } = planWork(whole.records.manifest, dataset.fingerprint);
    for (const { evaluation } of done) {
      expect(await lab.piece(evaluation).evaluation()).toEqual(await whole.piece(evaluation).evaluation());
    }
  }, 240_000);

  test('an arm that fails is marked, with those that need it, and the others go on', async () => {
    const { info, arms } = planOf('negatives', config, facts);
    const lab = labOf([
      {
        info,
        arms: [
          ...arms.filter(({ id }) => ['sft', 'k2'].includes(id)),
          {
            id: 'broken',
            name: 'broken',
            policy: {
              kind: 'dpo',
              from: { kind: 'sft' },
              negatives: { source: 'own' },
              set: { 'filter.percent': 0 },
            },
          },
        ],
      },
    ]);
    await run(lab);
    const failed = pieces(lab).filter(({ state }) => state === 'failed');
    expect(failed.map(({ label }) => label)).toEqual(['broken', 'evaluation of broken']);
    expect(failed[0]?.error?.message).toContain('no prompt has 2 negatives left');
    expect(failed[1]?.error?.message).toContain('needs broken, which failed');
    expect(pieces(lab).find(({ label }) => label === 'evaluation of k = 2')?.state).toBe('done');
  }, 240_000);

  test('a lab that cannot be computed is refused before it begins, one line a problem', async () => {
    const bad = labOf([], {
      seeds: [],
      arms: [
        {
          id: 'k9',
          name: 'k = 9',
          policy: {
            kind: 'dpo',
            from: { kind: 'sft' },
            negatives: { source: 'own' },
            set: { 'dpo.negatives': 9 },
          },
        },
        { id: 'k9', name: 'twice', policy: { kind: 'sft', set: { 'sft.batch': 0 } } },
      ],
    });
    const error: unknown = await run(bad).catch((e: unknown) => e);
    const lines = error instanceof Error ? error.message.split('\n') : [];
    expect(lines).toEqual([
      'the lab needs one seed at least',
      'k9: two arms have this id',
      expect.stringContaining("k9: dpo.negatives: 9 negatives can't be drawn"),
      expect.stringContaining('k9: sft.batch: 0 is not allowed'),
    ]);
    expect(pieces(bad)).toEqual([]);
  });
});
