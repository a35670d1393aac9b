/** The page behind `npm run bench -- --only embedding`: our embedder and transformers.js, in turn, on WASM. */
import { env, pipeline } from '@huggingface/transformers';
import { openEmbedder } from '../../../src/engine/embedder.ts';
import type { FileSource, TextEmbedder } from '../../../src/engine/types.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import { type Compared, sideBySide } from '../measure.ts';

export interface EmbeddingBench {
  /** @param folder of the embedder, an address */
  open(folder: string, threads: number): Promise<void>;
  /** Both ways over all texts, in turn. */
  compare(texts: readonly string[], repeats: number): Promise<Compared & { readonly farthest: number }>;
}

declare global {
  interface Window {
    embeddingBench: EmbeddingBench;
  }
}

let ours: TextEmbedder;
let peer: (text: string) => Promise<Float32Array>;

async function open(folder: string, threads: number): Promise<void> {
  const source: FileSource = urlFolder(folder, 'embedder');
  ours = await openEmbedder({
    source,
    pooling: 'auto',
    wasmPath: new URL('/ort/', location.href).href,
    threads,
  });
  const { origin, pathname } = new URL(folder);
  Object.assign(env, {
    allowRemoteModels: true,
    allowLocalModels: false,
    remoteHost: origin,
    remotePathTemplate: pathname.replace(/\/$/, ''),
    useBrowserCache: false,
    useWasmCache: false,
  });
  const { wasm } = env.backends.onnx;
  if (wasm) Object.assign(wasm, { wasmPaths: new URL('/ort/', location.href).href, numThreads: threads });
  const extract = await pipeline('feature-extraction', 'embedder', { dtype: 'fp32', device: 'wasm' });
  peer = async (text) => {
    const { data } = await extract(text, { pooling: 'mean', normalize: true });
    if (!(data instanceof Float32Array)) throw new Error('no float32 vector');
    return data;
  };
}

async function compare(texts: readonly string[], repeats: number) {
  let [mine, theirs]: [Float32Array[], Float32Array[]] = [[], []];
  const result = await sideBySide(
    async () => {
      mine = await ours.embed(texts);
    },
    async () => {
      theirs = [];
      for (const text of texts) theirs.push(await peer(text));
    },
    repeats,
  );
  let farthest = 0;
  mine.forEach((vector, i) => {
    vector.forEach((x, j) => {
      farthest = Math.max(farthest, Math.abs(x - (theirs[i]?.[j] ?? Number.NaN)));
    });
  });
  return { ...result, farthest };
}

window.embeddingBench = { open, compare };
