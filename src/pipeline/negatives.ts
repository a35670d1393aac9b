/** Stage: similarity of every answer to its target, the negatives' pool, and k negatives a prompt. */
import type { TextEmbedder } from '../engine/types.ts';
import { type Context, ProgressMeter } from './context.ts';
import { drawNegatives } from './filter.ts';
import { compare, comparingEmbedder, isCompared, SLICE } from './similarity.ts';
import { responseSlices } from './slices.ts';
import type { PairRecord, PreparedData, PromptResponses } from './types.ts';

/** Nothing is left to train on; the message says what to change. */
export class FilterError extends Error {
  override name = 'FilterError';
}

/**
 * Slice by slice: the similarities that are missing, and what is kept of every prompt; then the pairs, which follow
 * from the similarities and the seed. So ending anywhere costs the slice that was under way.
 */
export async function runFilter(context: Context, data: PreparedData): Promise<Record<string, number>> {
  const { config, store, signal } = context;
  const embedder = await comparingEmbedder(context);
  const meter = new ProgressMeter(context, 'filter', 'prompts', (await store.sampled()).length);
  const pairs: PairRecord[] = [];
  const counts = { prompts: 0, dropped: 0, responses: 0, pool: 0, texts: 0 };
  const similarity = { all: 0, kept: 0 };
  for await (const sampled of responseSlices(store, SLICE)) {
    signal.throwIfAborted();
    const compared = await completed(embedder, data, sampled, signal);
    const drawn = drawNegatives(compared, config.filter, config.dpo.negatives, config.seed);
    await store.saveResponses(drawn.records);
    for (const pair of drawn.pairs) pairs.push(pair);
    counts.prompts += drawn.records.length - drawn.dropped.length;
    counts.dropped += drawn.dropped.length;
    for (const { responses } of drawn.records) {
      // Different answers of a prompt.
      counts.texts += new Set(responses.map(({ text }) => text)).size;
      for (const { similarity: each = 0, kept } of responses) {
        counts.responses++;
        similarity.all += each;
        if (!kept) continue;
        counts.pool++;
        similarity.kept += each;
      }
    }
    meter.update(counts.prompts + counts.dropped);
  }
  await store.savePairs(pairs);
  if (pairs.length === 0) {
    throw new FilterError(
      `No prompt has ${config.dpo.negatives} negatives left after filtering. Sample more answers, raise the temperature, raise filter.percent or lower dpo.negatives.`,
    );
  }
  return {
    ...counts,
    pairs: pairs.length,
    meanSimilarity: similarity.all / Math.max(1, counts.responses),
    meanSimilarityKept: similarity.kept / Math.max(1, counts.pool),
  };
}

/** Adds the similarities that are still missing, slice by slice. */
export async function compareAll(context: Context, data: PreparedData): Promise<void> {
  const { store, signal } = context;
  const embedder = await comparingEmbedder(context);
  for await (const sampled of responseSlices(store, SLICE)) {
    signal.throwIfAborted();
    if (!sampled.every(isCompared))
      await store.saveResponses(await completed(embedder, data, sampled, signal));
  }
}

/** The records with every response's similarity to its target, those that were compared while sampling as they are. */
async function completed(
  embedder: TextEmbedder,
  data: PreparedData,
  records: readonly PromptResponses[],
  signal: AbortSignal,
): Promise<readonly PromptResponses[]> {
  const missing = records.filter((record) => !isCompared(record));
  if (missing.length === 0) return records;
  const compared = new Map(
    (await compare(embedder, data, missing, signal)).map((record) => [record.index, record] as const),
  );
  return records.map((record) => compared.get(record.index) ?? record);
}
