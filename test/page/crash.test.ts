/** The short form of `npm run test:crash`. */
import { expect, test } from 'vitest';
import { killsOfRun } from '../../scripts/crash/plan.ts';
import { crashTest } from '../../scripts/crash.ts';

test('kills are planned for every stage that takes time, and are the same for the same seed', () => {
  const plan = Array.from({ length: 8 }, (_, run) => killsOfRun(1, run)).flat();
  expect(plan.length).toBeGreaterThanOrEqual(40);
  for (const stage of ['sft', 'sample', 'filter', 'dpo', 'evaluate'])
    expect(plan.filter((kill) => kill.stage === stage).length, stage).toBeGreaterThanOrEqual(4);
  expect(killsOfRun(1, 3)).toEqual(killsOfRun(1, 3));
  expect(killsOfRun(2, 3)).not.toEqual(killsOfRun(1, 3));
});

test('a browser killed three times in the middle of a run leaves a run that ends in the same bytes', async () => {
  const { killedIn, comparisons, different } = await crashTest(3, 4);
  expect(killedIn).toHaveLength(3);
  expect(comparisons).toBe(6);
  expect(different).toEqual([]);
}, 600_000);
