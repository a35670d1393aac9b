/** Run locks against a real second holder: another page of this origin would be just that to the browser. */
import { expect, test } from 'vitest';
import { heldElsewhere, withRun, withRuns } from '../../src/app/locks.ts';

/** Holds a run's lock as another tab does, until released. */
async function otherTab(id: string): Promise<() => void> {
  return new Promise((held) => {
    void navigator.locks.request(`run ${id}`, () => new Promise<void>((release) => held(release)));
  });
}

test('work on a run that another tab holds is refused before it begins, and done once that tab has ended', async () => {
  const release = await otherTab('a');
  expect(await heldElsewhere()).toEqual(new Set(['a']));
  let begun = false;
  const work = async () => {
    begun = true;
    return 7;
  };
  await expect(withRun('a', work)).rejects.toMatchObject({ name: 'RunLocked' });
  expect(begun).toBe(false);
  release();
  expect(await withRun('a', work)).toBe(7);
});

test('all of several locks or none; an error of the work itself comes through and gives the lock back', async () => {
  const release = await otherTab('b');
  const work = async () => expect.unreachable();
  await expect(withRuns(['a', 'b'], work)).rejects.toMatchObject({ name: 'RunLocked' });
  release();
  const fail = async () => {
    expect(await heldElsewhere()).toEqual(new Set());
    throw new Error('of the work');
  };
  await expect(withRuns(['a', 'b'], fail)).rejects.toThrow('of the work');
  expect(await withRuns(['a', 'b'], async () => 1)).toBe(1);
});
