import { describe, expect, test } from 'vitest';
import {
  auc,
  binsFor,
  bootstrapGain,
  bootstrapMean,
  countsIn,
  histogram,
  type Judged,
  seedMeans,
  simultaneousGains,
  type Values,
  wilson,
} from '../../src/lab/stats/index.ts';
import { stream } from '../../src/model/random.ts';

const random = stream(1, 'lab-stats');
/** Box and Muller. */
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const list = <T>(length: number, of: (i: number) => T): T[] => Array.from({ length }, (_, i) => of(i));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
/** Of an interval of 95 %, as if it were a normal one. */
const errorOf = ({ low, high }: { low: number; high: number }) => (high - low) / (2 * 1.96);

describe('shares', () => {
  // Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3 (score, no continuity correction).
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('%i of %i', (successes, n, low, high) => {
    const figure = wilson(successes, n);
    expect(figure).toMatchObject({ value: successes / n, n, seeds: 1, method: 'wilson' });
    expect(figure.low).toBeCloseTo(low, 4);
    expect(figure.high).toBeCloseTo(high, 4);
    const mirrored = wilson(n - successes, n);
    expect(mirrored.low).toBeCloseTo(1 - figure.high, 12);
    expect(mirrored.high).toBeCloseTo(1 - figure.low, 12);
  });

  test('ties are halves, nothing is everything, and what is no share is refused', () => {
    expect(wilson(4.5, 9).value).toBe(0.5);
    expect(wilson(0, 0)).toMatchObject({ value: 0.5, low: 0, high: 1, n: 0 });
    for (const [k, n] of [
      [3, 2],
      [-1, 2],
      [Number.NaN, 2],
    ] as const)
      expect(() => wilson(k, n)).toThrow(`a share of ${k} out of ${n} is none`);
  });
});

describe('means over prompts and seeds', () => {
  test('one seed: the interval is the analytic one of a mean of normals', () => {
    const values = list(400, normal);
    const figure = bootstrapMean([values]);
    const average = mean(values);
    const deviation = Math.sqrt(mean(values.map((x) => (x - average) ** 2)));
    expect(figure).toMatchObject({ n: 400, seeds: 1, method: 'bootstrap' });
    expect(figure.value).toBeCloseTo(average, 12);
    expect(errorOf(figure) / (deviation / 20)).toBeGreaterThan(0.95);
    expect(errorOf(figure) / (deviation / 20)).toBeLessThan(1.05);
    expect(figure.low).toBeLessThan(average);
    expect(bootstrapMean([values])).toEqual(figure);
  });

  test('several seeds: the variance of both drawn independently, computed without drawing', () => {
    const [seeds, prompts] = [5, 120];
    const x = list(seeds, () => 0.15 * normal()).map((seed) => list(prompts, () => seed + normal()));
    // E[uu'] of multinomial weights is (1 - 1/n) 11' + I; the sums below are what remains of E[(u'Xv)²].
    const total = mean(x.flat()) * seeds * prompts;
    const rows = x.map((row) => mean(row) * prompts);
    const columns = list(prompts, (p) => mean(x.map((row) => row[p] ?? 0)) * seeds);
    const squares = (values: readonly number[]) => values.reduce((sum, v) => sum + v * v, 0);
    const second =
      (1 - 1 / seeds) * (1 - 1 / prompts) * total ** 2 +
      (1 - 1 / seeds) * squares(columns) +
      (1 - 1 / prompts) * squares(rows) +
      squares(x.flat());
    const exact = Math.sqrt(second - total ** 2) / (seeds * prompts);
    const figure = bootstrapMean(x);
    expect(figure).toMatchObject({ n: 120, seeds: 5 });
    expect(figure.value).toBeCloseTo(mean(x.flat()), 12);
    expect(errorOf(figure) / exact).toBeGreaterThan(0.93);
    expect(errorOf(figure) / exact).toBeLessThan(1.07);
  });

  test('failed seeds and prompts without a value do not count', () => {
    const full: Values = [list(30, normal), list(30, normal)];
    const gappy: Values = [
      [null, ...(full[0] ?? []), null],
      list(32, () => 0).map(() => null),
      [null, ...(full[1] ?? []), null],
    ];
    expect(bootstrapMean(gappy)).toEqual(bootstrapMean(full));
    // A prompt that only one seed has counts in that seed alone.
    expect(
      bootstrapMean([
        [1, null, 1],
        [3, 5, 4],
      ]).value,
    ).toBe(2.5);
    expect(
      seedMeans([
        [1, null, 2],
        [null, null, null],
      ]),
    ).toEqual([1.5, null]);
    expect(() => bootstrapMean([[null]])).toThrow('there are no values');
    expect(() => bootstrapMean([])).toThrow('there are no values');
  });

  test('a transform is laid over the mean, and its interval over the ends', () => {
    const values = [list(50, normal)];
    const [plain, inverse] = [
      bootstrapMean(values),
      bootstrapMean(values, { transform: (x) => Math.exp(-x) }),
    ];
    expect(inverse.value).toBeCloseTo(Math.exp(-plain.value), 12);
    expect(inverse.low).toBeCloseTo(Math.exp(-plain.high), 3);
    expect(inverse.high).toBeCloseTo(Math.exp(-plain.low), 3);
  });
});

describe('how often intervals hold the truth', () => {
  const within = { resamples: 400 };
  /** Three seeds, 60 prompts, one number of each; the truth is 0. */
  const draw = (seed: number, prompt: readonly number[], noise: number): Values =>
    list(3, () => seed * normal()).map((shift) => prompt.map((hard) => hard + shift + noise * normal()));

  test('95 % of the time, where seeds differ by as much as a mean over prompts is uncertain', () => {
    const held = list(300, () => {
      const prompts = list(60, () => 0.5 * normal());
      const { low, high } = bootstrapMean(draw(1 / Math.sqrt(60), prompts, 1), within);
      return low <= 0 && high >= 0 ? 1 : 0;
    });
    expect(mean(held)).toBeGreaterThan(0.93);
    expect(mean(held)).toBeLessThan(0.995);
  });

  test('of the best of ten that are alike: rarely picked for nothing, where single intervals often are', () => {
    const hits = list(150, () => {
      const [reference = [], ...arms] = list(11, () => [list(60, normal)]);
      const above = (figures: readonly ({ low: number } | null)[]) =>
        figures.some((figure) => (figure?.low ?? 0) > 0) ? 1 : 0;
      const single = arms.map((arm) => bootstrapGain(arm, reference, within));
      return { together: above(simultaneousGains(arms, reference, within)), single: above(single) };
    });
    expect(mean(hits.map(({ together }) => together))).toBeLessThan(0.06);
    expect(mean(hits.map(({ single }) => single))).toBeGreaterThan(0.1);
  });

  test('of one arm alone the simultaneous interval is the usual one; an arm without values has none', () => {
    const [reference, arm] = [draw(0, list(60, normal), 1), draw(0, list(60, normal), 1)];
    const [alone, none] = simultaneousGains([arm, [[null]]], reference);
    const usual = bootstrapGain(arm, reference);
    expect(alone?.value).toBe(usual.value);
    expect(errorOf(alone ?? { low: 0, high: 0 }) / errorOf(usual)).toBeCloseTo(1, 1);
    expect(none).toBeNull();
    expect(simultaneousGains([], reference)).toEqual([]);
  });
});

describe('paired gains', () => {
  // Hours of sleep gained by ten patients with two drugs: Student 1908, Biometrika 6:1-25.
  const dextro = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
  const laevo = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

  test("Student's sleep: the mean difference is 1.58, its error 0.389 (n - 1) or 0.369 (n)", () => {
    const gain = bootstrapGain([laevo], [dextro]);
    expect(gain.value).toBeCloseTo(1.58, 12);
    expect(errorOf(gain)).toBeGreaterThan(0.33);
    expect(errorOf(gain)).toBeLessThan(0.4);
    expect(gain.low).toBeGreaterThan(0);
    // Unpaired, the two would not be told apart.
    expect(bootstrapMean([laevo]).low).toBeLessThan(bootstrapMean([dextro]).high);
  });

  test('what is missing on either side is left out on both; equals are exactly alike', () => {
    const gain = bootstrapGain([[5, null, 9, 100]], [[4, 7, 6, null]]);
    expect(gain).toMatchObject({ value: 2, n: 2 });
    const same: Values = [list(20, normal), list(20, normal)];
    expect(bootstrapGain(same, same)).toMatchObject({ value: 0, low: 0, high: 0 });
    const transform = (x: number) => Math.exp(-x);
    expect(bootstrapGain(same, same, { transform })).toMatchObject({ value: 0, low: 0, high: 0 });
    expect(bootstrapGain([[1, null]], [[3, 9]], { transform }).value).toBeCloseTo(
      Math.exp(-1) - Math.exp(-3),
      12,
    );
  });
});

describe('area under the ROC curve', () => {
  test('109 tomograms read by one reader: 0.893 (Hanley and McNeil 1982, Radiology 143:29-36)', () => {
    const rated = (counts: readonly number[], good: boolean) =>
      counts.flatMap((count, i) => list(count, () => i + 1).map((score): Judged => ({ score, good })));
    const patients = [...rated([33, 6, 6, 11, 2], false), ...rated([3, 2, 2, 11, 33], true)];
    const area = auc(patients.map((one) => [one]));
    expect(area?.value).toBeCloseTo(0.893, 3);
    expect(area).toMatchObject({ n: 109, method: 'bootstrap' });
    // Their standard error is 0.032.
    expect(errorOf(area ?? { low: 0, high: 0 })).toBeCloseTo(0.032, 2);
  });

  test('by hand, with a tie; of one kind there is none', () => {
    // Pairs of good and bad: 3 > 1, 3 > 2, 2 > 1, 2 = 2: 3.5 of 4.
    const answers = [
      { score: 1, good: false },
      { score: 2, good: false },
      { score: 2, good: true },
      { score: 3, good: true },
    ];
    expect(auc([answers])?.value).toBe(0.875);
    expect(auc([answers.filter(({ good }) => good)])).toBeNull();
    expect(auc([[], []])).toBeNull();
  });

  test('answers of one prompt count together: copies of them bring no certainty', () => {
    const prompts = list(40, normal).map((score, i) => [
      { score, good: i % 2 === 0 },
      { score: score + normal(), good: i % 3 === 0 },
    ]);
    const once = auc(prompts);
    const copied = auc(prompts.map((answers) => list(8, () => 0).flatMap(() => answers)));
    expect(copied?.value).toBeCloseTo(once?.value ?? 0, 12);
    expect(copied?.low).toBeCloseTo(once?.low ?? 0, 12);
  });
});

describe('histograms', () => {
  test('round bins that hold every value, edges in the bin that begins there', () => {
    expect(binsFor([0, 0.5, 1], 10)).toEqual({ low: 0, width: 0.1, count: 11 });
    expect(binsFor([0, 1], 10)).toEqual({ low: 0, width: 1, count: 2 });
    expect(binsFor([3, 3, 3])).toMatchObject({ count: 1, low: 3 });
    expect(binsFor([])).toMatchObject({ count: 1 });
    expect(binsFor([1, 2, 3, 4], 20).width).toBe(1);
    const bins = { low: 0, width: 0.1, count: 4 };
    expect(countsIn([0, 0.1, 0.2, 0.3, 0.35, 9, -9, Number.NaN], bins)).toEqual([2, 1, 1, 3]);
    const values = list(1000, normal);
    const { series, low, width } = histogram('t', 'x', [{ name: 'all', values }]);
    const counts = series[0]?.counts ?? [];
    expect(counts.reduce((a, b) => a + b, 0)).toBe(1000);
    expect(low).toBeLessThanOrEqual(Math.min(...values));
    expect(low + width * counts.length).toBeGreaterThan(Math.max(...values));
  });
});
