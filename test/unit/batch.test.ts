import { describe, expect, test } from 'vitest';
import { batchTensors, cutGroups, planMicroBatches, responseRow } from '../../src/model/batch.ts';
import { rowTotal } from '../../src/model/block.ts';
import { packLanes } from '../../src/model/lanes.ts';
import { referenceConfig } from '../fixtures/reference.ts';

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

/** Answers of these lengths. */
const answers = (prompt: number, ...lengths: number[]) => ({
  promptIds: Array.from({ length: prompt }, (_, i) => 10 + i),
  responseIds: lengths.map((length, r) => Array.from({ length }, (_, i) => 20 + 10 * r + i)),
});

describe('short responses share lanes', () => {
  test('the longest first, each where there is room', () => {
    expect(packLanes([5, 3, 8, 2, 1], 8)).toEqual({
      places: [
        { lane: 1, first: 0 },
        { lane: 1, first: 5 },
        { lane: 0, first: 0 },
        { lane: 2, first: 0 },
        { lane: 2, first: 2 },
      ],
      count: 3,
    });
  });

  test('lanes take no more rows than one response each would, and responses of one length keep theirs', () => {
    const [mixed] = planMicroBatches([answers(9, 5, 3, 8, 2, 1)], 512);
    expect(mixed?.geometry).toEqual({ groups: 1, promptRows: 8, lanes: 3, laneRows: 8, shared: true });
    const [equal] = planMicroBatches([answers(9, 8, 8, 8)], 512);
    expect(equal?.geometry).toEqual({ groups: 1, promptRows: 8, lanes: 3, laneRows: 8, shared: false });
  });

  test('each response sees its prompt and itself, and the rest of a lane nothing but itself', () => {
    const group = answers(3, 2, 4, 6);
    const [batch] = planMicroBatches([group], 512);
    if (!batch) throw new Error('no batch');
    expect(batch.geometry).toEqual({ groups: 1, promptRows: 8, lanes: 2, laneRows: 8, shared: true });
    const { ids, labels, masks } = batchTensors(referenceConfig(true), [group], batch);
    expect([...ids.slice(8)]).toEqual([12, 40, 41, 42, 43, 44, 12, 20, 12, 30, 31, 32, 0, 0, 0, 0]);
    expect([...labels]).toEqual([40, 41, 42, 43, 44, 45, 20, 21, 30, 31, 32, 33, 0, 0, 0, 0]);
    expect([0, 1, 2].map((r) => responseRow(batch, 0, r))).toEqual([6, 8, 0]);
    const mask = masks[0]?.mask ?? new Float32Array(0);
    const rows = Array.from({ length: 16 }, (_, row) =>
      [...mask.slice(16 * row, 16 * row + 16)].map((x) => (x === 0 ? '1' : '.')).join(''),
    );
    expect(rows).toEqual([
      '11......1.......',
      '11......11......',
      '11......111.....',
      '11......1111....',
      '11......11111...',
      '11......111111..',
      '11............1.',
      '11............11',
      '11......1.......',
      '11......11......',
      '11......111.....',
      '11......1111....',
      '............1...',
      '.............1..',
      '..............1.',
      '...............1',
    ]);
  });
});
