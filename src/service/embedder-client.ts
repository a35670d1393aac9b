/** The embedder in its own worker, so that embedding and sampling do not wait for each other's runtime. */
import * as Comlink from 'comlink';
import type { EmbedderOptions } from '../engine/embedder.ts';
import { OpenCalls } from '../engine/open-calls.ts';
import type { TextEmbedder } from '../engine/types.ts';
import { type Living, watchLife } from './life.ts';

export interface EmbedderApi extends Living {
  open(options: EmbedderOptions): Promise<TextEmbedder['info']>;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

export async function startEmbedder(options: EmbedderOptions): Promise<TextEmbedder & { close(): void }> {
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
    const info = await calls.call(() => api.open(options));
    return {
      info,
      embed: async (texts, signal) => {
        signal?.throwIfAborted();
        return calls.call(() => api.embed([...texts]));
      },
      close: () => worker.terminate(),
    };
  } catch (error) {
    worker.terminate();
    throw error;
  }
}
