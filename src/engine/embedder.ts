/** Text embeddings by a model of transformers.js's `feature-extraction`, on its own onnxruntime session. */
import { pipeline, Tensor } from '@huggingface/transformers';
import { type Pooling, readPooling } from '../model/pooling.ts';
import { type EmbedBatch, embedBatches } from './embed-batches.ts';
import { int64Rows } from './int64-rows.ts';
import { loadFolder, type OnnxRuntime } from './onnx-folder.ts';
import type { FileSource, TextEmbedder } from './types.ts';
import { hasten, isUnigram } from './unigram.ts';

export interface EmbedderOptions extends OnnxRuntime {
  /** A folder in the layout of transformers.js; all its files are read from here. */
  readonly source: FileSource;
  /** How token vectors become one; 'auto' reads it from the folder. */
  readonly pooling: 'auto' | 'mean' | 'cls';
}

/** @throws Error naming the folder where a file is missing or the model can't be run */
export async function openEmbedder({
  source,
  pooling: wanted,
  ...runtime
}: EmbedderOptions): Promise<TextEmbedder> {
  const pooling = wanted === 'auto' ? await readPooling(source) : wanted;
  const { loaded, fingerprint } = await loadFolder('embedder', source, runtime, (name) =>
    pipeline('feature-extraction', name, { dtype: 'fp32' }),
  );
  const identity = fingerprint(pooling);
  const { tokenizer, model } = loaded;
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
  batch: EmbedBatch,
  { pad, left }: Layout,
): Record<string, Tensor> {
  const filled = Array.from({ length: batch.rows }, (_, row) => tokens[row] ?? [pad]);
  return {
    input_ids: int64Rows(filled, batch, pad, left),
    attention_mask: int64Rows(
      filled.map((row) => row.map(() => 1)),
      batch,
      0,
      left,
    ),
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
