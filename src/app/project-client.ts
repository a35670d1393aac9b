/** The page's side of workers/project.ts: a worker a job, so that its memory is given back. */
import * as Comlink from 'comlink';
import type { ProjectWorkerApi } from '../service/project-service.ts';

/**
 * @param use calls the worker; it is ended when the promise is settled
 * @throws what the worker threw; an Error where the worker itself died
 */
export async function withProjectWorker<T>(
  use: (api: Comlink.Remote<ProjectWorkerApi>) => Promise<T>,
): Promise<T> {
  const worker = new Worker(new URL('../../workers/project.ts', import.meta.url), { type: 'module' });
  const died = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      reject(new Error(`The worker ended unexpectedly: ${event.message || 'it could not be started'}`));
    });
    worker.addEventListener('messageerror', () =>
      reject(new Error('A message of the worker could not be read.')),
    );
  });
  died.catch(() => undefined);
  try {
    return await Promise.race([use(Comlink.wrap<ProjectWorkerApi>(worker)), died]);
  } finally {
    worker.terminate();
  }
}
