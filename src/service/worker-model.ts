/** A model in a worker of its own, so that it and the language model do not wait for each other's runtime. */
import * as Comlink from 'comlink';
import { OpenCalls } from '../engine/open-calls.ts';
import type { EmbedderInfo } from '../engine/types.ts';
import { type Living, watchLife } from './life.ts';

export interface StartedModel<Api> {
  readonly info: EmbedderInfo;
  /** Rejects where the worker dies meanwhile; the worker goes on where the signal aborts, but nobody waits for it. */
  ask<T>(work: (api: Comlink.Remote<Api>) => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): void;
}

/**
 * @param what it is, for errors: 'embedder'
 * @param start the worker under a name, by which it is watched: that it ends by itself is told by no event
 * @throws whatever `open` throws; the worker is ended then
 */
export async function startWorkerModel<Api extends Living>(
  what: string,
  start: (name: string) => Worker,
  open: (api: Comlink.Remote<Api>) => Promise<EmbedderInfo>,
): Promise<StartedModel<Api>> {
  const name = `${what} ${crypto.randomUUID()}`;
  const worker = start(name);
  const api = Comlink.wrap<Api>(worker);
  const calls = new OpenCalls();
  worker.addEventListener('error', (event) =>
    calls.end(new Error(`the ${what}'s worker died: ${event.message}`)),
  );
  worker.addEventListener('messageerror', () =>
    calls.end(new Error(`a message of the ${what}'s worker could not be read`)),
  );
  const dead = () => calls.end(new Error(`the ${what}'s worker ended unexpectedly`));
  Comlink.wrap<Living>(worker)
    .alive()
    .then(
      () => watchLife(name, dead),
      () => undefined, // it has its error event
    );
  try {
    const info = await calls.call(() => open(api));
    return {
      info,
      ask: async (work, signal) => {
        signal?.throwIfAborted();
        return unlessAborted(
          calls.call(() => work(api)),
          signal,
        );
      },
      close: () => worker.terminate(),
    };
  } catch (error) {
    worker.terminate();
    throw error;
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
