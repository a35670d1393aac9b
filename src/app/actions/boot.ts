/** First thing on the page. */
import { storageProblem } from '../problems.ts';
import { problem, ready, runs } from '../signals.ts';
import { followTabs } from './follow.ts';
import { recall } from './memory.ts';
import { watchPreferences } from './preferences.ts';
import { followHash, listRuns, newRun, openRun } from './runs.ts';
import { measureStorage } from './space.ts';

/** The run looked at last, or the opening with the example. */
export async function boot(): Promise<void> {
  watchPreferences();
  window.addEventListener('hashchange', followHash);
  try {
    await listRuns();
    const last = recall('run');
    const known = runs.value.find((run) => run.id === last) ?? (last === '' ? undefined : runs.value[0]);
    if (known !== undefined) await openRun(known.id);
    else {
      newRun();
      followHash();
    }
    await followTabs();
  } catch (error) {
    // First: a new run begins without a problem.
    newRun();
    problem.value = storageProblem(error);
  } finally {
    ready.value = true;
  }
  await measureStorage();
}
