/** Answers that others wrote (the data set's rejected ones, or a file's), as the policy that DPO begins from sees them. */
import type { Trainer } from '../engine/types.ts';
import { type Context, optimiserOf, ProgressMeter } from '../pipeline/context.ts';
import { stripLeading } from '../pipeline/filter.ts';
import { compareAll } from '../pipeline/negatives.ts';
import { promptKey } from '../pipeline/prepare.ts';
import { checkRoom } from '../pipeline/room.ts';
import type { PreparedData, PromptResponses, TokenizedRow } from '../pipeline/types.ts';
import { adapterOf, type Job } from './run-pieces.ts';
import type { Piece } from './types.ts';
import type { AnswersWork } from './work.ts';

/** Prompts scored together: fixed slices of the training prompts, so that no bit depends on what was there before. */
const SLICE = 16;

type TextsOf = (row: TokenizedRow) => readonly string[];

/** Their log-probability under the policy, which is DPO's reference, and their similarity to the target. */
export async function computeTexts(job: Job, work: AnswersWork): Promise<Piece['figures']> {
  const { bench } = job;
  const textsOf = await textsFrom(job, work);
  const data = await bench.prepared(work.data);
  const answers = bench.context.store.piece(work.key);
  const context = await bench.stageContext(work, data, work.data, { answers }, job.emit);
  await checkRoom(context, 'sample', work.label);
  const { config, model, memory } = context;
  const trainer = await model.createTrainer(config.lora, optimiserOf(config.dpo), config.seed, memory);
  try {
    const parameters = await adapterOf(job, work.policy);
    const zeros = parameters.map((vector) => new Float32Array(vector.length));
    await trainer.restore({ step: 0, parameters, m: zeros, v: zeros });
    await scoreAll(context, trainer, data, textsOf);
  } finally {
    await trainer.dispose();
  }
  await compareAll(context, data);
  return figuresOf(await answers.responses(), data.train.length);
}

async function textsFrom({ bench }: Job, { source }: AnswersWork): Promise<TextsOf> {
  if (source === 'rejected') return ({ rejected = [] }) => rejected;
  const imported = await bench.context.imported();
  if (!imported) throw new Error('answers of other models are asked for, but the lab has no file of them');
  return (row) => imported.get(promptKey(row)) ?? [];
}

async function scoreAll(
  context: Context,
  trainer: Trainer,
  data: PreparedData,
  textsOf: TextsOf,
): Promise<void> {
  const { store, signal } = context;
  const done = new Set(await store.sampled());
  const meter = new ProgressMeter(context, 'sample', 'prompts', data.train.length);
  for (let at = 0; at < data.train.length; at += SLICE) {
    signal.throwIfAborted();
    const slice = data.train.slice(at, at + SLICE).flatMap((row, i) => {
      const responses = answersOf(context, row, textsOf(row));
      return responses.length > 0 ? [{ index: at + i, row, responses }] : [];
    });
    if (slice.some(({ index }) => !done.has(index))) {
      const logps = await trainer.logps(
        slice.map(({ row, responses }) => ({
          promptIds: row.promptIds,
          responseIds: responses.map(({ tokenIds }) => tokenIds),
        })),
        signal,
      );
      const records = slice.map(
        ({ index, responses }, i): PromptResponses => ({
          index,
          responses: responses.map((response, j) => ({
            ...response,
            logp: Array.from(logps[i]?.[j] ?? []).reduce((a, b) => a + b, 0),
            stopped: true,
          })),
        }),
      );
      await store.saveResponses(records);
    }
    meter.update(Math.min(at + SLICE, data.train.length));
  }
}

/** Different answers that are not empty and that the model has room for, in order. */
function answersOf(
  { model: { tokenizer, info } }: Context,
  { promptIds }: TokenizedRow,
  texts: readonly string[],
): { text: string; tokenIds: number[] }[] {
  return [...new Set(texts.map(stripLeading))]
    .filter((text) => text !== '')
    .map((text) => ({ text, tokenIds: tokenizer.encodeTarget(text) }))
    .filter(({ tokenIds }) => promptIds.length + tokenIds.length <= info.contextLength);
}

function figuresOf(records: readonly PromptResponses[], prompts: number): Piece['figures'] {
  const all = records.flatMap(({ responses }) => responses);
  return {
    prompts: records.length,
    unanswered: prompts - records.length,
    responses: all.length,
    tokens: all.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
  };
}
