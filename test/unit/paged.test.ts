/** A long list of which the page holds only what is looked at. */
import { describe, expect, test } from 'vitest';
import { listed, paged } from '../../src/app/paged.ts';

/** A list of 10,000 numbers; tells which pages were read. */
function numbers(fail: (from: number) => boolean = () => false) {
  const read: number[] = [];
  const errors: unknown[] = [];
  const list = paged(
    10_000,
    async (from, to) => {
      read.push(from / 100);
      if (fail(from)) throw new Error(`no page ${from / 100}`);
      return Array.from({ length: to - from }, (_, i) => from + i);
    },
    (error) => errors.push(error),
  );
  return { list, read, errors };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('paged', () => {
  test('an item is there once its page is read, and a page is read once', async () => {
    const { list, read } = numbers();
    expect(list.at(250)).toBeUndefined();
    expect(list.at(251)).toBeUndefined();
    await settled();
    expect([list.at(250), list.at(299), list.at(200)]).toEqual([250, 299, 200]);
    expect(read).toEqual([2]);
    expect([list.at(-1), list.at(10_000), list.at(Number.NaN)]).toEqual([undefined, undefined, undefined]);
    await settled();
    expect(read).toEqual([2]);
  });

  test('of many pages passed by, the last ones are read, the latest first', async () => {
    const { list, read } = numbers();
    for (let page = 0; page < 100; page++) list.at(page * 100);
    await settled();
    expect(read).toEqual([99, 98, 97, 96]);
  });

  test('old pages are forgotten and read again', async () => {
    const { list, read } = numbers();
    for (let page = 0; page < 40; page++) {
      list.at(page * 100);
      await settled();
    }
    expect(list.at(3_999)).toBe(3_999);
    expect(list.at(5)).toBeUndefined();
    await settled();
    expect(list.at(5)).toBe(5);
    expect(read.filter((page) => page === 0).length).toBe(2);
  });

  test('a page that can’t be read is told of once, and the others still come', async () => {
    const { list, read, errors } = numbers((from) => from === 100);
    list.at(150);
    await settled();
    expect(list.at(150)).toBeUndefined();
    await settled();
    expect(errors).toEqual([new Error('no page 1')]);
    list.at(250);
    await settled();
    expect(list.at(250)).toBe(250);
    expect(read).toEqual([1, 2]);
  });
});

test('a list in memory is there at once', async () => {
  const list = listed(['a', 'b', 'c']);
  expect([list.length, list.at(1), list.at(7)]).toEqual([3, 'b', undefined]);
  expect(await list.read(1, 9)).toEqual(['b', 'c']);
});
