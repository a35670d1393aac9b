import { describe, expect, test } from 'vitest';
import { isRefusal, isRepetitive } from '../../src/lab/diagnosis/held-out.ts';
import {
  SIGN_TEXTS,
  SignWatch,
  signBefore,
  signPlateau,
  signsOf,
  signsOfLab,
} from '../../src/lab/diagnosis/index.ts';
import type { ArmRun } from '../../src/lab/inputs.ts';
import { type ArmAnswers, SIGNS, type Sign } from '../../src/lab/types.ts';
import { NonFiniteError } from '../../src/model/non-finite.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import type { MetricRecord } from '../../src/pipeline/types.ts';

const config = parseConfig({ sample: { n: 16 }, dpo: { negatives: 4 } });

const dpoStep = (step: number, values: Record<string, number>): MetricRecord => ({
  stage: 'dpo',
  step,
  values,
});

/** Twenty prompts of two answers each. */
function answers(arm: string, answer: { text?: string; tokens?: number; correct?: (i: number) => boolean }) {
  const { text = 'It is a bucket.', tokens = 6, correct = () => true } = answer;
  const records = Array.from({ length: 20 }, (_, index) => ({
    arm: 'sft' as const,
    index,
    answers: [0, 1].map(() => ({ text, tokens, correct: correct(index) })),
  }));
  return { arm, seed: 1, records } satisfies ArmAnswers;
}

const run = (change: Partial<ArmRun>): ArmRun => ({
  arm: 'k8',
  seed: 1,
  state: 'done',
  figures: {},
  metrics: [],
  seconds: 1,
  config,
  ...change,
});

const stateOf = (signs: readonly Sign[], id: Sign['id']) => signs.find((s) => s.id === id)?.state;

test('every sign has its words', () => {
  expect(Object.keys(SIGN_TEXTS).sort()).toEqual([...SIGNS].sort());
  for (const { title, threshold, suggestion } of Object.values(SIGN_TEXTS)) {
    expect(title && threshold && suggestion).not.toBe('');
  }
});

describe('before training', () => {
  const record = (index: number, texts: readonly string[]) => ({
    index,
    responses: texts.map((text) => ({ text, tokenIds: [1], logp: -1, stopped: true })),
  });
  const different = (n: number) => Array.from({ length: 16 }, (_, i) => `answer ${i % n}`);

  test('10 of 16 different answers are enough for 8 negatives, 9 are not', () => {
    const eight = { n: 16, negatives: 8 };
    expect(signBefore([record(0, different(10))], eight).state).toBe('not-seen');
    const seen = signBefore([record(0, different(10)), record(1, different(8))], eight);
    expect(seen.state).toBe('seen');
    expect(seen.evidence).toBe('9.0 of 16 answers a prompt are different, for 8 negatives (2 prompts).');
  });

  test('fewer than a quarter of those sampled are too few for any k, and an empty answer is none', () => {
    const one = { n: 16, negatives: 1 };
    expect(signBefore([record(0, different(4))], one).state).toBe('not-seen');
    expect(signBefore([record(0, ['', ...different(4).slice(1, 4)])], one).state).toBe('seen');
    expect(signBefore([], one).state).toBe('unknown');
  });
});

describe('while training', () => {
  test('a loss that rises by half is told once', () => {
    const watch = new SignWatch({ beta: 0.1 });
    const losses = [0.7, 0.7, 0.7, 0.9, 1.1, 1.2, 1.3];
    const seen = losses.map((loss, i) => watch.see(dpoStep(i + 1, { loss })));
    // Means of three: 0.77, 0.9, 1.07, 1.2; the threshold is 1.05.
    expect(seen.map((s) => s?.id ?? null)).toEqual([null, null, null, null, null, 'diverged', null]);
    expect(seen[5]?.evidence).toBe('Step 6: the loss has risen from 0.700 to 1.07.');
  });

  test('a number that is none is told at once, and SFT does not count for DPO', () => {
    const watch = new SignWatch({ beta: 0.1 });
    expect(watch.see({ stage: 'sft', step: 1, values: { loss: 0.1 } })).toBeNull();
    for (const step of [1, 2, 3]) expect(watch.see(dpoStep(step, { loss: 0.69 }))).toBeNull();
    expect(watch.see(dpoStep(4, { loss: 0.69, gradNorm: Number.NaN }))?.evidence).toBe(
      'Step 4: gradNorm is NaN.',
    );
  });

  test('targets that lose more than 2 nats and a quarter are told with what they had', () => {
    // beta 0.1, reward -0.3: 3 nats below the reference's -8, and 25 % of that is 2.
    const falls = (reward: number) => {
      const watch = new SignWatch({ beta: 0.1 });
      const values = { loss: 0.5, chosenLogp: -8 + reward / 0.1, rewardChosen: reward };
      return [1, 2, 3].map((step) => watch.see(dpoStep(step, values))).at(-1);
    };
    expect(falls(-0.19)).toBeNull();
    expect(falls(-0.3)?.evidence).toBe('Step 3: the log-probability of targets went from -8.0 to -11.0.');
  });

  test('pairs told apart early are easy, late they are not a sign', () => {
    const easy = (from: number) => {
      const watch = new SignWatch({ beta: 0.1, totalSteps: 30 });
      return [0, 1, 2].map((i) => watch.see(dpoStep(from + i, { loss: 0.3, rewardAccuracy: 0.98 }))).at(-1);
    };
    expect(easy(8)?.id).toBe('easy-negatives');
    expect(easy(9)).toBeNull();
  });
});

describe('afterwards', () => {
  const rising = Array.from({ length: 9 }, (_, i) => dpoStep(i + 1, { loss: 0.6, rewardMargin: i / 10 }));
  const good = answers('sft', {});
  const worse = answers('k8', { correct: (i) => i % 2 === 0 });

  test('margins that rise while accuracy is below SFT are easy negatives', () => {
    const signs = signsOf(run({ metrics: rising }), { answers: worse, sft: good });
    expect(stateOf(signs, 'easy-negatives')).toBe('seen');
    expect(signs[0]?.evidence).toMatch(
      /margins rise \(0\.60 to 0\.80\); held-out accuracy against SFT -0\.500/,
    );
    const falling = rising.map((m, i) => dpoStep(i + 1, { ...m.values, rewardMargin: -i }));
    expect(stateOf(signsOf(run({ metrics: falling }), { answers: worse, sft: good }), 'easy-negatives')).toBe(
      'not-seen',
    );
    expect(stateOf(signsOf(run({ metrics: rising }), { answers: good, sft: good }), 'easy-negatives')).toBe(
      'not-seen',
    );
    expect(stateOf(signsOf(run({ metrics: rising })), 'easy-negatives')).toBe('unknown');
  });

  test('the targets of all pairs, before and after', () => {
    const fell = (after: number) =>
      stateOf(
        signsOf(run({ metrics: rising, figures: { chosenLogpBefore: -12, chosenLogp: after } })),
        'chosen-falls',
      );
    expect([fell(-15), fell(-15.1)]).toEqual(['not-seen', 'seen']);
    expect(stateOf(signsOf(run({ metrics: rising })), 'chosen-falls')).toBe('unknown');
  });

  test('length, refusals and repetition against SFT', () => {
    const state = (arm: ArmAnswers) =>
      stateOf(signsOf(run({ metrics: rising }), { answers: arm, sft: good }), 'over-alignment');
    expect(state(answers('k8', { tokens: 9 }))).toBe('not-seen');
    expect(state(answers('k8', { tokens: 10 }))).toBe('seen');
    expect(state(answers('k8', { tokens: 3 }))).toBe('seen');
    expect(state(answers('k8', { text: 'I’m sorry, I cannot say.' }))).toBe('seen');
    expect(state(answers('k8', { text: 'a b c d a b c d a b c d' }))).toBe('seen');
  });

  test('what is a refusal and what is repetition', () => {
    expect([isRefusal('As an AI, no.'), isRefusal('A candy cannot.'), isRefusal('Hi cannot')]).toEqual([
      true,
      false,
      false,
    ]);
    // Three times the same four words; overlapping ones count.
    expect([isRepetitive('so so so so so so'), isRepetitive('so so so so so')]).toEqual([true, false]);
  });

  test('a run that diverged, by its curve or by its error', () => {
    const curve = [0.7, 0.7, 0.7, 1, 1.2, 1.3].map((loss, i) => dpoStep(i + 1, { loss }));
    expect(stateOf(signsOf(run({ metrics: curve })), 'diverged')).toBe('seen');
    expect(stateOf(signsOf(run({ metrics: rising })), 'diverged')).toBe('not-seen');
    const error = `step 3: ${new NonFiniteError({ what: 'gradient', place: 'layer 2' }).message}. Set a lower rate.`;
    expect(signsOf(run({ state: 'failed', error }))).toMatchObject([{ id: 'diverged', state: 'seen' }]);
    expect(signsOf(run({ state: 'failed', error: 'the storage is full' }))).toMatchObject([
      { state: 'unknown' },
    ]);
    expect(signsOf(run({ arm: 'base' }))).toEqual([]);
  });

  test('plateau: the last step of a sweep within noise', () => {
    const figure = { value: 0.02, low: -0.01, high: 0.05, n: 20, seeds: 1, method: 'bootstrap' as const };
    expect(signPlateau([8, 16], 'accuracy', figure).state).toBe('seen');
    expect(signPlateau([8, 16], 'accuracy', { ...figure, low: 0.001 })).toMatchObject({
      state: 'not-seen',
      evidence: 'From k = 8 to 16 held-out accuracy changed by +0.020 (+0.001 to +0.050).',
    });
  });

  test('a whole lab: its sweep, and every arm and seed', () => {
    const arm = (k: number) => ({
      id: `k${k}`,
      name: `k = ${k}`,
      policy: { kind: 'base' as const },
      points: [{ plan: 'negatives', x: k }],
    });
    const manifest = {
      seeds: [1],
      arms: [arm(16), arm(1), arm(8)],
      plans: [{ id: 'negatives', title: '', question: '', arms: ['k1', 'k8', 'k16'] }],
    };
    const runs = [run({ metrics: rising })];
    const [plateau, ...rest] = signsOfLab(manifest, runs, [good, worse, answers('k16', {})]);
    // k = 16 is right everywhere, k = 8 on every other prompt.
    expect(plateau).toMatchObject({ id: 'plateau', state: 'not-seen' });
    expect(plateau?.evidence).toMatch(/From k = 8 to 16 held-out accuracy changed by \+0\.500/);
    expect(rest).toHaveLength(4);
    expect(rest[0]).toMatchObject({ id: 'easy-negatives', state: 'seen', arm: 'k8', seed: 1 });
    expect(signsOfLab(manifest, [], [])).toMatchObject([{ id: 'plateau', state: 'unknown' }]);
  });
});
