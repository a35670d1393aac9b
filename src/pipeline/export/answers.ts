/**
 * Answers to benchmark prompts in the benchmarks' own answer formats, for any external judge: MT-Bench
 * (question.jsonl of FastChat's llm_judge) and AlpacaEval (a list of instructions).
 */
import * as v from 'valibot';
import type { AdapterWeights, ChatMessage, LanguageModel, Sampler } from '../../engine/types.ts';
import { seedOf } from '../../model/random.ts';
import type { RunConfig } from '../config.ts';
import type { AnswerFile, AnswerOptions } from '../worker-api.ts';
import { jsonFile, jsonLines } from './rows.ts';
import { ExportError } from './types.ts';

const turns = v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(16));
const mtBench = v.object({
  question_id: v.union([v.number(), v.string()]),
  category: v.optional(v.string()),
  turns,
});
const alpacaEval = v.object({ instruction: v.string(), dataset: v.optional(v.string()) });

/** One prompt file, recognised. */
export type Benchmark =
  | { readonly kind: 'mt-bench'; readonly questions: readonly v.InferOutput<typeof mtBench>[] }
  | { readonly kind: 'alpaca-eval'; readonly questions: readonly v.InferOutput<typeof alpacaEval>[] };

/**
 * Recognises a prompt file by its first row.
 *
 * @param text JSONL or a JSON array
 * @throws ExportError naming the row that does not fit
 */
export function readBenchmark(text: string): Benchmark {
  const rows = parseRows(text);
  const [first] = rows;
  if (first === undefined) throw new ExportError('The file has no prompts.');
  if (v.is(mtBench, first))
    return { kind: 'mt-bench', questions: rows.map((row, i) => checked(mtBench, row, i)) };
  if (v.is(alpacaEval, first)) {
    return { kind: 'alpaca-eval', questions: rows.map((row, i) => checked(alpacaEval, row, i)) };
  }
  throw new ExportError(
    'The file is neither MT-Bench (question_id and turns a line) nor AlpacaEval (a list of rows with an instruction).',
  );
}

function parseRows(text: string): unknown[] {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed.startsWith('[')) {
    try {
      const value: unknown = JSON.parse(trimmed);
      return Array.isArray(value) ? value : [];
    } catch (error) {
      throw new ExportError(
        `The file is not valid JSON (${error instanceof Error ? error.message : error}).`,
      );
    }
  }
  return trimmed.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    try {
      return [JSON.parse(line)];
    } catch {
      throw new ExportError(`Line ${i + 1} is not JSON.`);
    }
  });
}

function checked<T extends v.GenericSchema>(schema: T, row: unknown, i: number): v.InferOutput<T> {
  const parsed = v.safeParse(schema, row);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ExportError(`Row ${i + 1}: ${v.getDotPath(issue) ?? 'the row'}: ${issue.message}`);
}

export interface AnswerRequest {
  readonly model: LanguageModel;
  readonly lora: RunConfig['lora'];
  /** null is the base model. */
  readonly adapter: AdapterWeights | null;
  /** What the judge's tables call it. */
  readonly modelId: string;
  readonly options: AnswerOptions;
  readonly seed: number;
  /** Seconds since 1970, for MT-Bench's tstamp. */
  readonly now: number;
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
}

/** The answer file, and how many prompts did not fit the model's context and were answered with nothing. */
export async function answerBenchmark(benchmark: Benchmark, request: AnswerRequest): Promise<AnswerFile> {
  const conversations = benchmark.questions.map((q): string[] => ('turns' in q ? q.turns : [q.instruction]));
  const { answers, tooLong } = await converse(conversations, request);
  const { modelId } = request;
  const counted = { tooLong, answers: answers.flat().length };
  if (benchmark.kind === 'mt-bench') {
    const rows = benchmark.questions.map((question, i) => ({
      question_id: question.question_id,
      answer_id: answerId(request, i),
      model_id: modelId,
      choices: [{ index: 0, turns: answers[i] ?? [] }],
      tstamp: request.now,
    }));
    return { file: { path: `${modelId}.jsonl`, bytes: jsonLines(rows) }, ...counted };
  }
  const rows = benchmark.questions.map(({ instruction, dataset }, i) => ({
    instruction,
    output: answers[i]?.[0] ?? '',
    generator: modelId,
    ...(dataset === undefined ? {} : { dataset }),
  }));
  return { file: { path: `${modelId}.json`, bytes: jsonFile(rows) }, ...counted };
}

/** 22 letters and digits, as FastChat's ids are; the same run gives the same. */
function answerId({ modelId, seed }: AnswerRequest, i: number): string {
  const part = (salt: string) => seedOf(seed, 'answer', modelId, salt, i).toString(36).padStart(11, '0');
  return (part('a') + part('b')).slice(0, 22);
}

/** Answers turn after turn; each turn of all conversations is one batch. */
async function converse(
  conversations: readonly (readonly string[])[],
  request: AnswerRequest,
): Promise<{ answers: string[][]; tooLong: number }> {
  const { model, signal } = request;
  const histories = conversations.map((): ChatMessage[] => []);
  const answers = conversations.map((): string[] => []);
  const total = conversations.reduce((sum, turns) => sum + turns.length, 0);
  let done = 0;
  let tooLong = 0;
  const sampler = await model.createSampler(request.lora, request.adapter);
  try {
    for (let turn = 0; turn < Math.max(...conversations.map((c) => c.length)); turn++) {
      const asked = conversations.flatMap((turns, index) => {
        const content = turns[turn];
        if (content === undefined) return [];
        histories[index]?.push({ role: 'user', content });
        return { index, promptIds: model.tokenizer.renderPrompt(histories[index] ?? []).ids };
      });
      const fitting = asked.filter(({ promptIds }) => promptIds.length < model.info.contextLength);
      const texts = await answerAll(sampler, fitting, turn, request, () =>
        request.onProgress(++done / total),
      );
      for (const { index } of asked) {
        const text = texts.get(index);
        if (text === undefined) tooLong++;
        answers[index]?.push(text ?? '');
        histories[index]?.push({ role: 'assistant', content: text ?? '' });
      }
      signal.throwIfAborted();
    }
  } finally {
    await sampler.dispose();
  }
  return { answers, tooLong };
}

async function answerAll(
  sampler: Sampler,
  asked: readonly { index: number; promptIds: readonly number[] }[],
  turn: number,
  { model, options, seed, signal }: AnswerRequest,
  onOne: () => void,
): Promise<Map<number, string>> {
  const texts = new Map<number, string>();
  if (asked.length === 0) return texts;
  const { temperature, maxTokens } = options;
  await sampler.sample(
    asked.map(({ index, promptIds }) => ({ promptIds, n: 1, seed: seedOf(seed, 'answer', turn, index) })),
    { temperature, topP: 1, topK: 0, maxTokens, stopIds: model.tokenizer.stopIds },
    (at, [sample]) => {
      texts.set(asked[at]?.index ?? -1, model.tokenizer.decode(sample?.tokenIds ?? []).trim());
      onOne();
    },
    { signal },
  );
  return texts;
}
