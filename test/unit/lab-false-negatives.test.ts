import { describe, expect, test } from 'vitest';
import { falseNegatives } from '../../src/lab/diagnosis/false-negatives.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import type { Grader } from '../../src/pipeline/grade.ts';
import { promptKey } from '../../src/pipeline/prepare.ts';
import type { PreparedData, PromptResponses, TokenizedRow } from '../../src/pipeline/types.ts';

const config = parseConfig({ sample: { n: 10 }, dpo: { negatives: 2 } });

const row = (prompt: string, grader?: Grader): TokenizedRow => ({
  prompt,
  target: 'yes',
  promptIds: [1],
  targetIds: [2],
  ...(grader && { grader }),
});
const dataOf = (...train: TokenizedRow[]): PreparedData => ({ train, heldOut: [], refused: [] });

/** Ten different answers, the least similar first; those listed are right. */
const ten = (index: number, right: readonly number[]): PromptResponses => ({
  index,
  responses: Array.from({ length: 10 }, (_, i) => ({
    text: right.includes(i) ? `yes ${i}` : `no ${i}`,
    tokenIds: [1],
    logp: -1,
    stopped: true,
    similarity: i / 10,
  })),
});

const YES: Grader = { kind: 'contains', all: ['yes'] };
const input = { config, marks: [] };

describe('by the grader', () => {
  const data = dataOf(row('a', YES), row('b', YES), row('c'));
  const responses = [ten(0, [8, 9]), ten(1, [5, 9]), ten(2, [0])];
  const found = falseNegatives({ ...input, data, responses });

  test('rows without one are left out, shares follow the filter', () => {
    expect(found?.judge).toBe('grader');
    expect(found?.responses).toBe(20);
    const shares = found?.byPercent.map(({ percent, share, kept }) => [percent, share.value, kept]);
    // 10 of 10 (all), then floor(n p) least similar: right ones are ranks 8, 9 and 5, 9.
    expect(shares).toEqual([
      [100, 0.2, 20],
      [90, expect.closeTo((1 / 9 + 1 / 9) / 2, 12), 18],
      [80, expect.closeTo(1 / 16, 12), 16],
      [70, expect.closeTo(1 / 14, 12), 14],
      [60, expect.closeTo(1 / 12, 12), 12],
      [50, 0, 10],
      [40, 0, 8],
      [30, 0, 6],
      [20, 0, 4],
      [10, 0, 2],
    ]);
    expect(found?.byPercent[0]?.share).toMatchObject({ n: 2, low: 0.2, high: 0.2, method: 'bootstrap' });
  });

  test('the area under the curve is the mean over prompts of pairs in the right order', () => {
    // a: 16 of 16 pairs; b: the one at rank 5 is above 5 of 8, the one at rank 9 above all: 13 of 16.
    expect(found?.auc?.value).toBeCloseTo((1 + 13 / 16) / 2, 12);
    expect(found?.auc?.n).toBe(2);
  });

  test('the histogram splits the same answers by verdict', () => {
    const sum = (list: readonly number[] = []) => list.reduce((a, b) => a + b, 0);
    expect(found?.histogram.series.map(({ counts }) => sum(counts))).toEqual([4, 16]);
  });

  test('the verdict says so, and takes the largest a% with few false negatives and room for k', () => {
    expect(found?.verdict).toBe(
      '20.0 % of the different answers are as good as the target, by the grader. Similarity separates good from bad here ' +
        '(AUC 0.91, 95 % interval 0.81 to 1.00, 2 prompts with both): take filter.percent 50, the largest with at most 5 % false negatives (0.0 %).',
    );
  });
});

test('similarity that says nothing is told to be no filter', () => {
  const data = dataOf(row('a', YES), row('b', YES));
  const found = falseNegatives({ ...input, data, responses: [ten(0, [0]), ten(1, [9])] });
  expect(found?.auc?.value).toBe(0.5);
  expect(found?.verdict).toMatch(
    /does not separate good from bad here.*Keep them all \(filter.mode alldedup\)/,
  );
  const reversed = falseNegatives({ ...input, data, responses: [ten(0, [0]), ten(1, [1])] });
  expect(reversed?.verdict).toMatch(/points the wrong way/);
});

test('too few different answers for k leave no a% to take', () => {
  const greedy = parseConfig({ sample: { n: 16 }, dpo: { negatives: 11 } });
  const found = falseNegatives({
    config: greedy,
    marks: [],
    data: dataOf(row('a', YES)),
    responses: [ten(0, [9])],
  });
  expect(found?.verdict).toMatch(/too few different answers for 11 negatives a prompt/);
});

test('equal and empty answers count once and not at all, as in the filter', () => {
  const responses = ten(0, [9]).responses.map((r, i) => (i < 4 ? { ...r, text: i < 2 ? '' : 'no' } : r));
  const found = falseNegatives({
    ...input,
    data: dataOf(row('a', YES)),
    responses: [{ index: 0, responses }],
  });
  expect(found?.responses).toBe(7);
});

test('a reward model finds an answer as good where it scores no lower than the target', () => {
  const scores = Array.from({ length: 10 }, (_, i) => i);
  const found = falseNegatives({
    ...input,
    data: dataOf(row('a')),
    responses: [ten(0, [])],
    rewards: [{ index: 0, scores, target: 7 }],
  });
  expect(found).toMatchObject({ judge: 'reward', auc: { value: 1 } });
  expect(found?.byPercent[0]?.share.value).toBe(0.3);
});

describe('marks', () => {
  const a = row('a');
  const mark = { prompt: promptKey(a), text: 'no 8' };

  test('judge where nothing else does, and what is marked is seen as the filter would keep it', () => {
    const responses = [
      {
        index: 0,
        responses: ten(0, []).responses.map((r, i) => (i === 4 ? { ...r, excluded: true } : r)),
      },
    ];
    const found = falseNegatives({ ...input, data: dataOf(a), responses, marks: [mark] });
    expect(found?.judge).toBe('marks');
    expect(found?.byPercent.map(({ share }) => share.value).slice(0, 3)).toEqual([0.2, 2 / 9, 1 / 8]);
  });

  test('add to what the grader finds', () => {
    const graded = row('a', YES);
    const found = falseNegatives({
      ...input,
      data: dataOf(graded),
      responses: [ten(0, [9])],
      marks: [{ prompt: promptKey(graded), text: 'no 8' }],
    });
    expect(found).toMatchObject({ judge: 'grader' });
    expect(found?.byPercent[0]?.share.value).toBe(0.2);
  });

  test('without a judge there is nothing to say', () => {
    expect(falseNegatives({ ...input, data: dataOf(a), responses: [ten(0, [])] })).toBeUndefined();
  });
});
