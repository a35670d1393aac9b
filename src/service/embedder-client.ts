/** The embedder in its own worker, so that embedding and sampling do not wait for each other's runtime. */
import * as Comlink from 'comlink';
import { OpenCalls } from '../engine/open-calls.ts';
import type { TextEmbedder } from '../engine/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import { type Living, watchLife } from './life.ts';

/** What names an embedder: the worker finds its files by itself. */
export type EmbedderChoice = Pick<RunConfig, 'embedder' | 'embedderPooling' | 'hub'>;

export interface EmbedderApi extends Living {
  open(choice: EmbedderChoice): Promise<TextEmbedder['info']>;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

export async function startEmbedder({
  embedder,
  embedderPooling,
  hub,
}: EmbedderChoice): Promise<TextEmbedder & { close(): void }> {
  const name = `embedder ${crypto.randomUUID()}`;
  const worker = new Worker(new URL('../../workers/embedder.ts', import.meta.url), { type: 'module', name });
  const api = Comlink.wrap<EmbedderApi>(worker);
  const calls = new OpenCalls();
  worker.addEventListener('error', (event) =>
    calls.end(new Error(`the embedder's worker died: ${event.message}`)),
  );
  worker.addEventListener('messageerror', () =>
    calls.end(new Error("a message of the embedder's worker could not be read")),
  );
  const dead = () => calls.end(new Error("the embedder's worker ended unexpectedly"));
  api.alive().then(
    () => watchLife(name, dead),
    () => undefined, // it has its error event
  );
  try {
    const info = await calls.call(() => api.open({ embedder, embedderPooling, hub }));
    return {
      info,
      embed: async (texts, signal) => {
        signal?.throwIfAborted();
        return unlessAborted(
          calls.call(() => api.embed([...texts])),
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

/** The worker goes on with what it was given, but no one who is stopped waits for it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
