import { describe, expect, test } from 'vitest';
import { cutGroups, planMicroBatches } from '../../src/model/batch.ts';
import { rowTotal } from '../../src/model/block.ts';

const group = (prompt: number, responses: number, tokens: number) => ({
  promptIds: new Array<number>(prompt).fill(1),
  responseIds: new Array<number[]>(responses).fill(new Array<number>(tokens).fill(2)),
});

describe('cutting groups', () => {
  test('what fits stays whole', () => {
    expect(cutGroups([group(33, 17, 16), group(9, 1, 8)], 512)).toEqual([
      { group: 0, first: 0, count: 17 },
      { group: 1, first: 0, count: 1 },
    ]);
  });

  test('a group that does not is cut into pieces of like size, none left out, none too large', () => {
    const groups = [group(33, 17, 256)];
    const pieces = cutGroups(groups, 1400);
    expect(pieces.map(({ count }) => count)).toEqual([4, 5, 4, 4]);
    expect(pieces.map(({ first }) => first)).toEqual([0, 4, 9, 13]);
    const ids = pieces.map(({ count }) => group(33, count, 256));
    for (const { geometry } of planMicroBatches(ids, 1400))
      expect(rowTotal(geometry)).toBeLessThanOrEqual(1400);
  });

  test('one response at least goes through, however small the limit', () => {
    expect(cutGroups([group(33, 3, 256)], 1)).toEqual([
      { group: 0, first: 0, count: 1 },
      { group: 0, first: 1, count: 1 },
      { group: 0, first: 2, count: 1 },
    ]);
  });
});
