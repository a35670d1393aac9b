/** Stage: similarity of every answer to its target, the negatives' pool, and k negatives a prompt. */
import { type Context, ProgressMeter } from './context.ts';
import { drawNegatives } from './filter.ts';
import { compare, comparingEmbedder, isCompared, SLICE } from './similarity.ts';
import type { PreparedData, PromptResponses } from './types.ts';

/** Nothing is left to train on; the message says what to change. */
export class FilterError extends Error {
  override name = 'FilterError';
}

/**
 * Writes, in this order: the similarities that are missing, slice by slice, then what is kept of every prompt, then the
 * pairs. The last two follow from the similarities and the seed, so ending anywhere between them costs nothing.
 */
export async function runFilter(context: Context, data: PreparedData): Promise<Record<string, number>> {
  const { config, store } = context;
  const scored = await similarities(context, data);
  const { records, pairs, dropped } = drawNegatives(scored, config.filter, config.dpo.negatives, config.seed);
  await store.saveResponses(records);
  await store.savePairs(pairs);
  if (pairs.length === 0) {
    throw new FilterError(
      `No prompt has ${config.dpo.negatives} negatives left after filtering. Sample more answers, raise the temperature, raise filter.percent or lower dpo.negatives.`,
    );
  }
  const all = records.flatMap((record) => record.responses);
  const kept = all.filter((r) => r.kept);
  const mean = (list: readonly { readonly similarity?: number }[]) =>
    list.reduce((sum, r) => sum + (r.similarity ?? 0), 0) / Math.max(1, list.length);
  return {
    prompts: records.length - dropped.length,
    dropped: dropped.length,
    responses: all.length,
    pool: kept.length,
    pairs: pairs.length,
    texts: new Set(all.map((r) => r.text)).size,
    meanSimilarity: mean(all),
    meanSimilarityKept: mean(kept),
  };
}

/** The records with every response's similarity to its target, those that were compared while sampling included. */
async function similarities(context: Context, data: PreparedData): Promise<PromptResponses[]> {
  const { store, signal } = context;
  const embedder = await comparingEmbedder(context);
  const records = await store.responses();
  const missing = records.filter((record) => !isCompared(record));
  const before = records.length - missing.length;
  const meter = new ProgressMeter(context, 'filter', 'prompts', records.length, before);
  const compared = new Map<number, PromptResponses>();
  for (let at = 0; at < missing.length; at += SLICE) {
    signal.throwIfAborted();
    const slice = await compare(embedder, data, missing.slice(at, at + SLICE), signal);
    await store.saveResponses(slice);
    for (const record of slice) compared.set(record.index, record);
    meter.update(before + compared.size);
  }
  return records.map((record) => compared.get(record.index) ?? record);
}
