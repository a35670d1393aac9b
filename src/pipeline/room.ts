/** Whether what a stage is going to write fits into the storage that the browser leaves to the page. */
import { unitSize, units } from '../model/parameters.ts';
import type { RunConfig } from './config.ts';
import type { Context } from './context.ts';
import type { Stage } from './types.ts';

/** The storage would be full before the stage is done. Nothing was begun, and everything stored before is kept. */
export class RoomError extends Error {
  override name = 'RoomError';
}

/** Bytes a stored answer takes at most: ids, text, and a record's own. */
const answerBytes = (maxTokens: number): number => maxTokens * 8 + 100;

/**
 * Upper bound in bytes of what a stage writes.
 *
 * @param prompts training prompts, heldOut held-out ones; floats is the number of trained parameters
 */
export function stageBytes(
  stage: Stage,
  { sample, evaluate }: RunConfig,
  { prompts, heldOut, floats }: { prompts: number; heldOut: number; floats: number },
): number {
  switch (stage) {
    case 'model':
    case 'data': // its size is the data set's, which is stored already
      return 0;
    case 'sft':
    case 'dpo':
      // Parameters and two moments; the old checkpoint is there until the new one is.
      return floats * 4 * 3 * 2;
    case 'sample':
    case 'filter': // writes the same records again
      return prompts * sample.n * answerBytes(sample.maxTokens);
    case 'evaluate':
      return 3 * heldOut * evaluate.samples * answerBytes(sample.maxTokens);
  }
}

/** @throws RoomError that says how much is missing and what to delete */
export async function checkRoom(context: Context, stage: Stage, what: string): Promise<void> {
  const { model, config, store } = context;
  const free = (await context.room?.()) ?? null;
  if (free === null) return;
  const data = await store.prepared();
  const floats = units(model.config, { kind: 'lora', lora: config.lora }).reduce(
    (sum, unit) => sum + unitSize(unit),
    0,
  );
  const counts = { prompts: data?.train.length ?? 0, heldOut: data?.heldOut.length ?? 0, floats };
  const needed = stageBytes(stage, config, counts);
  if (needed <= free) return;
  throw new RoomError(
    `${what} may store up to ${megabytes(needed)}, but this browser leaves the page only ${megabytes(free)} of storage quota. Delete runs you no longer need (the run menu shows what each takes) or free disk space, then resume: everything finished is kept.`,
  );
}

const megabytes = (bytes: number): string =>
  `${(Math.max(0, bytes) / 1e6).toLocaleString('en', { maximumFractionDigits: bytes < 1e7 ? 2 : 0 })} MB`;
