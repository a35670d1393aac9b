/** Comlink entry point of the embedder's worker. */
import * as Comlink from 'comlink';
import { openEmbedder } from '../src/engine/embedder.ts';
import type { TextEmbedder } from '../src/engine/types.ts';
import type { EmbedderApi } from '../src/service/embedder-client.ts';
import { holdLife } from '../src/service/life.ts';
import { embedderFiles } from '../src/service/sources.ts';
import { openStorage } from '../src/storage/index.ts';
import { pageBase } from './base.ts';

/** It computes beside the model, which takes all cores on WebAssembly; many would only wait for each other. */
const THREADS = Math.min(4, Math.max(1, Math.floor(navigator.hardwareConcurrency / 2)));

let embedder: TextEmbedder | undefined;

const held = holdLife(self.name);

const api: EmbedderApi = {
  alive: () => held,
  open: async (choice) => {
    // Held until this worker ends.
    const { files } = await embedderFiles(choice, pageBase, await openStorage());
    embedder = await openEmbedder({
      source: files,
      pooling: choice.embedderPooling,
      wasmPath: new URL('ort/', pageBase).href,
      threads: crossOriginIsolated ? THREADS : 1,
    });
    return embedder.info;
  },
  embed: async (texts) => {
    if (!embedder) throw new Error('internal: the embedder is not open');
    return embedder.embed(texts);
  },
};

Comlink.expose(api);
