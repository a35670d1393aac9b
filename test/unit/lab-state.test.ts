import { expect, test } from 'vitest';
import { armStates } from '../../src/app/lab/arm-states.ts';
import { type Draft, EMPTY_DRAFT, labName, readDraft } from '../../src/app/lab/draft.ts';
import { armsEnded, EMPTY_LAB, labStatus, reduceLab, roughly, withReport } from '../../src/app/lab/state.ts';
import { gridAxis } from '../../src/lab/grid-axis.ts';
import { labConfig } from '../../src/lab/plans.ts';
import type { ArmRow, LabManifest, LabReport, Piece, Sign } from '../../src/lab/types.ts';
import { planWork } from '../../src/lab/work.ts';
import { DEFAULT_CONFIG } from '../../src/pipeline/config.ts';

const CONFIG = labConfig(DEFAULT_CONFIG);
const read = (change: Partial<Draft>, hasRejected = false) =>
  readDraft({ ...EMPTY_DRAFT, ...change }, CONFIG, { hasRejected, imported: 0 });

const piece = (key: string, state: Piece['state'], kind: Piece['kind'] = 'evaluation'): Piece => ({
  key,
  kind,
  label: key,
  seed: 1,
  state,
  seconds: 1,
  figures: {},
});

function manifest(pieces: readonly Piece[] = []): LabManifest {
  const { plans, arms, seeds } = read({ plans: ['filter'], seeds: '1' });
  return {
    id: 'lab',
    name: 'Lab',
    created: 0,
    config: CONFIG,
    datasetId: 'data',
    plans,
    arms,
    seeds,
    finalShare: 0,
    looks: [],
    marks: [],
    pieces: Object.fromEntries(pieces.map((each) => [each.key, each])),
  };
}

const sign = (evidence: string): Sign => ({
  id: 'plateau',
  title: 'Plateau',
  state: 'seen',
  threshold: '',
  evidence,
  suggestion: '',
});

const row = (state: ArmRow['state']): ArmRow => ({
  id: 'sft',
  name: 'SFT',
  state,
  figures: {},
  perSeed: {},
  gain: {},
  steps: 0,
  pairs: 0,
  trainedTokens: 0,
  seconds: 0,
});

const report = (states: readonly ArmRow['state'][]): LabReport => ({
  format: 'self-contrast-lab-report',
  version: 1,
  title: 'Lab',
  created: '2026-01-01T00:00:00.000Z',
  split: 'working',
  looks: 0,
  plans: [],
  findings: [],
  mainMeasure: 'accuracy',
  reference: 'sft',
  arms: states.map(row),
  curves: [],
  histograms: [],
  duels: [],
  samples: [],
  diagnosis: {},
  signs: [],
  data: { name: 'data', fingerprint: '', train: 1, working: 1, final: 0 },
  config: CONFIG,
  armSettings: [],
  seeds: [1],
  samplesAPrompt: 1,
  versions: {},
  seconds: 0,
  timings: [],
});

test('several plans become one set of arms, each once', () => {
  const { plans, arms, seeds, faults } = read({ plans: ['negatives', 'filter'], seeds: '1, 2 3' });
  expect(faults).toEqual({});
  expect(seeds).toEqual([1, 2, 3]);
  expect(plans.map(({ id }) => id)).toEqual(['negatives', 'filter']);
  expect(arms.filter(({ id }) => id === 'sft')).toHaveLength(1);
  expect(new Set(arms.map(({ id }) => id)).size).toBe(arms.length);
  expect(labName(plans, 'mine')).toBe('Number of negatives and Similarity filter, mine');
});

test('what is wrong with a draft is told by the field', () => {
  expect(read({ plans: [] }).faults.plans).toMatch(/Choose a question/);
  expect(read({ plans: ['sources'] }).faults.plans).toMatch(/answers of other models/);
  expect(read({ seeds: '' }).faults.seeds).toMatch(/one seed/);
  expect(read({ seeds: '1, 1' }).faults.seeds).toMatch(/once/);
  expect(read({ seeds: '1, -2' }).faults.seeds).toMatch(/-2 is no seed/);
  expect(read({ seeds: '1.5' }).faults.seeds).toMatch(/1.5 is no seed/);
  expect(read({ finalPercent: '95' }).faults.final).toMatch(/0 to 90/);
  expect(read({ finalPercent: '25 %' }).finalShare).toBe(0.25);
  expect(read({ axes: [{ key: 'dpo.beta', text: '0.1' }] }).faults.grid).toMatch(/two values/);
  expect(read({ axes: [{ key: 'dpo.beta', text: '0.1, much' }] }).faults.grid).toMatch(/dpo.beta/);
});

test('a grid is every combination of its values, as the settings take them', () => {
  const axes = [
    { key: 'dpo.beta', text: '0.05, 0.1' },
    { key: 'dpo.loss', text: 'sigmoid, ipo' },
  ];
  const { arms, faults } = read({ plans: [], axes });
  expect(faults).toEqual({});
  expect(arms.map(({ name }) => name)).toEqual([
    'SFT',
    'dpo.beta = 0.05, dpo.loss = sigmoid',
    'dpo.beta = 0.05, dpo.loss = ipo',
    'dpo.beta = 0.1, dpo.loss = sigmoid',
    'dpo.beta = 0.1, dpo.loss = ipo',
  ]);
  expect(gridAxis('dpo.beta', ' 0.05 ,0.1', CONFIG).values).toEqual([0.05, 0.1]);
  expect(gridAxis('lora.targets', 'q_proj; q_proj, v_proj', CONFIG).values).toEqual([
    ['q_proj'],
    ['q_proj', 'v_proj'],
  ]);
});

test('axes that cannot be are refused with what to do', () => {
  expect(() => gridAxis('dpo.gamma', '1', CONFIG)).toThrow(/dpo.gamma/);
  expect(() => gridAxis('seed', '1, 2', CONFIG)).toThrow(/seeds of the lab/);
  expect(() => gridAxis('data.heldOut', '0.1, 0.2', CONFIG)).toThrow(/same held-out prompts/);
  expect(() => gridAxis('dpo.beta', ' , ', CONFIG)).toThrow(/values to try/);
  expect(() => gridAxis('dpo.beta', '0.1, 0.1', CONFIG)).toThrow(/twice/);
});

test('events fold: pieces into the manifest, one sign an arm, seed and kind', () => {
  const start = { ...EMPTY_LAB, manifest: manifest() };
  const seen = (evidence: string, seed: number) =>
    ({ type: 'sign', arm: 'sft', seed, sign: sign(evidence) }) as const;
  const view = reduceLab(start, [
    { type: 'piece', piece: piece('a', 'running') },
    { type: 'piece', piece: piece('a', 'done') },
    { type: 'piece', piece: piece('b', 'failed') },
    seen('first', 1),
    seen('other seed', 2),
    seen('second', 1),
  ]);
  expect(Object.values(view.manifest?.pieces ?? {}).map(({ state }) => state)).toEqual(['done', 'failed']);
  expect(view.signs.map(({ evidence }) => evidence)).toEqual(['other seed', 'second']);
  expect(view.behind).toBe(2);
  // A piece that ended while the report was read is not in it.
  expect(withReport(view, report(['done']), 1).behind).toBe(1);
});

test('a lab is new, half-way, finished, or finished with failures, by the pieces of its arms', () => {
  const empty = manifest();
  const { arms, byKey } = planWork(empty, 'data');
  const ended = arms.map(({ evaluation }) => piece(evaluation, 'done'));
  const policies = [...byKey.values()].filter((work) => work.kind === 'policy');
  const sft = policies.find((work) => work.stage === 'sft');
  const own = policies.find((work) => work.stage === 'dpo');
  const status = (pieces: readonly Piece[]) => labStatus(manifest(pieces), 'data', false);
  expect(status([])).toBe('new');
  expect(labStatus(empty, 'data', true)).toBe('running');
  expect(status(ended.slice(1))).toBe('stopped');
  expect(status(ended)).toBe('finished');
  // Of other data, or before marks were made, the same pieces are those of other arms.
  expect(labStatus(manifest(ended), 'other', false)).toBe('stopped');
  expect(labStatus(manifest(ended), null, false)).toBe('stopped');
  // SFT, which all need, has failed: none is left that could be done.
  expect(status([piece(sft?.key ?? '', 'failed', 'policy')])).toBe('failed');
  const states = armStates(manifest([piece(own?.key ?? '', 'running', 'policy')]), 'data');
  expect([...states.values()].flat().sort()).toEqual(['running', 'waiting', 'waiting', 'waiting']);
});

test('arms that have ended are counted, times are told as roughly as they are known', () => {
  expect(armsEnded(report(['done', 'failed', 'running', 'waiting']).arms)).toBe(2);
  expect([41.4, 94, 3179, 29_473].map(roughly)).toEqual(['41 s', '1 min 30 s', '53 min', '8 h 10 min']);
});
