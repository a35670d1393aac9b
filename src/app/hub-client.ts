/**
 * The page's side of workers/hub.ts, the one worker that may reach other hosts. Started on first use and kept: it
 * holds the tokens of this session.
 */
import * as Comlink from 'comlink';
import { OpenCalls } from '../engine/open-calls.ts';
import type { HubApi } from '../hub/api.ts';
import { WorkerCrash } from './client.ts';

interface Running {
  readonly api: Comlink.Remote<HubApi>;
  readonly calls: OpenCalls;
}

let running: Running | null = null;

function launch(): Running {
  const worker = new Worker(new URL('../../workers/hub.ts', import.meta.url), {
    type: 'module',
    name: 'hub',
  });
  const started: Running = { api: Comlink.wrap<HubApi>(worker), calls: new OpenCalls() };
  const end = (message: string) => {
    worker.terminate();
    started.calls.end(new WorkerCrash(message));
    if (running === started) running = null;
  };
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    end(event.message || 'The worker that fetches models could not be started.');
  });
  worker.addEventListener('messageerror', () => {
    end('A message of the worker that fetches models could not be read.');
  });
  return started;
}

/** Calls the worker; rejects at once when it crashes. */
export async function callHub<T>(use: (api: Comlink.Remote<HubApi>) => Promise<T>): Promise<T> {
  running ??= launch();
  const { api, calls } = running;
  return calls.call(() => use(api));
}
