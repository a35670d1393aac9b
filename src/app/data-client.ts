/** The page's side of workers/data.ts. Started for an import and ended after it, which gives its memory back. */
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

/** Calls the worker; rejects at once when it ends. */
export async function callData<T>(use: (api: Comlink.Remote<DataWorkerApi>) => Promise<T>): Promise<T> {
  running ??= launch();
  const { api, ended } = running;
  return await Promise.race([use(api), ended]);
}

/** Ends the worker; pending calls reject with `error`. */
export function closeData(error: unknown = new WorkerCrash('The worker was stopped.')): void {
  const which = running;
  running = null;
  which?.worker.terminate();
  which?.fail(error);
}
