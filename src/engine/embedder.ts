/** Text embeddings by transformers.js `feature-extraction`, on its own onnxruntime session. */
import { env, pipeline } from '@huggingface/transformers';
import { readPooling } from '../model/pooling.ts';
import { InputError } from '../model/text.ts';
import { fingerprint, newHash, sha256 } from './sha256.ts';
import type { FileSource, TextEmbedder } from './types.ts';

export interface EmbedderOptions {
  /** A folder in the layout of transformers.js; all its files are read from here. */
  readonly source: FileSource;
  /** How token vectors become one; 'auto' reads it from the folder. */
  readonly pooling: 'auto' | 'mean' | 'cls';
  /** In browsers: where onnxruntime's files are. */
  readonly wasmPath?: string;
  readonly threads?: number;
}

/** Texts a run of the embedding model; those of like length go together. */
const BATCH = 64;
/** transformers.js asks for files of models on a hub by address: of this one, which is none. */
const HOST = 'https://embedder.invalid/';
const NAME = 'embedder';

/** @throws Error naming the folder where a file is missing or the model can't be run */
export async function openEmbedder({
  source,
  pooling: wanted,
  wasmPath,
  threads = 1,
}: EmbedderOptions): Promise<TextEmbedder> {
  const wasm = env.backends.onnx.wasm;
  if (wasm && wasmPath) {
    wasm.wasmPaths = wasmPath;
    wasm.numThreads = threads;
  }
  const pooling = wanted === 'auto' ? await readPooling(source) : wanted;
  const files = new SourceFiles(source);
  const settings = {
    allowRemoteModels: true,
    allowLocalModels: false,
    remoteHost: HOST,
    remotePathTemplate: '{model}/',
    useBrowserCache: false,
    useFSCache: false,
    useWasmCache: false,
    // What it calls its cache is where it looks first; so nothing is asked of the network.
    useCustomCache: true,
    customCache: { match: (address: string) => files.answer(address), put: async () => {} },
    fetch: async () => new Response(null, { status: 404 }),
  };
  const before = { ...env };
  Object.assign(env, settings);
  let extract: Awaited<ReturnType<typeof pipeline<'feature-extraction'>>>;
  try {
    extract = await pipeline('feature-extraction', NAME, { dtype: 'fp32' });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `the embedder "${source.name}" can't be loaded: ${reason.replaceAll(HOST + NAME, source.name)}`,
    );
  } finally {
    Object.assign(env, before);
  }
  const identity = files.fingerprint(pooling);
  const embedBatch = async (texts: string[]): Promise<Float32Array[]> => {
    const output = await extract(texts, { pooling, normalize: true });
    const { data, dims } = output;
    const width = dims.at(-1) ?? 0;
    if (!(data instanceof Float32Array)) throw new Error('the embedder gave no float32 vectors');
    // A text of unknown words only has no direction; normalising it gives no number, and no similarity either.
    return texts.map((_, i) =>
      data.slice(i * width, (i + 1) * width).map((x) => (Number.isFinite(x) ? x : 0)),
    );
  };
  return {
    info: { name: source.name, fingerprint: identity },
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

/** Bytes of a file that are read, hashed and handed on at once. */
const AT_ONCE = 8 * 2 ** 20;

/** The source's files as transformers.js wants them, each hashed on its way: a large model is not read twice. */
class SourceFiles {
  private readonly hashes = new Map<string, Uint8Array>();

  constructor(private readonly source: FileSource) {}

  /** Undefined where the address is none of the source's files. */
  async answer(address: string): Promise<Response | undefined> {
    const prefix = `${HOST}${NAME}/`;
    if (!address.startsWith(prefix)) return undefined;
    const path = decodeURIComponent(address.slice(prefix.length));
    const file = await this.source.open(path);
    if (file === null) return undefined;
    const hash = newHash();
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const bytes = await file.read(at, Math.min(file.size, at + AT_ONCE));
        at += bytes.length;
        hash.update(bytes);
        if (bytes.length > 0) controller.enqueue(bytes);
        if (at < file.size) return;
        this.hashes.set(path.split('/').at(-1) ?? '', hash.digest());
        controller.close();
      },
    });
    return new Response(body, { headers: { 'Content-Length': String(file.size) } });
  }

  /** One fingerprint over all files that were read and `label`. */
  fingerprint(label: string): string {
    const sorted = [...this.hashes].sort(([a], [b]) => (a < b ? -1 : 1));
    const names = new TextEncoder().encode([label, ...sorted.map(([name]) => name)].join('\n'));
    return fingerprint([sha256(names), ...sorted.map(([, hash]) => hash)]);
  }
}
