import { expect, test } from 'vitest';
import { learningRate, type ScheduleName } from '../../src/model/schedule.ts';

const rates = (name: ScheduleName, warmup: number, totalSteps: number) =>
  Array.from({ length: totalSteps }, (_, step) =>
    learningRate({ name, learningRate: 8, warmup, totalSteps }, step),
  );

test('warm-up rises to the peak, then each schedule goes its way', () => {
  expect(rates('constant', 0.5, 8)).toEqual([2, 4, 6, 8, 8, 8, 8, 8]);
  expect(rates('linear', 0.5, 8)).toEqual([2, 4, 6, 8, 8, 6, 4, 2]);
  expect(rates('cosine', 0, 4)).toEqual([
    8,
    expect.closeTo(4 + 2 * Math.SQRT2),
    expect.closeTo(4),
    expect.closeTo(4 - 2 * Math.SQRT2),
  ]);
});

test('every step has a rate above 0, also in the shortest runs', () => {
  for (const name of ['cosine', 'linear', 'constant'] as const) {
    for (const warmup of [0, 0.1, 1]) {
      for (const total of [1, 2, 3, 10]) {
        for (const rate of rates(name, warmup, total)) expect(rate > 0 && rate <= 8).toBe(true);
      }
    }
  }
});

test('a step outside the run is a mistake of ours', () => {
  for (const step of [-1, 4, 0.5]) {
    expect(() => learningRate({ name: 'cosine', learningRate: 1, warmup: 0, totalSteps: 4 }, step)).toThrow(
      'internal: step',
    );
  }
});
