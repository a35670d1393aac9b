/** What the list of runs says of a run, and curves of several runs over one axis. */
import { expect, test } from 'vitest';
import { overlay } from '../../src/app/runs/overlay.ts';
import { COMPARED, keyFigure, reached, statusOf } from '../../src/app/runstatus.ts';
import { perStage } from '../../src/app/state.ts';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';
import type { Report, RunManifest } from '../../src/pipeline/types.ts';

const run: RunManifest = {
  id: 'r',
  name: 'run',
  created: 0,
  config: DEFAULT_CONFIG,
  datasetId: 'd',
  stages: perStage(() => 'waiting'),
  seconds: {},
};
const upTo = (stages: Partial<RunManifest['stages']>): RunManifest => ({
  ...run,
  stages: { ...run.stages, ...stages },
  seconds: { model: 1 },
});

test('the state of a run: what is stored as running is stopped, unless someone is at work on it', () => {
  expect(statusOf(run, false)).toBe('waiting');
  expect(statusOf(upTo({ model: 'done', data: 'running' }), true)).toBe('running');
  expect(statusOf(upTo({ model: 'done', data: 'running' }), false)).toBe('stopped');
  const error = { stage: 'sft', code: 'x', message: 'm', details: '' } as const;
  expect(statusOf({ ...upTo({ model: 'done', sft: 'failed' }), error }, false)).toBe('failed');
  expect(statusOf({ ...run, stages: perStage(() => 'done') }, false)).toBe('finished');
  expect(reached(upTo({ model: 'done', data: 'done' }))).toBe('data');
  expect(reached(run)).toBeNull();
});

test('the key figure is accuracy with its error, else the win rate; figures a run lacks are empty', () => {
  const score = { prompts: 10, targetLogProb: -0.4321, similarity: 0.5, meanTokens: 3 };
  const report = (evaluation: Partial<Report['evaluation']>): RunManifest => ({
    ...run,
    report: {
      stages: {},
      warnings: [],
      evaluation: { heldOut: {}, winRateVsSft: null, judge: null, ...evaluation },
    },
  });
  const graded = report({
    heldOut: { selfContrast: { ...score, accuracy: 0.359, accuracyError: 0.021 } },
    gainOverSft: { accuracy: 0.039, error: 0.01 },
    winRateVsSft: 0.519,
  });
  expect(keyFigure(graded)).toBe('35.9 % ± 2.1 right');
  expect(keyFigure(report({ heldOut: { selfContrast: score }, winRateVsSft: 0.519 }))).toBe(
    'wins 51.9 % against SFT',
  );
  expect(keyFigure(run)).toBe('');
  const line = (label: string, of: RunManifest) => COMPARED.find((each) => each.label === label)?.of(of);
  expect(line('Gain over SFT, points', graded)).toBe('+3.9 (+1.9 to +5.9)');
  expect(line('Target log-probability a token', graded)).toBe('−0.432');
  for (const { of } of COMPARED) expect(of(run)).toBe('');
});

test('curves: one axis for all, gaps where a run has no such step, looks that differ, NaN left out', () => {
  const metric = (step: number, loss: number) => ({ stage: 'sft' as const, step, values: { loss } });
  const { x, series } = overlay(
    [
      { name: 'a', records: [metric(1, 0.5), metric(3, 0.3)] },
      { name: 'a', records: [metric(2, 0.4), metric(3, Number.NaN)] },
      { name: 'none', records: [] },
    ],
    'loss',
  );
  expect(x).toEqual([1, 2, 3]);
  expect(series.map(({ label, values }) => [label, values])).toEqual([
    ['a', [0.5, null, 0.3]],
    ['a (2)', [null, 0.4, null]],
  ]);
  expect(series[0]?.dashed).not.toBe(series[1]?.dashed);
});
