import { describe, expect, test } from 'vitest';
import { drawNegatives, poolOf } from '../../src/pipeline/filter.ts';

const answer = (text: string, similarity: number) => ({
  text,
  similarity,
  tokenIds: [1],
  logp: -1,
  stopped: true,
});

/** Eight answers: one empty, one duplicate pair, one pair of equal similarities. */
const EIGHT = [
  answer('a', 0.9),
  answer('b', 0.1),
  answer('', 0),
  answer('c', 0.5),
  answer(' b', 0.1),
  answer('d', 0.5),
  answer('e', 0.3),
  answer('f', 0.7),
];
const pool = (mode: 'all' | 'alldedup' | 'last' | 'lastdedup', percent = 75) =>
  poolOf(EIGHT, { mode, percent }).flatMap((kept, i) => (kept ? [EIGHT[i]?.text ?? ''] : []));

describe('the negatives’ pool', () => {
  test('all: every answer that is not empty', () => {
    expect(pool('all')).toEqual(['a', 'b', 'c', ' b', 'd', 'e', 'f']);
  });
  test('alldedup: the first of equal texts', () => {
    expect(pool('alldedup')).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });
  test('last-p: the p % least similar; ties in order of sampling', () => {
    // 7 are left, floor(7 x 0.5) = 3: b, b, e.
    expect(pool('last', 50)).toEqual(['b', ' b', 'e']);
    // floor(7 x 0.6) = 4: of c and d, equally similar, the one sampled first.
    expect(pool('last', 60)).toEqual(['b', 'c', ' b', 'e']);
    expect(pool('last', 100)).toHaveLength(7);
    expect(pool('last', 10)).toEqual([]);
  });
  test('lastdedup-p: ranks below min(floor(n p), unique - 1)', () => {
    // n = 8: floor(8 x 0.75) = 6, but only 6 - 1 = 5 below the most similar one.
    expect(pool('lastdedup', 75)).toEqual(['b', 'c', 'd', 'e', 'f']);
    // floor(8 x 0.25) = 2.
    expect(pool('lastdedup', 25)).toEqual(['b', 'e']);
    expect(pool('lastdedup', 100)).toEqual(['b', 'c', 'd', 'e', 'f']);
  });
  test('nothing but empties, and one answer only', () => {
    expect(poolOf([answer('', 0), answer('  ', 0)], { mode: 'all', percent: 75 })).toEqual([false, false]);
    expect(poolOf([answer('x', 0.2)], { mode: 'lastdedup', percent: 100 })).toEqual([false]);
    expect(poolOf([], { mode: 'lastdedup', percent: 75 })).toEqual([]);
  });
});

describe('drawing negatives', () => {
  const records = [
    { index: 3, responses: EIGHT },
    { index: 5, responses: EIGHT.slice(0, 3) },
  ];
  const filter = { mode: 'lastdedup', percent: 75 } as const;
  test('k a prompt, from its pool, the same for the same seed; prompts with too few are dropped', () => {
    const drawn = drawNegatives(records, filter, 3, 1);
    expect(drawn.dropped).toEqual([5]);
    expect(drawn.pairs).toHaveLength(3);
    for (const { index, response } of drawn.pairs) {
      expect(index).toBe(3);
      expect([1, 3, 5, 6, 7]).toContain(response);
    }
    expect(new Set(drawn.pairs.map((p) => p.response)).size).toBe(3);
    expect(drawNegatives(records, filter, 3, 1).pairs).toEqual(drawn.pairs);
    const others = Array.from({ length: 8 }, (_, seed) => drawNegatives(records, filter, 3, seed).pairs);
    expect(new Set(others.map((p) => JSON.stringify(p))).size).toBeGreaterThan(1);
    expect(drawn.records[0]?.responses.map((r) => r.kept)).toEqual([
      false,
      true,
      false,
      true,
      false,
      true,
      true,
      true,
    ]);
  });
});
