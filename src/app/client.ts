/**
 * The page's side of workers/model.ts. The worker is started on first use; when it crashes or sends what cannot
 * be read, every pending call rejects and the next call starts a fresh worker.
 */
import * as Comlink from 'comlink';
import { OpenCalls } from '../engine/open-calls.ts';
import type { LabEvent, Split } from '../lab/types.ts';
import type { LabApi } from '../lab/worker-api.ts';
import { type RunEvent, STAGES, type Stage } from '../pipeline/types.ts';
import type { ModelWorkerApi } from '../pipeline/worker-api.ts';
import { type Living, watchLife } from '../service/life.ts';

/** The worker went away with calls pending. What was stored before is safe. */
export class WorkerCrash extends Error {
  override readonly name = 'WorkerCrash';
}

/** What the model's worker answers to. */
type WorkerApi = ModelWorkerApi & LabApi;

interface Running {
  readonly worker: Worker;
  readonly api: Comlink.Remote<WorkerApi & Living>;
  readonly calls: OpenCalls;
}

let running: Running | null = null;

function launch(): Running {
  const name = `model ${crypto.randomUUID()}`;
  const worker = new Worker(new URL('../../workers/model.ts', import.meta.url), { type: 'module', name });
  const started: Running = {
    worker,
    api: Comlink.wrap<WorkerApi & Living>(worker),
    calls: new OpenCalls(),
  };
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    const place =
      event.filename === undefined || event.filename === '' ? '' : `\n${event.filename}:${event.lineno}`;
    end(started, new WorkerCrash(`${event.message || 'The worker could not be started.'}${place}`));
  });
  worker.addEventListener('messageerror', () => {
    end(started, new WorkerCrash('A message of the worker could not be read.'));
  });
  const dead = () => end(started, new WorkerCrash('The worker ended without saying why.'));
  // A worker that does not start has its error event.
  started.api.alive().then(
    () => watchLife(name, dead),
    () => undefined,
  );
  return started;
}

function end(which: Running, error: WorkerCrash): void {
  which.worker.terminate();
  which.calls.end(error);
  if (running === which) running = null;
}

/** Calls the worker; rejects at once when it crashes. */
export async function callWorker<T>(use: (api: Comlink.Remote<WorkerApi>) => Promise<T>): Promise<T> {
  running ??= launch();
  const { api, calls } = running;
  return await calls.call(() => use(api));
}

/** Fresh starts in a row, without getting any further, after which a lost device is given up. */
const FRESH_STARTS = 3;

/**
 * Runs the unfinished stages of a stored run, up to and including `until`. Where the GPU device is lost, a fresh
 * worker goes on from what is stored; every other failure rejects.
 */
export function runStored(id: string, onEvent: (event: RunEvent) => void, until?: Stage): Promise<void> {
  return despiteLostDevices(
    (reached) => {
      const watch = (event: RunEvent) => {
        if (event.type === 'progress') {
          const { stage, done, total } = event.progress;
          reached(STAGES.indexOf(stage) + done / Math.max(1, total));
        }
        onEvent(event);
      };
      return callWorker((api) => api.run(id, callback(watch), until));
    },
    () =>
      onEvent({
        type: 'warning',
        message: 'The graphics device was lost. The run goes on from its last stored step with a fresh one.',
      }),
  );
}

/**
 * Works on a stored lab until all of it is done or has failed; with 'final', on the split kept for the last look.
 * Where the GPU device is lost, a fresh worker goes on from what is stored; every other failure rejects.
 */
export function runStoredLab(
  id: string,
  onEvent: (event: LabEvent) => void,
  split: Split = 'working',
): Promise<void> {
  return despiteLostDevices((reached) => {
    const watch = callback((event: LabEvent) => {
      if (event.type === 'progress') reached(event.progress.share);
      onEvent(event);
    });
    return callWorker((api) => (split === 'final' ? api.lookAtFinal(id, watch) : api.runLab(id, watch)));
  });
}

/** @param attempt tells how far it has come, on any scale that rises */
async function despiteLostDevices(
  attempt: (reached: (far: number) => void) => Promise<void>,
  onLost: () => void = () => {},
): Promise<void> {
  let furthest = -1;
  let starts = 0;
  const reached = (far: number) => {
    if (far <= furthest) return;
    furthest = far;
    starts = 0;
  };
  for (;;) {
    try {
      return await attempt(reached);
    } catch (error) {
      if (!isDeviceLost(error) || ++starts > FRESH_STARTS) throw error;
      closeWorker();
      onLost();
    }
  }
}

/** Errors arrive from the worker with their name, but without their class. */
const isDeviceLost = (error: unknown): boolean => error instanceof Error && error.name === 'DeviceLostError';

/** A callback the worker may call. */
export function callback<T extends (...args: never[]) => void>(fn: T): T & Comlink.ProxyMarked {
  return Comlink.proxy(fn);
}

/** Ends the worker and gives its memory back; pending calls reject. */
export function closeWorker(): void {
  if (running !== null) end(running, new WorkerCrash('The worker was stopped.'));
}

export function workerRuns(): boolean {
  return running !== null;
}
