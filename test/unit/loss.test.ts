import { describe, expect, test } from 'vitest';
import { dpoLoss, type PreferenceLoss, sftLoss } from '../../src/model/loss.ts';
import { learningRate } from '../../src/model/schedule.ts';

describe('losses', () => {
  const logps = [-12.5, -9.25, -14, -20.75];
  const references = [-13, -10, -12.5, -20];
  for (const kind of ['sigmoid', 'ipo', 'hinge'] satisfies PreferenceLoss[]) {
    for (const ftx of [0, 0.3]) {
      test(`${kind}, ftx ${ftx}: coefficients are the loss's derivatives`, () => {
        const settings = { kind, beta: 0.3, ftx, groups: 5 };
        const { coefficients } = dpoLoss(logps, references, 7, settings);
        logps.forEach((_, i) => {
          const at = (d: number) => dpoLoss(logps.with(i, (logps[i] ?? 0) + d), references, 7, settings).loss;
          expect(coefficients[i]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
        });
      });
    }
  }
  test('sigmoid at the reference is log 2 with half slopes, whatever k', () => {
    const { loss, coefficients, metrics } = dpoLoss([-1, -2, -3], [-1, -2, -3], 1, {
      kind: 'sigmoid',
      beta: 0.1,
      ftx: 0,
      groups: 1,
    });
    expect(loss).toBeCloseTo(Math.log(2), 12);
    expect(coefficients.map((c) => Number(c.toFixed(6)))).toEqual([-0.05, 0.025, 0.025]);
    expect(metrics.rewardAccuracy).toBe(0);
  });
  test('sft is the constant -1/N', () => {
    expect(sftLoss(-6, 12)).toMatchObject({ loss: 0.5, coefficients: [-1 / 12] });
  });
});

describe('schedules', () => {
  const rates = (name: 'cosine' | 'linear' | 'constant') =>
    Array.from({ length: 6 }, (_, step) =>
      Number(learningRate({ name, learningRate: 1, warmup: 1 / 3, totalSteps: 6 }, step).toFixed(4)),
    );
  test('rise linearly, then fall as named', () => {
    expect(rates('constant')).toEqual([0.5, 1, 1, 1, 1, 1]);
    expect(rates('linear')).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25]);
    expect(rates('cosine')).toEqual([0.5, 1, 1, 0.8536, 0.5, 0.1464]);
  });
});
