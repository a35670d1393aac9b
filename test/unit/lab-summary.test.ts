import { describe, expect, test } from 'vitest';
import { armWords } from '../../src/lab/arm-words.ts';
import type { LabInput } from '../../src/lab/inputs.ts';
import { together } from '../../src/lab/plans.ts';
import { wilson } from '../../src/lab/stats/index.ts';
import { summarise } from '../../src/lab/summary.ts';
import type { ArmAnswers, ArmRow, LabReport } from '../../src/lab/types.ts';
import type { EvaluatedAnswer, TokenizedPrompt } from '../../src/pipeline/types.ts';
import { grid, LAB_CONFIG, labInput, plans } from '../fixtures/lab-input.ts';

const row = (report: LabReport, id: string): ArmRow => {
  const found = report.arms.find((arm) => arm.id === id);
  if (!found) throw new Error(`no arm ${id}`);
  return found;
};

/** Two prompts, two arms, one seed, two samples each: small enough to be counted by hand. */
function byHand(): LabInput {
  const input = labInput({ plans: plans('sources'), right: {}, seeds: [1] });
  const accept = (word: string) => ({ kind: 'exact-any', accept: [word] }) as const;
  const heldOut: TokenizedPrompt[] = [
    { prompt: 'p', target: 'yes', promptIds: [1], targetIds: [2, 3], grader: accept('yes') },
    { prompt: 'q', target: 'no', promptIds: [1], targetIds: [2], grader: accept('no') },
  ];
  const answer = (text: string, correct: boolean, similarity: number, tokens: number): EvaluatedAnswer => ({
    ...{ text, correct, similarity, tokens },
  });
  const run = (
    arm: string,
    [first, second]: readonly (readonly EvaluatedAnswer[])[],
    scores: readonly (readonly number[])[],
    logps: readonly (readonly number[])[],
  ): ArmAnswers => ({
    arm,
    seed: 1,
    records: [first ?? [], second ?? []].map((answers, index) => ({
      ...{ arm: 'sft', index, answers, targetLogps: logps[index] },
    })),
    rewards: scores.map((list, index) => ({ index, scores: list, target: index === 0 ? 2 : 0.5 })),
  });
  const sft = run(
    'sft',
    [
      [answer('yes', true, 1, 1), answer('a', false, 0.2, 4)],
      [answer('b', false, 0.4, 3), answer('b', false, 0.4, 3)],
    ],
    [
      [1.9, -1],
      [0, 0.5],
    ],
    [[-1, -3], [-1]],
  );
  const own = run(
    'own',
    [
      [answer('yes', true, 1, 1), answer('yes', true, 1, 1)],
      [answer('no', true, 1, 1), answer('c', false, 0.3, 5)],
    ],
    [
      [1.9, 2.1],
      [0.6, 0.1],
    ],
    [[-0.5, -0.5], [-0.5]],
  );
  return { ...input, heldOut, answers: [sft, own] };
}

describe('figures by hand', () => {
  const report = summarise(byHand());
  const valuesOf = (id: string) =>
    Object.fromEntries(
      Object.entries(row(report, id).figures).map(([measure, { value }]) => [
        measure,
        Number(value.toFixed(6)),
      ]),
    );

  test('means over prompts of means over samples', () => {
    expect(valuesOf('sft')).toEqual({
      accuracy: 0.25,
      // (0.45 + 0.25) / 2
      reward: 0.35,
      // 'yes' is the target itself, whatever it was scored: a tie; then a loss, a loss, a tie.
      winRateTarget: 0.25,
      similarity: 0.5,
      // exp of the mean of 2 and 1
      perplexity: Number(Math.exp(1.5).toFixed(6)),
      tokens: 2.75,
      distinct: 0.75,
    });
    // Ties with the target three times; 'c' loses.
    expect(valuesOf('own')).toMatchObject({
      accuracy: 0.75,
      winRateTarget: 0.375,
      tokens: 2,
      distinct: 0.75,
    });
    expect(row(report, 'own').perSeed).toMatchObject({ accuracy: [0.75], perplexity: [Math.exp(0.5)] });
  });

  test('gains and win rate are of the same prompt, seed and sample', () => {
    const { gain, winRate } = row(report, 'own');
    expect(gain.accuracy?.value).toBeCloseTo(0.5, 12);
    expect(gain.perplexity?.value).toBeCloseTo(Math.exp(0.5) - Math.exp(1.5), 12);
    // The same text, a win; a win, a tie of two wrong ones.
    expect(winRate).toMatchObject({ value: 0.75, n: 2, seeds: 1 });
    expect(row(report, 'sft')).not.toHaveProperty('winRate');
    expect(row(report, 'sft').gain).toEqual({});
  });

  test('the report names what it rests on', () => {
    expect(report).toMatchObject({
      format: 'self-contrast-lab-report',
      title: 'A lab',
      created: '1970-01-01T00:00:00.000Z',
      mainMeasure: 'accuracy',
      reference: 'sft',
      samplesAPrompt: 4,
    });
    expect(report.samples[0]).toEqual({
      prompt: 'p',
      target: 'yes',
      answers: [
        { arm: 'sft', text: 'yes', correct: true, similarity: 1 },
        { arm: 'own', text: 'yes', correct: true, similarity: 1 },
      ],
    });
    expect(report.histograms.map(({ axis }) => axis)).toEqual(['reward', 'cosine', 'tokens']);
    const lengths = report.histograms[2];
    expect(lengths?.series[0]).toEqual({ name: 'SFT', counts: [1, 0, 2, 1, 0] });
    // What is said of a lab can be stored and sent.
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ arms: [{ id: 'sft' }, {}, {}] });
  });
});

test('the judge is the grader of every prompt, else the reward model, else similarity', () => {
  const made = { plans: plans('sources'), right: { sft: 0.3, own: 0.6 } };
  expect(summarise(labInput({ ...made, rewarded: true })).mainMeasure).toBe('accuracy');
  const rewarded = summarise(labInput({ ...made, graded: false, rewarded: true }));
  expect(rewarded.mainMeasure).toBe('reward');
  expect(row(rewarded, 'own').figures.accuracy).toBeUndefined();
  expect(row(rewarded, 'own').winRate?.value).toBeGreaterThan(0.5);
  const ungraded = summarise(labInput({ ...made, graded: false }));
  expect(ungraded.mainMeasure).toBe('similarity');
  expect(row(ungraded, 'own').winRate?.low).toBeGreaterThan(0.5);
});

test('seeds and arms that failed are marked, and the others’ figures stand', () => {
  const right = { sft: 0.3, own: 0.6, imported: 0.5 };
  const failed = [
    { arm: 'own', seed: 2, error: 'no room' },
    ...[1, 2, 3].map((seed) => ({ arm: 'imported', seed, error: 'loss is NaN' })),
  ];
  const report = summarise(labInput({ plans: plans('sources'), right, failed }));
  const own = row(report, 'own');
  expect(own).toMatchObject({
    state: 'done',
    error: 'seed 2: no room',
    seedStates: ['done', 'failed', 'done'],
  });
  expect(own.figures.accuracy).toMatchObject({ n: 60, seeds: 2 });
  expect(own.perSeed.accuracy).toEqual([expect.any(Number), null, expect.any(Number)]);
  expect(own.gain.accuracy?.seeds).toBe(2);
  expect(own).toMatchObject({ steps: 28, pairs: 360, trainedTokens: 9000, seconds: 10 });
  expect(row(report, 'imported')).toMatchObject({ state: 'failed', error: 'loss is NaN', figures: {} });
  const waiting = summarise(labInput({ plans: plans('sources'), right: { sft: 0.3 } }));
  expect(row(waiting, 'own')).toMatchObject({ state: 'waiting', figures: {}, steps: 0 });
});

test('never right, in no sample, is still an interval', () => {
  const report = summarise(labInput({ plans: plans('sources'), right: { sft: -1, own: 0.5 }, prompts: 20 }));
  const { low, high } = wilson(0, 20);
  expect(row(report, 'sft').figures.accuracy).toEqual({
    ...{ value: 0, low, high, n: 20, seeds: 3, method: 'wilson' },
  });
});

test('curves run along their axis, with SFT as a line; plans without one have none', () => {
  const right = { sft: 0.3, k1: 0.4, k2: 0.5, k4: 0.6, k16: 0.7, a100: 0.5, a75: 0.6, a50: 0.6, a25: 0.5 };
  const { curves, arms } = summarise(labInput({ plans: plans('negatives', 'threshold', 'filter'), right }));
  const first = curves[0];
  expect(first).toMatchObject({ plan: 'negatives', measure: 'accuracy', axis: 'negatives a prompt (k)' });
  // k = 8 has no figures.
  expect(first?.points.map(({ x, arm }) => [x, arm])).toEqual([
    [1, 'k1'],
    [2, 'k2'],
    [4, 'k4'],
    [16, 'k16'],
  ]);
  expect(first?.reference).toEqual({ name: 'SFT', figure: arms[0]?.figures.accuracy });
  const xs = curves.find(({ plan, measure }) => plan === 'threshold' && measure === 'perplexity')?.points;
  expect(xs?.map(({ x }) => x)).toEqual([25, 50, 75, 100]);
  expect(new Set(curves.map(({ plan }) => plan))).toEqual(new Set(['negatives', 'threshold']));
});

test('twelve prompts from all over the data are shown, the same for every arm', () => {
  const input = labInput({ plans: plans('sources'), right: { sft: 0.3, own: 0.6 }, prompts: 120 });
  const { samples } = summarise(input);
  expect(samples.map(({ prompt }) => prompt)).toEqual(
    Array.from({ length: 12 }, (_, i) => `prompt ${10 * i}`),
  );
  expect(samples.every(({ answers }) => answers.map(({ arm }) => arm).join() === 'sft,own')).toBe(true);
  const few = summarise(labInput({ plans: plans('sources'), right: { sft: 0.3 }, prompts: 3 }));
  expect(few.samples).toHaveLength(3);
  expect(summarise(labInput({ plans: plans('sources'), right: {} })).samples).toEqual([]);
});

test('verdicts become duels, the later arm first', () => {
  const input = labInput({ plans: plans('sources'), right: { sft: 0.3, own: 0.6 } });
  const keys = [0, 1, 2].map((index) => ({
    ...{ id: `id${index}`, armA: 'sft', armB: 'own', seed: 1, index, sample: 0 },
  }));
  const verdicts = (['b', 'b', 'tie'] as const).map((choice, i) => ({
    id: `id${i}`,
    choice,
    judge: 'you',
    at: 0,
  }));
  const { duels } = summarise({ ...input, keys, verdicts });
  expect(duels).toEqual([
    { judge: 'you', armA: 'own', armB: 'sft', wins: 2, ties: 1, losses: 0, winRate: wilson(2.5, 3) },
  ]);
});

test('arms in words', () => {
  const all = together([...plans('negatives', 'filter', 'baselines', 'sources'), grid(0.1, 0.2)]).arms;
  const words = Object.fromEntries(all.map(({ id, policy }) => [id, armWords(policy, LAB_CONFIG)]));
  expect(words).toMatchObject({
    base: 'the model as it is, not trained',
    sft: 'SFT',
    k1: 'SFT, then DPO with 1 negative a prompt from the 75 % of its own distinct answers least similar to the target, on prompts whose pool holds 16',
    'filter-random':
      'SFT, then DPO with 8 negatives a prompt from a random 25 % of its own distinct answers, on prompts whose pool holds 8',
    'spin-3':
      'SFT, then 3 times, each time with fresh answers: DPO with 1 negative a prompt from all its own answers (sample.n = 1, elsewhere 32)',
    'dpo-rejected': 'SFT, then DPO with 1 negative a prompt from the data set’s rejected answers',
  });
  expect(words['grid-2']).toContain('(dpo.beta = 0.2, elsewhere 0.1)');
  const negatives = { source: 'own' } as const;
  const broken = { kind: 'dpo', from: { kind: 'sft' }, negatives, set: { 'dpo.beta': -1 } } as const;
  expect(armWords(broken, LAB_CONFIG)).toContain('settings that are none: dpo.beta');
});

test('twenty arms of 600 prompts and three seeds take seconds', () => {
  const values = Array.from({ length: 19 }, (_, i) => 0.1 + i / 100);
  const right = { sft: 0.5, ...Object.fromEntries(values.map((_, i) => [`grid-${i + 1}`, 0.5])) };
  const input = labInput({ plans: [grid(...values)], right, prompts: 600, rewarded: true });
  const began = process.cpuUsage();
  const { arms } = summarise(input);
  const seconds = process.cpuUsage(began).user / 1e6;
  expect(arms.every(({ figures }) => Object.keys(figures).length === 7)).toBe(true);
  // 1.8 s of a busy core when this was written.
  expect(seconds).toBeLessThan(8);
}, 60_000);
