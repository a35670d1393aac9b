/** Negatives: the user's marks on the pool, and the draw from it. The pool's rules are in filter.test.ts. */
import { expect, test } from 'vitest';
import type { FilterConfig } from '../../src/pipeline/config.ts';
import { drawNegatives, poolOf } from '../../src/pipeline/filter.ts';
import type { PromptResponses } from '../../src/pipeline/types.ts';

const answer = (text: string, similarity: number, excluded = false) => ({ text, similarity, excluded });
const filter: FilterConfig = { mode: 'lastdedup', percent: 75 };

test('a mark takes its text out and moves nothing else', () => {
  const marked = (which: number) =>
    poolOf(
      [0.1, 0.2, 0.3, 0.4].map((similarity, i) => answer(`${i}`, similarity, i === which)),
      { mode: 'lastdedup', percent: 100 },
    );
  expect(marked(-1)).toEqual([true, true, true, false]);
  expect(marked(1)).toEqual([true, false, true, false]);
  expect(marked(3)).toEqual([true, true, true, false]);
  const twice = [answer('a', 0), answer(' a', 0, true), answer('b', 1)];
  expect(poolOf(twice, { mode: 'all', percent: 100 })).toEqual([false, false, true]);
});

test('filtering by similarity needs one; the other modes do not', () => {
  expect(() => poolOf([{ text: 'a' }, { text: 'b' }], { mode: 'last', percent: 50 })).toThrow(
    'before every response',
  );
  expect(poolOf([{ text: 'a' }], { mode: 'all', percent: 50 })).toEqual([true]);
});

const record = (index: number, ...entries: [string, number][]): PromptResponses => ({
  index,
  responses: entries.map(([text, similarity]) => ({
    text,
    similarity,
    tokenIds: [1],
    logp: -1,
    stopped: true,
  })),
});
const records = [
  record(0, ['a', 0.1], ['b', 0.2], ['c', 0.3], ['d', 0.4]),
  record(1, ['a', 0.1], ['a', 0.1], ['a', 0.1], ['b', 0.4]),
  record(2, ['a', 0.4], ['b', 0.3], ['c', 0.2], ['d', 0.1]),
];

test('k are drawn of each pool, prompts with fewer are dropped, and the pool is marked', () => {
  const { records: marked, pairs, dropped } = drawNegatives(records, filter, 2, 1);
  expect(dropped).toEqual([1]);
  expect(pairs.map((pair) => pair.index)).toEqual([0, 0, 2, 2]);
  for (const { index, response } of pairs) expect(marked[index]?.responses[response]?.kept).toBe(true);
  expect(marked.map((r) => r.responses.map((x) => x.kept))).toEqual([
    [true, true, true, false],
    [true, false, false, false],
    [false, true, true, true],
  ]);
});

test("a prompt's draw depends on seed, index and pool alone", () => {
  const of = (list: readonly PromptResponses[], seed: number) =>
    drawNegatives(list, filter, 2, seed).pairs.filter((pair) => pair.index === 2);
  expect(of(records.slice(2), 1)).toEqual(of(records, 1));
  expect(new Set([1, 2, 3, 4, 5, 6].map((seed) => JSON.stringify(of(records, seed)))).size).toBeGreaterThan(
    1,
  );
});
