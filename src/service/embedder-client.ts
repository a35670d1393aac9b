/** The embedder in its own worker, so that embedding and sampling do not wait for each other's runtime. */
import type { TextEmbedder } from '../engine/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Living } from './life.ts';
import { startWorkerModel } from './worker-model.ts';

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
  const { info, ask, close } = await startWorkerModel<EmbedderApi>(
    'embedder',
    (name) => new Worker(new URL('../../workers/embedder.ts', import.meta.url), { type: 'module', name }),
    (api) => api.open({ embedder, embedderPooling, hub }),
  );
  return { info, close, embed: (texts, signal) => ask((api) => api.embed([...texts]), signal) };
}
