import { expect, test } from 'vitest';
import { summarise } from '../../src/lab/summary.ts';
import type { Finding } from '../../src/lab/types.ts';
import { grid, labInput, plans } from '../fixtures/lab-input.ts';

const told = (list: readonly Finding[]) => list.map(({ claim, verdict }) => `${verdict}: ${claim}`);

test('negatives: an effect that is there is found, with its size, interval, prompts and seeds', () => {
  const right = { sft: 0.3, k1: 0.4, k2: 0.5, k4: 0.6, k8: 0.7, k16: 0.71 };
  const { findings } = summarise(labInput({ plans: plans('negatives'), right }));
  expect(told(findings)).toEqual([
    'holds: 16 negatives are better than 1.',
    'holds: Self-Contrast with 16 negatives beats SFT.',
    'holds: Doubling the negatives helps, on average.',
    'unclear: The step from 8 to 16 negatives still helps: no plateau by then.',
  ]);
  expect(findings[0]?.text).toMatch(
    /^k = 16: \d\d\.\d % \(.* to .*\); k = 1: .*\. Paired difference in correct answers \+\d\d\.\d points \(\+.* to \+.*\), 60 prompts, 3 seeds, of this sign in all of them\.$/,
  );
  expect(findings[2]?.text).toMatch(/least squares over log2 k, 60 prompts, 3 seeds\).*1 to 2: .*8 to 16: /);
});

test('negatives: no effect is no finding, and harm is one', () => {
  const none = { sft: 0.5, k1: 0.5, k2: 0.5, k4: 0.5, k8: 0.5, k16: 0.5 };
  const harm = { sft: 0.7, k1: 0.7, k2: 0.65, k4: 0.6, k8: 0.5, k16: 0.4 };
  const verdicts = (right: Record<string, number>) =>
    summarise(labInput({ plans: plans('negatives'), right })).findings.map(({ verdict }) => verdict);
  expect(verdicts(none)).toEqual(['unclear', 'unclear', 'unclear', 'unclear']);
  expect(verdicts(harm).slice(0, 3)).toEqual(['fails', 'fails', 'fails']);
});

test('filter: each way of choosing against the others, and a word of caution where similarity judges itself', () => {
  const right = { sft: 0.3, 'filter-least': 0.7, 'filter-random': 0.5, 'filter-most': 0.2 };
  const graded = summarise(labInput({ plans: plans('filter'), right })).findings;
  expect(told(graded)).toEqual([
    'holds: The least similar answers are better negatives than random ones.',
    'holds: The least similar answers are better negatives than the most similar ones.',
  ]);
  expect(graded[0]?.text).not.toContain('The judge here is similarity');
  const ungraded = summarise(labInput({ plans: plans('filter'), right, graded: false })).findings;
  expect(ungraded[0]?.text).toContain('The judge here is similarity');
});

test('threshold: the best share against all, with an interval for having picked it', () => {
  const right = { sft: 0.3, a100: 0.4, a75: 0.65, a50: 0.5, a25: 0.4 };
  const [finding] = summarise(labInput({ plans: plans('threshold'), right })).findings;
  expect(finding).toMatchObject({
    verdict: 'holds',
    claim: 'Some a% below 100 is better than keeping all answers.',
  });
  expect(finding?.text).toContain('The best below 100 % is a = 75 %: against a = 100 % +');
  expect(finding?.text).toContain('picking the best of 3');
});

test('baselines: Self-Contrast against each, and a second round against the first', () => {
  const right = {
    ...{ base: 0.1, sft: 0.3, 'sft-long': 0.31, 'dpo-rejected': 0.4, 'spin-1': 0.4, 'spin-2': 0.4 },
    ...{ 'spin-3': 0.85, 'self-contrast': 0.6, 'self-contrast-2': 0.75 },
  };
  const { findings } = summarise(labInput({ plans: plans('baselines'), right }));
  expect(told(findings)).toEqual([
    'holds: Self-Contrast beats SFT.',
    'holds: Self-Contrast beats base model.',
    'holds: Self-Contrast beats SFT, equal compute.',
    "holds: Self-Contrast beats DPO, the data's own rejected answers.",
    'holds: Self-Contrast beats SPIN, 1 iteration.',
    'holds: Self-Contrast beats SPIN, 2 iterations.',
    'fails: Self-Contrast beats SPIN, 3 iterations.',
    'holds: Self-Contrast, 2 iterations, beats one.',
  ]);
});

test('sources: own answers against imported ones', () => {
  const right = { sft: 0.3, own: 0.4, imported: 0.6 };
  expect(told(summarise(labInput({ plans: plans('sources'), right })).findings)).toEqual([
    'fails: Own answers are better negatives than those of other models.',
    'holds: Other models’ answers as negatives beat SFT.',
  ]);
});

test('a plan of one’s own: the best arm, and whether others could be as good', () => {
  const right = { sft: 0.3, 'grid-1': 0.6, 'grid-2': 0.61, 'grid-3': 0.35 };
  const { findings } = summarise(labInput({ plans: [grid(0.1, 0.2, 0.3)], right, prompts: 40 }));
  expect(findings).toHaveLength(2);
  expect(findings[0]?.verdict).toBe('holds');
  expect(findings[0]?.text).toContain('picking the best of 3');
  expect(findings[1]).toMatchObject({ verdict: 'unclear' });
  expect(findings[1]?.text).toContain('1 of the 2 others could be as good or better');
  expect(findings[1]?.text).toContain('final split');
  const apart = { ...right, 'grid-2': 0.95 };
  const clear = summarise(labInput({ plans: [grid(0.1, 0.2, 0.3)], right: apart, prompts: 40 })).findings[1];
  expect(clear).toMatchObject({ verdict: 'holds', claim: 'dpo.beta = 0.2 is the best of the 3 settings.' });
});

test('picking the best of many that are alike is no finding, though one alone would look like one', () => {
  const values = Array.from({ length: 20 }, (_, i) => 0.1 + i / 100);
  const right = Object.fromEntries(values.map((_, i) => [`grid-${i + 1}`, 0.5]));
  const verdicts = [1, 2, 3, 4, 5].map(
    (seed) =>
      summarise(labInput({ plans: [grid(...values)], right: { ...right, sft: 0.5 }, seeds: [seed] }))
        .findings[0]?.verdict,
  );
  expect(verdicts.filter((verdict) => verdict === 'holds').length).toBeLessThanOrEqual(1);
});

test('what has no figures is said to have none, and why', () => {
  const right = { sft: 0.3, k1: 0.4, k2: 0.5, k4: 0.5, k8: 0.5, k16: 0.5 };
  const error = 'no prompt has 16 negatives left';
  const failed = [1, 2, 3].map((seed) => ({ arm: 'k16', seed, error }));
  const { findings } = summarise(labInput({ plans: plans('negatives'), right, failed }));
  expect(findings[0]).toMatchObject({
    verdict: 'unclear',
    text: 'Not known: k = 16 has failed (no prompt has 16 negatives left).',
  });
  const { findings: waiting } = summarise(labInput({ plans: plans('negatives'), right: { sft: 0.3 } }));
  expect(waiting[0]?.text).toBe('Not known: k = 16 has no figures yet; k = 1 has no figures yet.');
  const apart = ['k16', 'k1'].flatMap((arm, i) =>
    [1, 2, 3].filter((s) => (s === 1) === (i === 0)).map((seed) => ({ arm, seed, error })),
  );
  const never = summarise(labInput({ plans: plans('negatives'), right, failed: apart })).findings[0];
  expect(never?.text).toBe('Not known: there is no seed with figures of both.');
});

test('of a handful of prompts nothing is claimed; what cannot be measured is said to be so', () => {
  const right = { sft: -1, own: 2, imported: -1 };
  const few = summarise(labInput({ plans: plans('sources'), right, prompts: 5 })).findings[0];
  expect(few).toMatchObject({ verdict: 'unclear' });
  expect(few?.text).toContain('+100.0 points (+100.0 to +100.0), 5 prompts (too few to tell), 3 seeds');
  const some = summarise(labInput({ plans: plans('sources'), right, prompts: 6 })).findings[0];
  expect(some).toMatchObject({ verdict: 'holds' });

  const bare = labInput({ plans: plans('sources'), right, graded: false });
  const answers = bare.answers.map((run) => ({
    ...run,
    records: run.records.map((record) => ({ ...record, answers: [{ text: 'x', tokens: 1 }] })),
  }));
  expect(summarise({ ...bare, answers }).findings[0]?.text).toBe(
    'Not known: own answers, k = 6 has answers, but nothing to tell similarity to the target by; ' +
      'other models’ answers, k = 6 has answers, but nothing to tell similarity to the target by.',
  );
});

test('one seed says so', () => {
  const right = { sft: 0.3, own: 0.6, imported: 0.4 };
  const { findings } = summarise(labInput({ plans: plans('sources'), right, seeds: [7] }));
  expect(findings[0]?.text).toContain('60 prompts, 1 seed; one seed cannot tell');
});
