/**
 * Scores of answers by a classifier of sequences, one of transformers.js's `text-classification`, on its own onnxruntime
 * session. With a chat template the model reads the conversation with the answer in it, else prompt and answer as a
 * pair of texts.
 */
import {
  AutoModelForSequenceClassification,
  AutoTokenizer,
  PreTrainedModel,
  type PreTrainedTokenizer,
  Tensor,
} from '@huggingface/transformers';
import { compileChatTemplate, pickChatTemplate, specialTokens } from '../model/chat.ts';
import { type RewardConfig, readRewardConfig, scorer } from '../model/reward-config.ts';
import { InputError } from '../model/text.ts';
import { embedBatches } from './embed-batches.ts';
import { int64Rows } from './int64-rows.ts';
import { loadFolder, type OnnxRuntime } from './onnx-folder.ts';
import {
  chatInputs,
  type PairEncoder,
  pairInputs,
  type RewardInput,
  type RewardInputs,
} from './reward-inputs.ts';
import { readJson } from './tokenizer.ts';
import type { FileSource, RewardModel } from './types.ts';
import { hasten, isUnigram } from './unigram.ts';

export interface RewardModelOptions extends OnnxRuntime {
  /** A folder in the layout of transformers.js: config.json, tokenizer.json, onnx/model.onnx. */
  readonly source: FileSource;
}

/** Tokens of prompt and answer that are looked at, where the model would take more. */
const MOST = 4096;
/** Bytes of an ONNX file: WebAssembly's memory ends at 4 GiB, and the weights lie in it more than once while they load. */
const LARGEST = 2 * 2 ** 30;
const ONNX = 'onnx/model.onnx';

/**
 * @throws InputError naming the folder where a file is missing, or the model is none that scores answers
 * @throws ModelError where config.json or the chat template can't be read
 */
export async function openRewardModel({ source, ...runtime }: RewardModelOptions): Promise<RewardModel> {
  const { name } = source;
  const config = readRewardConfig(name, await readJson(source, 'config.json'));
  await checkFiles(source);
  const { loaded, fingerprint } = await loadFolder('reward model', source, runtime, async (folder) => {
    const known = AutoModelForSequenceClassification.supports(config.modelType);
    const use_external_data_format = (await source.open(`${ONNX}_data`)) !== null;
    return {
      tokenizer: await AutoTokenizer.from_pretrained(folder),
      // Of other families, Llama's or Qwen's, it has no class of this kind; all of them are one session with named inputs.
      model: await (known ? AutoModelForSequenceClassification : PreTrainedModel).from_pretrained(folder, {
        dtype: 'fp32',
        use_external_data_format,
      }),
    };
  });
  const { tokenizer, model } = loaded;
  if (isUnigram(tokenizer._tokenizer.model)) hasten(tokenizer._tokenizer.model);
  const most = mostTokens(tokenizer, config);
  const { inputs, template } = await inputsOf(source, tokenizer, most);
  const logitsOf = async (batch: Batch): Promise<Float32Array[]> => {
    const outputs: Record<string, unknown> = await model(feeds(batch, config));
    const { logits } = outputs;
    const [rows, count = 0, ...more] = logits instanceof Tensor ? logits.dims : [];
    if (!(logits instanceof Tensor) || more.length > 0 || rows !== batch.rows || count < 1) {
      throw new InputError(`${name} gives no logits of a row a text: it is no classifier of sequences`);
    }
    const { data } = logits;
    if (!(data instanceof Float32Array)) throw new InputError(`${name} gives no float32 logits`);
    return batch.members.map((_, row) => data.subarray(row * count, (row + 1) * count));
  };
  // Told now, not when all arms are trained: what kind of model it is shows in its first answer.
  const trial = inputs([{ role: 'user', content: 'question' }], 'answer');
  const [first] = await logitsOf(singly([trial])[0] ?? { rows: 1, length: 1, members: [] });
  const score = scorer(name, config.labels, first?.length ?? 0);
  return {
    info: { name, fingerprint: fingerprint(template ?? '') },
    score: async (pairs, signal) => {
      const all = pairs.map(({ messages, answer }) => inputs(messages, answer));
      // Short answers to one prompt are often the same.
      const distinct = new Map(all.map((input) => [keyOf(input), input] as const));
      const scores = new Map<string, number>();
      for (const batch of batchesOf([...distinct.values()], config, most)) {
        signal?.throwIfAborted();
        const logits = await logitsOf(batch);
        batch.members.forEach((input, row) => {
          const value = score(logits[row] ?? []);
          if (!Number.isFinite(value)) throw new InputError(`${name} gave a score that is no number`);
          scores.set(keyOf(input), value);
        });
      }
      return all.map((input) => scores.get(keyOf(input)) ?? Number.NaN);
    },
  };
}

/** The types too: without a token between them, only they tell where the prompt ends. */
const keyOf = ({ ids, types }: RewardInput): string => `${ids.join()} ${types.join()}`;

/** @throws InputError where what can't be done without is missing, or too large to load */
async function checkFiles(source: FileSource): Promise<void> {
  for (const path of ['tokenizer.json', ONNX]) {
    const file = await source.open(path);
    if (file === null) {
      throw new InputError(
        `${source.name}: the file ${path} is missing. A reward model needs the layout of transformers.js: config.json, tokenizer.json and ${ONNX}.`,
      );
    }
    if (file.size > LARGEST) {
      throw new InputError(
        `${source.name}: ${path} has ${(file.size / 2 ** 30).toFixed(1)} GiB, more than can be loaded (${LARGEST / 2 ** 30} GiB)`,
      );
    }
  }
}

/** Tokens of prompt and answer together. */
function mostTokens({ model_max_length: limit }: PreTrainedTokenizer, { positions }: RewardConfig): number {
  const said = [limit, positions].filter((most) => typeof most === 'number' && most >= 1);
  return Math.floor(Math.min(MOST, ...said));
}

/** How this model wants to be asked. */
async function inputsOf(
  source: FileSource,
  tokenizer: PreTrainedTokenizer,
  most: number,
): Promise<{ inputs: RewardInputs; template: string | null }> {
  const file = await source.read('tokenizer_config.json');
  const settings = file ? await readJson(source, 'tokenizer_config.json') : {};
  const fields = typeof settings === 'object' && settings !== null ? { ...settings } : {};
  const own: Readonly<Record<string, unknown>> = fields;
  const special = specialTokens(own);
  const encoder: PairEncoder = {
    first: special.bos_token === undefined ? undefined : tokenizer._tokenizer.token_to_id(special.bos_token),
    encode: (text, pair, withSpecial) => {
      const { input_ids: ids, token_type_ids: types } = tokenizer(text, {
        ...(pair !== null && { text_pair: pair }),
        add_special_tokens: withSpecial,
        return_token_type_ids: true,
        return_tensor: false,
      });
      return { ids, types: types ?? ids.map(() => 0) };
    },
  };
  const jinja = await source.read('chat_template.jinja');
  const template = jinja ? new TextDecoder().decode(jinja) : pickChatTemplate(source.name, own.chat_template);
  const inputs =
    template === null
      ? pairInputs(source.name, encoder, most)
      : chatInputs(encoder, compileChatTemplate(source.name, template, special), most);
  return { inputs, template };
}

interface Batch {
  readonly rows: number;
  readonly length: number;
  readonly members: readonly RewardInput[];
}

const singly = (inputs: readonly RewardInput[]): Batch[] =>
  inputs.map((input) => ({ rows: 1, length: Math.max(1, input.ids.length), members: [input] }));

/** Together only where the model can tell padding from text. */
function batchesOf(inputs: readonly RewardInput[], { padId }: RewardConfig, most: number): Batch[] {
  if (padId === null) return singly(inputs);
  const lengths = inputs.map(({ ids }) => ids.length);
  return embedBatches(lengths, most).map(({ rows, length, members }) => ({
    rows,
    length,
    members: members.flatMap((i) => inputs[i] ?? []),
  }));
}

/** All that such models ask for, [rows, length]; those that a model does not name are left out by transformers.js. */
function feeds(batch: Batch, { padId, hasTypes }: RewardConfig): Record<string, Tensor> {
  const pad = padId ?? 0;
  // A row without a text has one token, since none would divide by zero.
  const ids = Array.from({ length: batch.rows }, (_, row) => {
    const own = batch.members[row]?.ids ?? [];
    return own.length > 0 ? own : [pad];
  });
  const types = batch.members.map((input) => (hasTypes ? input.types : []));
  const places = Array.from({ length: batch.length }, (_, i) => i);
  return {
    input_ids: int64Rows(ids, batch, pad),
    attention_mask: int64Rows(
      ids.map((row) => row.map(() => 1)),
      batch,
      0,
    ),
    token_type_ids: int64Rows(types, batch, 0),
    position_ids: int64Rows(
      ids.map(() => places),
      batch,
      0,
    ),
  };
}
