/** What the page makes of a run's events and of what is stored. */
import { describe, expect, test } from 'vitest';
import { changedKeys, redoFrom, textOf } from '../../src/app/fields.ts';
import { binned, quantile, shareBelow } from '../../src/app/histogram.ts';
import { answerFate, answerRows, poolOfRun } from '../../src/app/pool.ts';
import { railFigure } from '../../src/app/stagetext.ts';
import {
  appendStep,
  changedManifest,
  clearedFrom,
  clearedManifest,
  currentStage,
  EMPTY_VIEW,
  isFinished,
  isStarted,
  overallShare,
  perStage,
  reduceEvents,
  settled,
  stageStarted,
  viewOf,
} from '../../src/app/state.ts';
import type { ModelInfo } from '../../src/engine/types.ts';
import { DEFAULT_CONFIG, parseConfig, setKey } from '../../src/pipeline/config.ts';
import { checkPrecision } from '../../src/pipeline/identity.ts';
import { CONFIG_KEYS } from '../../src/pipeline/settings.ts';
import type { PromptResponses, RunEvent, RunManifest, Stage, StageState } from '../../src/pipeline/types.ts';

const manifest = (stages: Partial<Record<Stage, StageState>> = {}): RunManifest => ({
  id: 'r1',
  name: 'a run',
  created: 0,
  config: DEFAULT_CONFIG,
  datasetId: 'd1',
  stages: { ...perStage((): StageState => 'waiting'), ...stages },
  seconds: { sft: 3, dpo: 4 },
  report: {
    stages: { sft: { seconds: 3 }, dpo: { seconds: 4 } },
    evaluation: { heldOut: {}, winRateVsSft: 0.6, judge: 'similarity' },
    warnings: ['mind this'],
  },
});

const MODEL: ModelInfo = {
  name: 'a model',
  architecture: 'LlamaForCausalLM',
  parameterCount: 1000,
  layers: 1,
  hiddenSize: 8,
  vocabSize: 16,
  contextLength: 32,
  fingerprint: 'aaaa',
};

const answers = (index: number, ...similarities: number[]): PromptResponses => ({
  index,
  responses: similarities.map((similarity, at) => ({
    text: `answer ${at}`,
    tokenIds: [at],
    logp: -1,
    stopped: true,
    similarity,
  })),
});

const running = (stage: Stage): RunEvent => ({ type: 'stage', stage, state: 'running', summary: '' });
const progress = (stage: Stage, done: number, total: number, figures = {}): RunEvent => ({
  type: 'progress',
  progress: { stage, done, total, unit: 'steps', rate: 2, secondsLeft: (total - done) / 2, figures },
});
const step = (stage: 'sft' | 'dpo', at: number, loss: number): RunEvent => ({
  type: 'metric',
  metric: { stage, step: at, values: { loss } },
});
const arrived = (record: PromptResponses): RunEvent => ({
  type: 'responses',
  prompt: 'p',
  target: 't',
  record,
});

describe('events', () => {
  test('a run is replayed into one view', () => {
    const view = reduceEvents(EMPTY_VIEW, [
      { type: 'stage', stage: 'data', state: 'done', summary: '2 prompts' },
      { type: 'prepared', train: 2, heldOut: 1, refused: 0 },
      running('sft'),
      step('sft', 1, 2),
      step('sft', 2, 1),
      { type: 'preview', stage: 'sft', step: 2, answers: [{ prompt: 'p', text: 'x' }] },
      progress('sft', 2, 4),
      { type: 'warning', message: 'w' },
      { type: 'warning', message: 'w' },
    ]);
    expect(view.stages.data).toMatchObject({ state: 'done', summary: '2 prompts' });
    expect(view.stages.sft).toMatchObject({ state: 'running', progress: { done: 2 } });
    expect(view.counts).toEqual({ train: 2, heldOut: 1, refused: 0 });
    expect(view.metrics.sft.map((metric) => metric.values.loss)).toEqual([2, 1]);
    expect(view.previews.sft).toHaveLength(1);
    expect(view.warnings).toEqual(['w']);
    expect(currentStage(view)).toBe('sft');
    expect(isStarted(view)).toBe(true);
    expect(railFigure(view, 'sft')).toBe('loss 2.00 → 1.00');
  });

  test('answers land at their prompt, in whatever order they arrive', () => {
    const view = reduceEvents(EMPTY_VIEW, [arrived(answers(2, 0.1)), arrived(answers(0, 0.2, 0.3))]);
    expect(view.responses.map((record) => record?.responses.length)).toEqual([2, undefined, 1]);
    expect(view.latest).toBe(0);
    expect(EMPTY_VIEW.responses).toEqual([]);
  });

  test('steps repeated after a checkpoint replace those seen before', () => {
    const seen = [1, 2, 3].map((at) => ({ step: at, mark: 'old' }));
    expect(appendStep(seen, { step: 2, mark: 'new' })).toEqual([
      { step: 1, mark: 'old' },
      { step: 2, mark: 'new' },
    ]);
  });

  test('a stage that is taken up again keeps how far it was, not how fast; one that is redone begins at nothing', () => {
    const before = reduceEvents(EMPTY_VIEW, [running('dpo'), progress('dpo', 5, 10)]);
    const again = reduceEvents(settled(before), [running('dpo')]);
    expect(again.stages.dpo.progress).toMatchObject({ done: 5, total: 10, rate: 0, secondsLeft: null });
    expect(overallShare(again)).toBe(overallShare(before));
    expect(reduceEvents(clearedFrom(before, 'dpo'), [running('dpo')]).stages.dpo.progress).toBeNull();
  });

  test('a manifest brings states and warnings', () => {
    const view = reduceEvents(EMPTY_VIEW, [{ type: 'manifest', manifest: manifest({ sft: 'failed' }) }]);
    expect(view.stages.sft.state).toBe('failed');
    expect(view.warnings).toEqual(['mind this']);
  });
});

describe('stored runs', () => {
  test('a stage that was running when the page was left can be resumed', () => {
    const stored = { manifest: manifest({ model: 'done', sft: 'running' }), counts: null, sft: [], dpo: [] };
    const view = viewOf({ ...stored, responses: [answers(3, 0.5)] });
    expect(view.stages.sft.state).toBe('waiting');
    expect(view.responses[3]?.responses).toHaveLength(1);
    expect(isStarted(view)).toBe(true);
    expect(isFinished(view)).toBe(false);
  });

  test('a stage left half done shows how far it had come', () => {
    const config = parseConfig({ sample: { n: 2 }, dpo: { epochs: 2, batch: 2 } });
    const half = { ...manifest({ sft: 'done', sample: 'running' }), config };
    const counts = { train: 4, heldOut: 0, refused: 0 };
    const stored = { manifest: half, counts, sft: [], dpo: [], responses: [answers(0, 1, 1), answers(2, 1)] };
    const view = viewOf(stored);
    expect(view.stages.sample.progress).toMatchObject({ done: 3, total: 8, secondsLeft: null });
    expect(stageStarted(view, 'sample')).toBe(true);
    expect(overallShare(view)).toBeGreaterThan(overallShare(viewOf({ ...stored, responses: [] })));
    const dpo = [{ stage: 'dpo' as const, step: 3, values: {} }];
    expect(viewOf({ ...stored, dpo }).stages.dpo.progress).toMatchObject({ done: 3, total: 4 });
    // Before the data are counted there is nothing to measure by.
    expect(viewOf({ ...stored, counts: null }).stages.sample.progress).toBeNull();
    expect(viewOf({ ...stored, counts: null, responses: [] }).stages.sft.progress).toBeNull();
  });

  test('stopping leaves nothing running', () => {
    expect(settled(reduceEvents(EMPTY_VIEW, [running('sample')])).stages.sample.state).toBe('waiting');
  });

  test('what is redone is forgotten, what is before it stays', () => {
    const before = reduceEvents(EMPTY_VIEW, [step('sft', 1, 2), arrived(answers(0, 0.1)), step('dpo', 1, 1)]);
    const view = clearedFrom(before, 'filter');
    expect(view.metrics.sft).toHaveLength(1);
    expect(view.responses).toHaveLength(1);
    expect(view.metrics.dpo).toEqual([]);
    const cleared = clearedManifest(manifest(perStage((): StageState => 'done')), 'filter');
    expect(cleared.stages).toMatchObject({ sample: 'done', filter: 'waiting', evaluate: 'waiting' });
    expect(cleared.seconds).toEqual({ sft: 3 });
    expect(Object.keys(cleared.report?.stages ?? {})).toEqual(['sft']);
    expect(cleared.report?.evaluation.winRateVsSft).toBeNull();
  });

  test('the chosen memory stays while a stage that computes may be under way with it', () => {
    const memory = { rows: 512, segment: 1, keep: false, sampleRows: 8 };
    const of = (stages: Partial<Record<Stage, StageState>>) => ({ ...manifest(stages), memory });
    const sampling = of({ model: 'done', data: 'done', sft: 'done' });
    expect(clearedManifest(sampling, 'data').memory).toBeUndefined();
    expect(clearedManifest(sampling, 'sample').memory).toBeUndefined();
    expect(clearedManifest(sampling, 'filter').memory).toEqual(memory);
    expect(
      clearedManifest({ ...sampling, stages: { ...sampling.stages, sample: 'done' } }, 'filter').memory,
    ).toBe(undefined);
    const { config } = sampling;
    expect(changedManifest(sampling, setKey(config, 'backend=wasm'), null).memory).toEqual(memory);
    const asked = setKey(config, 'memory.rows=300');
    expect(changedManifest(sampling, asked, null)).toEqual({ ...manifest(sampling.stages), config: asked });
  });

  test('a change of precision forgets the model it began with, so that the run is not refused', () => {
    const before = { ...manifest(perStage((): StageState => 'done')), model: MODEL };
    const config = setKey(before.config, 'precision=q8');
    const after = changedManifest(before, config, redoFrom(before.config, config));
    expect(after.model).toBeUndefined();
    const now: ModelInfo = { ...MODEL, precision: 'q8' };
    expect(() => checkPrecision(after, now)).not.toThrow();
    expect(() => checkPrecision(before, now)).toThrow(/kept as f32, .* keep them as q8/);
    // Nothing is computed yet, or a stage was stopped in its midst.
    expect(() =>
      checkPrecision({ ...manifest({ data: 'done' }), seconds: {}, model: MODEL }, now),
    ).not.toThrow();
    expect(() => checkPrecision({ ...manifest({ data: 'done' }), model: MODEL }, now)).toThrow('kept as f32');
  });

  test('the share of the whole run grows from 0 to 1', () => {
    expect(overallShare(EMPTY_VIEW)).toBe(0);
    const half = reduceEvents(EMPTY_VIEW, [running('sample'), progress('sample', 1, 2)]);
    expect(overallShare(half)).toBeGreaterThan(0.1);
    const done = {
      ...EMPTY_VIEW,
      stages: perStage(() => ({ state: 'done' as const, summary: '', progress: null })),
    };
    expect(overallShare(done)).toBeCloseTo(1);
    expect(isFinished(done)).toBe(true);
  });
});

describe('settings', () => {
  test('every setting reads as the text that sets it', () => {
    for (const key of CONFIG_KEYS) {
      expect(setKey(DEFAULT_CONFIG, key, textOf(DEFAULT_CONFIG, key))).toEqual(DEFAULT_CONFIG);
    }
  });

  test('a change names the first stage to be redone', () => {
    const changed = (...pairs: string[]) =>
      pairs.reduce((config, pair) => setKey(config, pair), DEFAULT_CONFIG);
    expect(redoFrom(DEFAULT_CONFIG, DEFAULT_CONFIG)).toBeNull();
    expect(redoFrom(DEFAULT_CONFIG, changed('backend=wasm'))).toBeNull();
    expect(redoFrom(DEFAULT_CONFIG, changed('dpo.beta=0.2'))).toBe('dpo');
    expect(redoFrom(DEFAULT_CONFIG, changed('dpo.beta=0.2', 'dpo.negatives=4'))).toBe('filter');
    expect(redoFrom(DEFAULT_CONFIG, changed('lora.rank=4', 'filter.percent=50'))).toBe('sft');
    expect(redoFrom(DEFAULT_CONFIG, changed('model=mine'))).toBe('model');
    expect(changedKeys(DEFAULT_CONFIG, changed('dpo.beta=0.2'))).toEqual(['dpo.beta']);
  });
});

describe('the filter as the page shows it', () => {
  const filter = { mode: 'last', percent: 50 } as const;

  test('counts follow the cut', () => {
    const responses = [answers(0, 0.1, 0.9, 0.5, 0.7), undefined, answers(2, 0.2, 0.3)];
    expect(poolOfRun(responses, filter, 2)).toMatchObject({
      answers: 6,
      kept: 3,
      prompts: 2,
      dropped: 1,
      negatives: 2,
    });
    expect(poolOfRun(responses, { ...filter, percent: 100 }, 2)).toMatchObject({ kept: 6, dropped: 0 });
  });

  test('an answer marked as right is never a negative, until the mark is taken back', () => {
    const record = answers(0, 0.1, 0.9);
    const marked = answerFate(record, 0, { ...filter, percent: 100 });
    expect(answerRows(marked, []).map((row) => row.fate)).toEqual(['left out', 'kept']);
    const back = answerFate(marked, 0, { ...filter, percent: 100 });
    expect(answerRows(back, [{ index: 0, response: 0 }])[0]).toMatchObject({ fate: 'kept', paired: true });
  });
});

test('histograms hold every value, and the handle finds its place again', () => {
  const bins = binned([[0, 0.5], [1]], 4);
  expect(bins.bins.map((bin) => bin.counts)).toEqual([
    [1, 0],
    [0, 0],
    [1, 0],
    [0, 1],
  ]);
  expect(bins.top).toBe(1);
  const sorted = Array.from({ length: 100 }, (_, at) => at / 100);
  for (const percent of [1, 25, 75, 100]) {
    expect(shareBelow(sorted, quantile(sorted, percent / 100)) * 100).toBeCloseTo(percent);
  }
});
