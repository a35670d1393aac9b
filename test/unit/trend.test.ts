import { describe, expect, test } from 'vitest';
import { slope, trend } from '../../scripts/bench/soak/trend.ts';

const points = (values: readonly number[]) => values.map((value, i) => ({ hours: i / 10, value }));

describe('whether something grows', () => {
  test('the slope is an hour’s, and a few wild figures do not move it', () => {
    expect(slope(points([0, 1, 2, 3, 4, 5]))).toBeCloseTo(10);
    expect(slope(points([0, 1, 900, 3, 4, 5, 6, 7]))).toBeCloseTo(10);
    expect(slope(points([1]))).toBeNaN();
  });

  test('growth at the beginning does not count', () => {
    const { level, anHour } = trend(points([0, 50, 90, 99, 100, 100, 100, 100]));
    expect(level).toBe(100);
    expect(anHour).toBe(0);
  });
});
