/** Comlink entry point of the embedder's worker. */
import * as Comlink from 'comlink';
import { openEmbedder } from '../src/engine/embedder.ts';
import type { TextEmbedder } from '../src/engine/types.ts';
import type { EmbedderApi } from '../src/service/embedder-client.ts';

let embedder: TextEmbedder | undefined;

const api: EmbedderApi = {
  open: async (options) => {
    embedder = await openEmbedder(options);
    return embedder.info;
  },
  embed: async (texts) => {
    if (!embedder) throw new Error('internal: the embedder is not open');
    return embedder.embed(texts);
  },
};

Comlink.expose(api);
