import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openDevice } from '../../src/engine/backend.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import type { LanguageModel, RewardModel, TextEmbedder } from '../../src/engine/types.ts';
import { collectLab } from '../../src/lab/collect.ts';
import { planOf } from '../../src/lab/plans.ts';
import { type LabContext, runLab } from '../../src/lab/run.ts';
import type { ArmSpec, LabEvent, LabManifest, Overrides, Piece, TrainedSpec } from '../../src/lab/types.ts';
import { planWork } from '../../src/lab/work.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import { promptKey } from '../../src/pipeline/prepare.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { checkedReport } from '../fixtures/lab-report-check.ts';
import { copyOfLab, labContext, labManifest, type MemoryLab, memoryLab } from '../fixtures/memory-lab.ts';
import { memoryStore } from '../fixtures/memory-store.ts';

const PUBLIC = fileURLToPath(new URL('../../public/', import.meta.url));

const config = parseConfig({
  backend: 'wasm',
  data: { heldOut: 4, limit: 4 },
  lora: { targets: ['q_proj'] },
  sft: { batch: 2, epochs: 1 },
  sample: { n: 6, maxTokens: 12 },
  dpo: { negatives: 2, batch: 2, epochs: 1, learningRate: 1e-3 },
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
  const text = await readFile(`${PUBLIC}datasets/word-helper/train.jsonl`, 'utf8');
  const read = await readDataset('word-helper', text);
  dataset = { ...read, rows: read.rows.map((row) => ({ ...row, rejected: ['', 'no idea', 'no idea'] })) };
}, 120_000);
afterAll(() => model.dispose());

const run = (lab: MemoryLab, change: Partial<LabContext> = {}) =>
  runLab(labContext(lab, dataset, model, embedder, change));

const pieces = (lab: MemoryLab): Piece[] => Object.values(lab.records.manifest.pieces);
const piece = (lab: MemoryLab, label: string): Piece | undefined =>
  pieces(lab).find((one) => one.label === label);

async function adapter(lab: MemoryLab, arm: string): Promise<readonly Float32Array[]> {
  const plan = planWork(lab.records.manifest, dataset.fingerprint);
  const key = plan.arms.find((each) => each.arm === arm)?.policy ?? '';
  const work = plan.byKey.get(key);
  const stage = work?.kind === 'policy' ? work.stage : 'sft';
  const parameters = (await lab.piece(key).checkpoint(stage))?.state.parameters;
  if (!parameters) throw new Error(`${arm} has no adapter`);
  return parameters;
}

const labels = (events: readonly LabEvent[], state: Piece['state']): string[] =>
  events.flatMap((event) => (event.type === 'piece' && event.piece.state === state ? event.piece.label : []));

const baselines = planOf('baselines', config, { hasRejected: true, imported: 0 }).arms;
const sweep = planOf('negatives', config, { hasRejected: false, imported: 0 }).arms;
const named = (arms: readonly ArmSpec[], ...ids: string[]): ArmSpec[] =>
  ids.flatMap((id) => arms.find((arm) => arm.id === id) ?? []);

/** A lab that is done, which others go on from; what they share with it is not computed again. */
let whole: MemoryLab;
const events: LabEvent[] = [];
beforeAll(async () => {
  const arms = [...named(baselines, 'sft', 'base', 'self-contrast'), ...named(sweep, 'k1', 'k2')];
  whole = memoryLab(labManifest(config, { arms }), dataset);
  await run(whole, { emit: (event) => events.push(event) });
}, 240_000);

/** The same lab with other arms or settings. */
function changed(change: Partial<LabManifest>): MemoryLab {
  const lab = copyOfLab(whole, dataset);
  lab.records.manifest = { ...lab.records.manifest, ...change };
  return lab;
}

describe('a lab on the default model (WASM in Node)', () => {
  test('every piece is computed once, and all of k train on the same prompts for as many steps', async () => {
    const { works } = planWork(whole.records.manifest, dataset.fingerprint);
    expect(labels(events, 'done')).toEqual(works.map(({ label }) => label));
    expect(labels(events, 'running')).toEqual(labels(events, 'done'));
    expect(labels(events, 'done')).toEqual([
      ...['data', 'SFT', 'evaluation of SFT', 'evaluation of base model'],
      ...['6 answers for SFT', 'Self-Contrast', 'evaluation of Self-Contrast'],
      ...['k = 1', 'evaluation of k = 1', 'k = 2', 'evaluation of k = 2', 'diagnosis'],
    ]);
    const [k1, k2] = [piece(whole, 'k = 1')?.figures, piece(whole, 'k = 2')?.figures];
    expect(k1?.steps).toBeGreaterThan(0);
    expect(k1?.steps).toBe(k2?.steps);
    expect(k1?.prompts).toBe(k2?.prompts);
    expect(Number(k2?.pairs)).toBe(2 * Number(k1?.pairs));
    const later: LabEvent[] = [];
    await run(whole, { emit: (event) => later.push(event) });
    expect(labels(later, 'running')).toEqual([]);
  });

  test('its report says of every arm what its records give by hand', async () => {
    const report = await checkedReport(whole, dataset);
    expect(report.reference).toBe('sft');
    expect(report.arms.map(({ id }) => id)).toEqual(['sft', 'base', 'self-contrast', 'k1', 'k2']);
  });

  test('progress rises to the end, and knows how long it takes once the data are read', () => {
    const told = events.flatMap((event) => (event.type === 'progress' ? event.progress : []));
    expect(told[0]?.secondsLeft).toBeNull();
    expect(told.slice(1).every(({ secondsLeft }) => secondsLeft !== null)).toBe(true);
    expect(told.at(-1)?.share).toBeGreaterThan(0.7);
    expect(told.at(-1)?.piecesDone).toBe(11);
  });

  test('Self-Contrast is, bit for bit, what a run with the same settings and split makes of it', async () => {
    const store = memoryStore(config, dataset);
    const signal = new AbortController().signal;
    const now = () => performance.now();
    await runPipeline({ config, model, embedder: async () => embedder, store, emit: () => {}, signal, now });
    expect(await adapter(whole, 'sft')).toEqual((await store.checkpoint('sft'))?.state.parameters);
    expect(await adapter(whole, 'self-contrast')).toEqual((await store.checkpoint('dpo'))?.state.parameters);
    const records = await store.evaluation();
    const { arms } = planWork(whole.records.manifest, dataset.fingerprint);
    for (const { evaluation } of arms.slice(0, 3)) {
      const ours = await whole.piece(evaluation).evaluation();
      expect(ours.length).toBe(4);
      expect(ours).toEqual(records.filter(({ arm }) => arm === ours[0]?.arm));
    }
  }, 240_000);

  test('stopped anywhere, it ends with the same bits', async () => {
    let lab = memoryLab(labManifest(config, { arms: named(baselines, 'sft', 'self-contrast') }), dataset);
    const stops = ['SFT', '6 answers for SFT', 'Self-Contrast', 'evaluation of Self-Contrast'];
    for (const label of stops) {
      const abort = new AbortController();
      const emit = (event: LabEvent) => {
        if (event.type !== 'progress' || event.progress.label !== label) return;
        if (event.progress.done > 0) abort.abort(new Error('stopped'));
      };
      await expect(run(lab, { signal: abort.signal, emit })).rejects.toThrow('stopped');
      expect(piece(lab, label)?.state).toBe('running');
      // What a killed process leaves behind.
      lab = copyOfLab(lab, dataset);
    }
    await run(lab);
    expect(await adapter(lab, 'self-contrast')).toEqual(await adapter(whole, 'self-contrast'));
    const { arms } = planWork(lab.records.manifest, dataset.fingerprint);
    for (const { evaluation } of arms)
      expect(await lab.piece(evaluation).evaluation()).toEqual(await whole.piece(evaluation).evaluation());
  }, 240_000);

  test('an arm that fails is marked, with what needs it, and the others go on', async () => {
    const policy: TrainedSpec = {
      kind: 'dpo',
      from: { kind: 'sft' },
      negatives: { source: 'own' },
      set: { 'filter.percent': 0 },
    };
    const lab = changed({
      arms: [{ id: 'broken', name: 'broken', policy }, ...named(baselines, 'sft', 'spin-1')],
    });
    await run(lab);
    const failed = pieces(lab).filter(({ state }) => state === 'failed');
    expect(failed.map(({ label }) => label)).toEqual(['broken', 'evaluation of broken']);
    expect(failed[0]?.error?.message).toContain('no prompt has 2 negatives left');
    expect(failed[1]?.error?.message).toContain('needs broken, which failed');
    expect(piece(lab, 'evaluation of SPIN, 1 iteration')?.state).toBe('done');
    const { runs, answers } = await collectLab(
      { store: lab, dataset: async () => dataset, versions: {} },
      'working',
    );
    expect(runs.map(({ arm, state }) => [arm, state])).toEqual([
      ['broken', 'failed'],
      ['sft', 'done'],
      ['spin-1', 'done'],
    ]);
    expect(runs[0]?.error).toContain('no prompt has 2 negatives left');
    expect(answers.map(({ arm }) => arm)).toEqual(['sft', 'spin-1']);
  }, 240_000);

  test('answers of others are scored under the policy; a second round has samples of its own; SFT as long', async () => {
    const others = dataset.rows.map((row) => ({ ...row, rejected: ['', 'no idea', 'no idea'] }));
    const imported = new Map(
      others.map((row) => [promptKey(row), ['perhaps', 'it may be', 'I see']] as const),
    );
    const policy: TrainedSpec = {
      kind: 'dpo',
      from: { kind: 'sft' },
      negatives: { source: 'imported' },
      set: { 'filter.percent': 100 },
    };
    const lab = changed({
      importedId: 'others',
      arms: [
        ...named(baselines, 'dpo-rejected', 'self-contrast-2', 'sft-long'),
        { id: 'imported', name: 'imported', policy },
      ],
    });
    await run(lab, { imported: async () => imported });
    expect(pieces(lab).filter(({ state }) => state !== 'done')).toEqual([]);
    const { works, byKey, arms } = planWork(lab.records.manifest, dataset.fingerprint);
    const answers = (source: string, round: number) => {
      const found = works.find((w) => w.kind === 'answers' && w.source === source && w.round === round);
      return lab.piece(found?.key ?? '').responses();
    };
    // The one rejected answer that is left, under the SFT policy.
    const [first] = await answers('rejected', 0);
    expect(first?.responses.map(({ text }) => text)).toEqual(['no idea']);
    const { train } = (await lab.piece(works[0]?.key ?? '').prepared()) ?? { train: [] };
    const trainer = await model.createTrainer(config.lora, { ...ADAM }, 1);
    const parameters = await adapter(whole, 'sft');
    const zeros = parameters.map((vector) => new Float32Array(vector.length));
    await trainer.restore({ step: 0, parameters, m: zeros, v: zeros });
    const ids = model.tokenizer.encodeTarget('no idea');
    const [logps] = await trainer.logps([{ promptIds: train[0]?.promptIds ?? [], responseIds: [ids] }]);
    await trainer.dispose();
    const sum = Array.from(logps?.[0] ?? []).reduce((a, b) => a + b, 0);
    expect(first?.responses[0]?.logp).toBeCloseTo(sum, 3);
    expect((await answers('imported', 0))[0]?.responses.length).toBe(3);
    expect(piece(lab, 'imported')?.figures.pairs).toBe(2 * 4);
    // The same prompts, another policy and another seed.
    const [round0, round1] = [await answers('own', 0), await answers('own', 1)];
    expect(round1.length).toBe(4);
    expect(round1).not.toEqual(round0);
    const second = byKey.get(arms.find(({ arm }) => arm === 'self-contrast-2')?.policy ?? '');
    const once = planWork(whole.records.manifest, dataset.fingerprint).arms.find(
      ({ arm }) => arm === 'self-contrast',
    );
    expect(second?.needs).toContain(once?.policy);
    // SFT for as long as SFT, sampling and DPO cost: see lab-compute.test.ts for the rule.
    expect(Number(piece(lab, 'SFT, equal compute')?.figures.steps)).toBeGreaterThan(2 * 2);
  }, 240_000);

  test('an answer that is marked is no negative, and what was made of it is made anew', async () => {
    const { arms, byKey } = planWork(whole.records.manifest, dataset.fingerprint);
    const before = byKey.get(arms.find(({ arm }) => arm === 'self-contrast')?.policy ?? '');
    if (before?.kind !== 'policy' || before.stage !== 'dpo') throw new Error('no such piece');
    const [pair] = await whole.piece(before.key).pairs();
    const responses = await whole.piece(before.answers).responses();
    const text = responses[pair?.index ?? -1]?.responses[pair?.response ?? -1]?.text;
    const { train } = (await whole.piece(before.data).prepared()) ?? { train: [] };
    const row = train[pair?.index ?? -1];
    if (text === undefined || !row) throw new Error('no such answer');
    const mark = { prompt: promptKey(row), text };
    const lab = changed({ marks: [mark], arms: named(baselines, 'sft', 'self-contrast') });
    const seen: LabEvent[] = [];
    await run(lab, { emit: (event) => seen.push(event) });
    expect(labels(seen, 'done')).toEqual(['Self-Contrast', 'evaluation of Self-Contrast', 'diagnosis']);
    const after = planWork(lab.records.manifest, dataset.fingerprint).arms.at(-1)?.policy ?? '';
    const negatives = (await lab.piece(after).pairs())
      .filter(({ index }) => index === pair?.index)
      .map(({ index, response }) => responses[index]?.responses[response]?.text);
    expect(negatives).not.toContain(text);
    // What no arm leads to any more takes no room.
    expect(lab.records.pieces.has(before.key)).toBe(false);
    expect(Object.keys(lab.records.manifest.pieces)).not.toContain(before.key);
  }, 240_000);

  test('the final split is answered on the last look alone, which is noted once', async () => {
    const lab = changed({ finalShare: 0.5, arms: named(baselines, 'sft') });
    await run(lab);
    const collect = (split: 'working' | 'final') =>
      collectLab({ store: lab, dataset: async () => dataset, versions: {} }, split);
    expect((await collect('final')).answers).toEqual([]);
    expect(lab.records.manifest.looks).toEqual([]);
    const abort = new AbortController();
    const stop = (event: LabEvent) => {
      if (event.type === 'progress' && event.progress.done > 0) abort.abort(new Error('stopped'));
    };
    const look = (change: Partial<LabContext>) =>
      runLab(labContext(lab, dataset, model, embedder, change), 'final');
    await expect(look({ signal: abort.signal, emit: stop })).rejects.toThrow('stopped');
    await look({});
    expect(lab.records.manifest.looks.length).toBe(1);
    const [working, final] = [await collect('working'), await collect('final')];
    expect([working.heldOut.length, final.heldOut.length]).toEqual([2, 2]);
    expect(working.data).toMatchObject({ working: 2, final: 2, train: 4 });
    const prompts = new Set(working.heldOut.map(promptKey));
    expect(final.heldOut.some((row) => prompts.has(promptKey(row)))).toBe(false);
    expect(final.answers[0]?.records.map(({ index }) => index)).toEqual([0, 1]);
    await look({});
    expect(lab.records.manifest.looks.length).toBe(2);
  }, 240_000);

  test('a reward model scores each distinct answer and target once', async () => {
    const scored: string[] = [];
    // Longer is better: what a score is of matters here, not what it is.
    const reward: RewardModel = {
      info: { name: 'longer', fingerprint: 'f' },
      score: async (pairs) => {
        scored.push(...pairs.map(({ messages, answer }) => JSON.stringify([messages, answer])));
        return pairs.map(({ answer }) => answer.length);
      },
    };
    const lab = changed({ rewardModel: 'longer', arms: named(baselines, 'sft', 'base') });
    await run(lab, { reward: async () => reward });
    expect(new Set(scored).size).toBe(scored.length);
    const { answers, heldOut } = await collectLab(
      { store: lab, dataset: async () => dataset, versions: {} },
      'working',
    );
    for (const { records, rewards = [] } of answers) {
      expect(rewards.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
      for (const [i, { scores, target }] of rewards.entries()) {
        expect(scores).toEqual(records[i]?.answers.map(({ text }) => text.length));
        expect(target).toBe(heldOut[i]?.target?.length);
      }
    }
    // Another one under the same name would mix two judges.
    const other = { ...reward, info: { name: 'longer', fingerprint: 'g' } };
    lab.records.manifest = { ...lab.records.manifest, arms: named(baselines, 'self-contrast') };
    await expect(run(lab, { reward: async () => other })).rejects.toThrow('now is another one');
  }, 240_000);

  test('a lab that cannot be computed is refused before it begins, one line a problem', async () => {
    const own = (set: Overrides): TrainedSpec => ({
      kind: 'dpo',
      from: { kind: 'sft' },
      negatives: { source: 'own' },
      set,
    });
    const lab = changed({
      seeds: [],
      pieces: {},
      arms: [
        { id: 'k9', name: 'k = 9', policy: own({ 'dpo.negatives': 9 }) },
        { id: 'k9', name: 'twice', policy: { kind: 'sft', set: { 'sft.batch': 0 } } },
        { id: 'rank', name: 'rank', policy: own({ 'lora.rank': 4 }) },
        { id: 'seed', name: 'seed', policy: own({ seed: 4 }) },
        ...named(baselines, 'dpo-rejected'),
        {
          id: 'else',
          name: 'else',
          policy: { kind: 'dpo', from: { kind: 'sft' }, negatives: { source: 'imported' } },
        },
      ],
    });
    const plain = { ...dataset, rows: dataset.rows.map(({ rejected: _rejected, ...row }) => row) };
    const error: unknown = await run(lab, { dataset: async () => plain }).catch((e: unknown) => e);
    const lines = error instanceof Error ? error.message.split('\n') : [];
    expect(lines).toEqual([
      'the lab needs one seed at least',
      'k9: two arms have this id',
      expect.stringContaining("k9: dpo.negatives: 9 negatives can't be drawn"),
      expect.stringContaining('k9: sft.batch: 0 is not allowed'),
      "rank: lora.rank: it can't change after SFT; set it in the SFT step as well.",
      'seed: seed: every arm is computed with all seeds of the lab',
      'dpo-rejected: the data set brings no rejected answers',
      'else: the lab has no file with answers of other models',
    ]);
    expect(pieces(lab)).toEqual([]);
  });
});

const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
