/** Text embeddings by a model of transformers.js's `feature-extraction`, on its own onnxruntime session. */
import { env, pipeline, Tensor } from '@huggingface/transformers';
import { type Pooling, readPooling } from '../model/pooling.ts';
import { InputError } from '../model/text.ts';
import { type EmbedBatch, embedBatches } from './embed-batches.ts';
import { fingerprint, newHash, sha256 } from './sha256.ts';
import type { FileSource, TextEmbedder } from './types.ts';
import { hasten, isUnigram } from './unigram.ts';

export interface EmbedderOptions {
  /** A folder in the layout of transformers.js; all its files are read from here. */
  readonly source: FileSource;
  /** How token vectors become one; 'auto' reads it from the folder. */
  readonly pooling: 'auto' | 'mean' | 'cls';
  /** In browsers: where onnxruntime's files are. */
  readonly wasmPath?: string;
  readonly threads?: number;
}

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
  const { tokenizer, model } = extract;
  if (isUnigram(tokenizer._tokenizer.model)) hasten(tokenizer._tokenizer.model);
  const layout = { pad: padToken(tokenizer.pad_token_id), left: tokenizer.padding_side === 'left' };
  /** Tokens of a text, cut where the model ends. */
  const tokensOf = (text: string): readonly number[] =>
    tokenizer(text, { truncation: true, return_tensor: false }).input_ids;
  const embedBatch = async (tokens: readonly (readonly number[])[], batch: EmbedBatch) => {
    const outputs: Record<string, unknown> = await model(inputsOf(tokens, batch, layout));
    const output = outputs.last_hidden_state ?? outputs.logits ?? outputs.token_embeddings;
    if (!(output instanceof Tensor) || !(output.data instanceof Float32Array))
      throw new Error('the embedder gave no float32 vectors');
    const { data } = output;
    const width = output.dims.at(-1) ?? 0;
    return tokens.map((ids, row) => {
      const first = row * batch.length + (layout.left ? batch.length - ids.length : 0);
      return normalised(pooled(data, width, first, ids.length, pooling));
    });
  };
  return {
    info: { name: source.name, fingerprint: identity },
    embed: async (texts, signal) => {
      const distinct = [...new Set(texts)];
      const tokens = distinct.map(tokensOf);
      const vectors = new Map<string, Float32Array>();
      const lengths = tokens.map(({ length }) => length);
      for (const batch of embedBatches(lengths, tokenizer.model_max_length)) {
        signal?.throwIfAborted();
        const embedded = await embedBatch(
          batch.members.map((i) => tokens[i] ?? []),
          batch,
        );
        batch.members.forEach((member, row) => {
          vectors.set(distinct[member] ?? '', embedded[row] ?? new Float32Array(0));
        });
      }
      return texts.map((text) => vectors.get(text) ?? new Float32Array(0));
    },
  };
}

/** Where padding goes, and what it is. */
interface Layout {
  readonly pad: number;
  readonly left: boolean;
}

const padToken = (id: unknown): number => (typeof id === 'number' ? id : 0);

/** `input_ids` and `attention_mask`, [rows, length]; rows without a text have one token, since none would divide by zero. */
function inputsOf(
  tokens: readonly (readonly number[])[],
  { rows, length }: EmbedBatch,
  { pad, left }: Layout,
): Record<string, Tensor> {
  const ids = new BigInt64Array(rows * length).fill(BigInt(pad));
  const mask = new BigInt64Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const own = tokens[row] ?? [pad];
    const first = row * length + (left ? length - own.length : 0);
    own.forEach((id, i) => {
      ids[first + i] = BigInt(id);
    });
    mask.fill(1n, first, first + own.length);
  }
  return {
    input_ids: new Tensor('int64', ids, [rows, length]),
    attention_mask: new Tensor('int64', mask, [rows, length]),
  };
}

/** One vector of `count` tokens' vectors that begin with row `first` of `data`, [rows * length, width]. */
function pooled(
  data: Float32Array,
  width: number,
  first: number,
  count: number,
  pooling: Pooling,
): Float32Array {
  const at = (token: number) => data.subarray((first + token) * width, (first + token + 1) * width);
  if (pooling === 'cls') return at(0).slice();
  if (pooling === 'last_token') return at(Math.max(0, count - 1)).slice();
  const sums = new Float64Array(width);
  for (let token = 0; token < count; token++) {
    const from = (first + token) * width;
    for (let i = 0; i < width; i++) sums[i] = (sums[i] ?? 0) + (data[from + i] ?? 0);
  }
  return Float32Array.from(sums, (sum) => sum / count);
}

/** Of length 1. A text of unknown words only has no direction: no number is 0 here, and no similarity either. */
function normalised(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => (Number.isFinite(x / length) ? x / length : 0));
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
