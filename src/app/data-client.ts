/** The page's side of workers/data.ts. Started when it is needed and ended after a while without work. */
import * as Comlink from 'comlink';
import type { DataWorkerApi } from '../service/data-service.ts';
import { WorkerCrash } from './client.ts';

interface Running {
  readonly worker: Worker;
  readonly api: Comlink.Remote<DataWorkerApi>;
  readonly ended: Promise<never>;
  readonly fail: (error: unknown) => void;
}

let running: Running | null = null;

function launch(): Running {
  const worker = new Worker(new URL('../../workers/data.ts', import.meta.url), { type: 'module' });
  let fail: (error: unknown) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    fail = reject;
  });
  ended.catch(() => {}); // with no call pending there is no one to tell
  const started: Running = { worker, api: Comlink.wrap<DataWorkerApi>(worker), ended, fail };
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    closeData(new WorkerCrash(event.message || 'The worker that reads data could not be started.'));
  });
  worker.addEventListener('messageerror', () => {
    closeData(new WorkerCrash('A message of the worker that reads data could not be read.'));
  });
  return started;
}

/** Rests so long before its memory is given back, in milliseconds. */
const REST = 5000;
let pending = 0;
let rest = 0;

/** Calls the worker; rejects at once when it ends. */
export async function callData<T>(use: (api: Comlink.Remote<DataWorkerApi>) => Promise<T>): Promise<T> {
  running ??= launch();
  const { api, ended } = running;
  window.clearTimeout(rest);
  pending++;
  try {
    return await Promise.race([use(api), ended]);
  } finally {
    pending--;
    window.clearTimeout(rest);
    if (pending === 0) rest = window.setTimeout(() => closeData(), REST);
  }
}

/** Ends the worker at once; pending calls reject with `error`. */
export function closeData(error: unknown = new WorkerCrash('The worker was stopped.')): void {
  const which = running;
  running = null;
  which?.worker.terminate();
  which?.fail(error);
}
