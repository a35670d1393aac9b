/** Text embeddings by transformers.js `feature-extraction`, on its own onnxruntime session. */
import { env, pipeline } from '@huggingface/transformers';
import { fingerprint, sha256 } from './sha256.ts';
import type { TextEmbedder } from './types.ts';

export interface EmbedderOptions {
  /**
   * Address or path of the folder's parent, ending in '/', and the folder's name; or a hub id with `remoteHost`.
   * In browsers onnxruntime's files come from `wasmPath`.
   */
  readonly base: string;
  readonly name: string;
  readonly pooling: 'mean' | 'cls';
  readonly wasmPath?: string;
  readonly threads?: number;
}

/** Texts a run of the embedding model; those of like length go together. */
const BATCH = 64;

/** @throws Error naming the folder where a file is missing or the model can't be run */
export async function openEmbedder(options: EmbedderOptions): Promise<TextEmbedder> {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = options.base;
  env.useBrowserCache = false;
  const wasm = env.backends.onnx.wasm;
  if (wasm && options.wasmPath) {
    wasm.wasmPaths = options.wasmPath;
    wasm.numThreads = options.threads ?? 1;
  }
  const files = new FileHashes();
  const fetchFile = env.fetch;
  env.fetch = (input: string | URL, init?: RequestInit) => files.add(input, fetchFile(input, init));
  let extract: Awaited<ReturnType<typeof pipeline<'feature-extraction'>>>;
  try {
    extract = await pipeline('feature-extraction', options.name, { dtype: 'fp32' });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the embedder "${options.name}" can't be loaded: ${reason}`);
  } finally {
    env.fetch = fetchFile;
  }
  const identity = await files.fingerprint(options.pooling);
  const embedBatch = async (texts: string[]): Promise<Float32Array[]> => {
    const output = await extract(texts, { pooling: options.pooling, normalize: true });
    const { data, dims } = output;
    const width = dims.at(-1) ?? 0;
    if (!(data instanceof Float32Array)) throw new Error('the embedder gave no float32 vectors');
    // A text of unknown words only has no direction; normalising it gives no number, and no similarity either.
    return texts.map((_, i) =>
      data.slice(i * width, (i + 1) * width).map((x) => (Number.isFinite(x) ? x : 0)),
    );
  };
  return {
    info: { name: options.name, fingerprint: identity },
    embed: async (texts, signal) => {
      const order = texts.map((_, i) => i).sort((a, b) => (texts[a]?.length ?? 0) - (texts[b]?.length ?? 0));
      const result: Float32Array[] = new Array(texts.length);
      for (let start = 0; start < order.length; start += BATCH) {
        signal?.throwIfAborted();
        const members = order.slice(start, start + BATCH);
        const vectors = await embedBatch(members.map((i) => texts[i] ?? ''));
        members.forEach((member, j) => {
          result[member] = vectors[j] ?? new Float32Array(0);
        });
      }
      return result;
    },
  };
}

/** SHA-256 of every file that transformers.js fetches, taken on the way: a large model is not fetched twice. */
class FileHashes {
  private readonly hashes = new Map<string, Promise<Uint8Array>>();

  async add(input: string | URL, answer: Promise<Response>): Promise<Response> {
    const response = await answer;
    const name =
      String(input)
        .replace(/[?#].*$/, '')
        .split('/')
        .at(-1) ?? '';
    if (response.status === 200) {
      const copy = response.clone();
      const hash = copy.arrayBuffer().then((bytes) => sha256(new Uint8Array(bytes)));
      hash.catch(() => undefined);
      this.hashes.set(name, hash);
    }
    return response;
  }

  /** One fingerprint over all files and `label`; empty where none was fetched (Node reads them from disk). */
  async fingerprint(label: string): Promise<string> {
    if (this.hashes.size === 0) return '';
    const sorted = [...this.hashes].sort(([a], [b]) => (a < b ? -1 : 1));
    const names = new TextEncoder().encode([label, ...sorted.map(([name]) => name)].join('\n'));
    return fingerprint([await sha256(names), ...(await Promise.all(sorted.map(([, hash]) => hash)))]);
  }
}
