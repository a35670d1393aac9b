/** Start, pause, stop: one run at a time, its events folded into the view a few times a second. */
import { batch } from '@preact/signals';
import type { RunEvent, Stage } from '../../pipeline/types.ts';
import { closeWorker, runStored, WorkerCrash } from '../client.ts';
import { host } from '../host.ts';
import { canStart } from '../importing.ts';
import { RunLocked, withRun } from '../locks.ts';
import { crashProblem, problemOf, problemOfRun } from '../problems.ts';
import {
  type Activity,
  activity,
  endedElsewhere,
  type Problem,
  problem,
  runsOpen,
  said,
  selected,
  view,
} from '../signals.ts';
import { isFinished, reduceEvents, settled } from '../state.ts';
import { tell } from '../tabs.ts';
import { storedRun } from './edits.ts';
import { exporting } from './exports.ts';
import { announce } from './preferences.ts';
import { listRuns, openStage, readRecords, refreshAfter } from './runs.ts';
import { measureStorage } from './space.ts';
import { askToStop, stopAtLast } from './stopping.ts';

/** Often enough to look live, rarely enough to leave the processor to the model. */
const FOLD_EVERY_MS = 120;

const waiting: RunEvent[] = [];
let timer = 0;

function fold(): void {
  window.clearTimeout(timer);
  timer = 0;
  const events = waiting.splice(0);
  if (events.length === 0) return;
  view.value = reduceEvents(view.value, events);
  const run = view.value.manifest?.id;
  if (run !== undefined) tell({ type: 'events', run, events });
  for (const event of events) {
    if (event.type !== 'stage') continue;
    // A reader who looks at the stage at work is taken along to the next one.
    if (event.state === 'running' && follows(event.stage)) openStage(event.stage);
    if (event.state === 'done') void refreshAfter(event.stage);
  }
}

let followed: Stage | null = null;

function follows(next: Stage): boolean {
  const along = !runsOpen.value && (selected.value === null || selected.value === followed);
  followed = next;
  return along;
}

function onEvent(event: RunEvent): void {
  waiting.push(event);
  if (timer === 0) timer = window.setTimeout(fold, FOLD_EVERY_MS);
}

/** Runs the unfinished stages, up to and including `until`. */
export async function start(until?: Stage): Promise<void> {
  if (!canStart.value) return;
  if (exporting.value !== null) {
    said.value = 'Wait until the export is written, or cancel it.';
    return;
  }
  batch(() => {
    activity.value = 'starting';
    problem.value = null;
    followed = selected.value;
  });
  try {
    // A run that is stored already is written to only under its lock.
    const id = view.value.manifest?.id ?? (await storedRun());
    await withRun(id, async () => {
      await storedRun();
      endedElsewhere.value = null;
      tell({ type: 'runs' });
      await work(id, until);
    });
  } catch (error) {
    batch(() => {
      activity.value = 'idle';
      problem.value =
        error instanceof RunLocked
          ? LOCKED
          : problemOf('The run could not be stored', error, 'Nothing was started.');
    });
  } finally {
    tell({ type: 'runs' });
  }
}

const LOCKED: Problem = {
  title: 'This run is at work in another tab',
  safe: 'Nothing was changed.',
  advice: 'Watch it there, or close that tab and press Resume here.',
  details: '',
};

async function work(id: string, until: Stage | undefined): Promise<void> {
  activity.value = 'running';
  let failure: unknown = null;
  try {
    await runStored(id, onEvent, until);
  } catch (error) {
    failure = error;
  }
  fold();
  // Another action may have changed it while the worker ran.
  const now: Activity = activity.peek();
  const asked = now !== 'running';
  if (now === 'stopping') closeWorker();
  await finish(id, failure, asked);
  batch(() => {
    view.value = settled(view.value);
    activity.value = 'idle';
  });
  const { name } = view.value.manifest ?? { name: 'The run' };
  if (isFinished(view.value)) announce(`${name} is finished.`);
  else if (asked) announce('Paused. Everything finished is stored.');
  else if (problem.value !== null) announce(`${name} stopped: ${problem.value.title}`);
}

/** After a run ended in whatever way: shows what is stored, and what went wrong. */
async function finish(id: string, failure: unknown, asked: boolean): Promise<void> {
  try {
    await readRecords(id);
    const manifest = await (await host.runStore(id)).manifest();
    view.value = { ...view.value, manifest };
    if (failure instanceof WorkerCrash && !asked) problem.value = crashProblem(failure);
    else if (failure !== null && !asked) {
      problem.value =
        manifest.error === undefined
          ? {
              ...problemOf(
                'The run stopped',
                failure,
                'Everything finished before is stored on this device.',
              ),
              action: 'resume',
            }
          : problemOfRun(manifest.error);
    }
    await listRuns();
    await measureStorage();
  } catch (error) {
    problem.value = problemOf(
      'The run’s records could not be read',
      error,
      'They are still stored; reload the page.',
    );
  }
}

/** Stops at the next safe point; the model stays loaded. */
export async function pause(): Promise<void> {
  if (activity.value !== 'running') return;
  activity.value = 'pausing';
  await askToStop('run');
}

/** Stops at the next safe point and gives the memory back; after ten seconds without one, at once. */
export async function stop(): Promise<void> {
  if (activity.value === 'idle' || activity.value === 'stopping') return;
  activity.value = 'stopping';
  await stopAtLast('run');
}
