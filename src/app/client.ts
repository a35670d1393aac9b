/**
 * The page's side of workers/model.ts. The worker is started on first use; when it crashes or sends what cannot
 * be read, every pending call rejects and the next call starts a fresh worker.
 */
import * as Comlink from 'comlink';
import type { ModelWorkerApi } from '../pipeline/types.ts';

/** The worker went away with calls pending. What was stored before is safe. */
export class WorkerCrash extends Error {
  override readonly name = 'WorkerCrash';
}

interface Running {
  readonly worker: Worker;
  readonly api: Comlink.Remote<ModelWorkerApi>;
  readonly crashed: Promise<never>;
  readonly fail: (error: WorkerCrash) => void;
}

let running: Running | null = null;

function launch(): Running {
  const worker = new Worker(new URL('../../workers/model.ts', import.meta.url), { type: 'module' });
  let fail: (error: WorkerCrash) => void = () => {};
  const crashed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  crashed.catch(() => {}); // with no call pending there is no one to tell
  const started: Running = { worker, api: Comlink.wrap<ModelWorkerApi>(worker), crashed, fail };
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    const place =
      event.filename === undefined || event.filename === '' ? '' : `\n${event.filename}:${event.lineno}`;
    end(started, new WorkerCrash(`${event.message || 'The worker could not be started.'}${place}`));
  });
  worker.addEventListener('messageerror', () => {
    end(started, new WorkerCrash('A message of the worker could not be read.'));
  });
  return started;
}

function end(which: Running, error: WorkerCrash): void {
  which.worker.terminate();
  which.fail(error);
  if (running === which) running = null;
}

/** Calls the worker; rejects at once when it crashes. */
export async function callWorker<T>(use: (api: Comlink.Remote<ModelWorkerApi>) => Promise<T>): Promise<T> {
  running ??= launch();
  const { api, crashed } = running;
  return await Promise.race([use(api), crashed]);
}

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
