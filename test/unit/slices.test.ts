import { expect, test } from 'vitest';
import { shuffle, stream } from '../../src/model/random.ts';
import { minedGroups, preferenceGroups } from '../../src/pipeline/dpo.ts';
import { responseSlices, responsesOf } from '../../src/pipeline/slices.ts';
import type { PreparedData, PromptResponses, TokenizedRow } from '../../src/pipeline/types.ts';

const record = (index: number): PromptResponses => ({
  index,
  responses: [0, 1, 2].map((j) => ({ text: `${index} ${j}`, tokenIds: [index, j], logp: -j, stopped: true })),
});
/** Every third prompt is not sampled yet. */
const all = Array.from({ length: 50 }, (_, i) => i)
  .filter((i) => i % 3 !== 2)
  .map(record);
const store = {
  responses: async (from = 0, to = Number.POSITIVE_INFINITY) =>
    all.filter(({ index }) => index >= from && index < to),
  sampled: async () => all.map(({ index }) => index),
};

test.each([1, 7, 32, 100])('slices of %i prompts are all responses, each once', async (prompts) => {
  const slices: PromptResponses[][] = [];
  for await (const slice of responseSlices(store, prompts)) slices.push(slice);
  expect(slices.flat()).toEqual(all);
  expect(Math.max(...slices.map((slice) => slice.length))).toBe(Math.min(prompts, all.length));
});

test('responses come in the order asked for, and only where there are any', async () => {
  expect((await responsesOf(store, [4, 0, 2, 3])).map(({ index }) => index)).toEqual([4, 0, 3]);
});

test('groups read as they are wanted are those of all responses at once', async () => {
  const row = (i: number): TokenizedRow => ({ prompt: '', target: '', promptIds: [i], targetIds: [i, i] });
  const data: PreparedData = {
    train: Array.from({ length: 50 }, (_, i) => row(i)),
    heldOut: [],
    refused: [],
  };
  const pairs = all.flatMap(({ index }) =>
    index % 2 === 0 ? [2, 0].map((response) => ({ index, response })) : [],
  );
  const references = new Map(pairs.map(({ index }) => [index, -index] as const).slice(4));
  const plain = preferenceGroups(data, all, pairs, references);
  const groups = minedGroups(store, data, pairs, references);
  expect(groups.indices).toEqual(plain.map(({ index }) => index));
  const order = shuffle([...plain.keys()], stream(1, 'order'));
  const read = await groups.read(order.map((i) => groups.indices[i] ?? 0));
  expect(read).toEqual(order.map((i) => plain[i]));
});
