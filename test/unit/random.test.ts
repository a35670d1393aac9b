import { expect, test } from 'vitest';
import { sampleWithoutReplacement, seedOf, shuffle, stream } from '../../src/model/random.ts';

const take = (random: () => number, count: number) => Array.from({ length: count }, random);

test('a stream is fixed by its seed and labels', () => {
  expect(take(stream(1, 'order', 0), 3)).toEqual(take(stream(1, 'order', 0), 3));
  // Pinned: stored runs go on with the numbers they began with.
  expect(take(stream(1, 'order', 0), 3)).toMatchInlineSnapshot(`
    [
      0.12835328711587002,
      0.27419612906151636,
      0.4377439530220594,
    ]
  `);
  expect(seedOf(1, 'sample', 5)).toMatchInlineSnapshot(`2164075963`);
});

test('seeds and labels make different streams, also where they read the same', () => {
  const first = [
    stream(1),
    stream(2),
    stream(1, 'a'),
    stream(1, 'a', 'b'),
    stream(1, 'ab'),
    stream(1, '1'),
    stream(1, 1),
  ].map((s) => s());
  expect(new Set(first).size).toBe(first.length);
});

test('numbers are uniform, within and across neighbouring streams', () => {
  for (const random of [stream(3, 'x'), () => stream(3, 'y', counter++)()]) {
    const bins = new Array<number>(20).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const x = random();
      expect(x >= 0 && x < 1).toBe(true);
      const bin = Math.floor(20 * x);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    const chi2 = bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    expect(chi2).toBeLessThan(43.8); // 19 degrees of freedom, p = 0.001
  }
});
let counter = 0;

test('a shuffle is a permutation, every position equally likely', () => {
  expect(shuffle([1, 2, 3, 4, 5], stream(1)).sort()).toEqual([1, 2, 3, 4, 5]);
  expect(shuffle([], stream(1))).toEqual([]);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const key = shuffle(['a', 'b', 'c'], stream(i)).join('');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  for (const n of counts.values()) expect(Math.abs(n - 1000)).toBeLessThan(120);
});

test('sampling without replacement keeps the order and is fair', () => {
  const hits = [0, 0, 0, 0, 0];
  for (let i = 0; i < 5000; i++) {
    const drawn = sampleWithoutReplacement([0, 1, 2, 3, 4], 2, stream(i));
    expect(drawn).toHaveLength(2);
    expect(drawn[0]).toBeLessThan(drawn[1] ?? -1);
    for (const item of drawn) hits[item] = (hits[item] ?? 0) + 1;
  }
  for (const n of hits) expect(Math.abs(n - 2000)).toBeLessThan(150);
  expect(() => sampleWithoutReplacement([1], 2, stream(1))).toThrow("can't draw 2 of 1 items");
});
