/** Questions to the worker outside a run: how the model sees a prompt, and chat. */

import type { ChatMessage } from '../../engine/types.ts';
import type { Arm, DataRow } from '../../pipeline/types.ts';
import type { CheckResult, SeenRow } from '../../pipeline/worker-api.ts';
import { callback, callWorker, WorkerCrash } from '../client.ts';
import { withRun } from '../locks.ts';
import { crashProblem, problemOf } from '../problems.ts';
import { busy, problem, view } from '../signals.ts';
import { isStarted } from '../state.ts';
import { storedRun } from './edits.ts';

async function asking<T>(what: string, ask: () => Promise<T>): Promise<T | null> {
  if (busy.value) return null;
  try {
    return await ask();
  } catch (error) {
    problem.value =
      error instanceof WorkerCrash ? crashProblem(error) : problemOf(what, error, 'The run is as it was.');
    return null;
  }
}

/**
 * The run as the worker is to read it. Settings that wait are stored only where no stage has left anything yet:
 * elsewhere storing them removes what they make stale, and looking must not do that.
 */
async function runToLookAt(): Promise<string> {
  const { manifest } = view.value;
  if (manifest === null) return storedRun();
  return isStarted(view.value) ? manifest.id : withRun(manifest.id, storedRun);
}

/** Reads model and data without running anything; the run is stored, since the worker reads it from there. */
export function checkRun(): Promise<CheckResult | null> {
  return asking('The model could not be read', async () => {
    const id = await runToLookAt();
    const result = await callWorker((api) => api.check(id));
    view.value = { ...view.value, model: result.model };
    return result;
  });
}

/** Checks the device with the run's model now, whatever is known of them. */
export async function checkDevice(): Promise<void> {
  const check = await asking('The device could not be checked', async () => {
    const id = await runToLookAt();
    return callWorker((api) => api.selfCheck(id));
  });
  const { manifest } = view.value;
  if (check !== null && manifest !== null) {
    view.value = { ...view.value, manifest: { ...manifest, selfCheck: check } };
  }
}

/** One row in the tokens of the run's model; the run is stored, since the worker reads its settings from there. */
export function seeRow(row: DataRow): Promise<SeenRow | null> {
  return asking('The model could not be read', async () => {
    const id = await runToLookAt();
    const seen = await callWorker((api) => api.see(id, row));
    view.value = { ...view.value, model: seen.model };
    return seen;
  });
}

/** One answer of one arm, streamed; null where it failed, which the banner then explains. */
export function chatWith(
  arm: Arm,
  messages: readonly ChatMessage[],
  options: { temperature: number; seed: number },
  onText: (text: string) => void,
): Promise<string | null> {
  const id = view.value.manifest?.id;
  if (id === undefined) return Promise.resolve(null);
  let text = '';
  const stream = (piece: string) => {
    text += piece;
    onText(text);
  };
  return asking('The model could not answer', () =>
    callWorker((api) => api.chat(id, arm, messages, options, callback(stream))),
  );
}
