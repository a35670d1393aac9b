/** The embedder in its own worker, so that embedding and sampling do not wait for each other's runtime. */
import * as Comlink from 'comlink';
import type { EmbedderOptions } from '../engine/embedder.ts';
import type { TextEmbedder } from '../engine/types.ts';

export interface EmbedderApi {
  open(options: EmbedderOptions): Promise<TextEmbedder['info']>;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

export async function startEmbedder(options: EmbedderOptions): Promise<TextEmbedder & { close(): void }> {
  const worker = new Worker(new URL('../../workers/embedder.ts', import.meta.url), { type: 'module' });
  const died = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) =>
      reject(new Error(`the embedder's worker died: ${event.message}`)),
    );
    worker.addEventListener('messageerror', () =>
      reject(new Error("a message of the embedder's worker could not be read")),
    );
  });
  died.catch(() => undefined);
  const api = Comlink.wrap<EmbedderApi>(worker);
  try {
    const info = await Promise.race([api.open(options), died]);
    return {
      info,
      embed: async (texts, signal) => {
        signal?.throwIfAborted();
        return Promise.race([api.embed([...texts]), died]);
      },
      close: () => worker.terminate(),
    };
  } catch (error) {
    worker.terminate();
    throw error;
  }
}
