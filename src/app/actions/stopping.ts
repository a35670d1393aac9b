/** Ends what the worker is at, of a run or of a lab. */
import { callWorker, closeWorker, WorkerCrash, workerRuns } from '../client.ts';
import { problemOf } from '../problems.ts';
import { problem } from '../signals.ts';

type Work = 'run' | 'lab';

/** How long the worker may take to a safe point, in milliseconds. */
const PATIENCE = 10_000;

/** Resolves when the worker knows; what is under way goes on to its next safe point. */
export async function askToStop(work: Work): Promise<void> {
  if (!workerRuns()) return;
  try {
    await callWorker((api) => api.stop());
  } catch (error) {
    if (!(error instanceof WorkerCrash)) problem.value = problemOf(`The ${work} could not be stopped`, error);
  }
}

/** The same, but where there is no answer for too long the worker is ended. */
export async function stopAtLast(work: Work): Promise<void> {
  const patience = window.setTimeout(closeWorker, PATIENCE);
  await askToStop(work);
  window.clearTimeout(patience);
}
