/** Stage: similarity of every answer to its target, the negatives' pool, and k negatives a prompt. */
import type { TextEmbedder } from '../engine/types.ts';
import { type Context, ProgressMeter } from './context.ts';
import { drawNegatives } from './filter.ts';
import { sameEmbedder } from './identity.ts';
import type { PreparedData, PromptResponses } from './types.ts';

/** Nothing is left to train on; the message says what to change. */
export class FilterError extends Error {
  override name = 'FilterError';
}

/** Prompts whose texts are embedded, and stored, together. */
const SLICE = 64;

/** Cosine of two vectors of length 1, or 0 where one has no direction. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Embeds each distinct text once. */
export async function embedDistinct(
  embedder: TextEmbedder,
  texts: Iterable<string>,
  signal: AbortSignal,
): Promise<(text: string) => Float32Array> {
  const distinct = [...new Set(texts)];
  const embedded = await embedder.embed(distinct, signal);
  const vectors = new Map(distinct.map((text, i) => [text, embedded[i] ?? new Float32Array(0)] as const));
  return (text) => vectors.get(text) ?? new Float32Array(0);
}

/**
 * Writes, in this order: the similarities slice by slice (fixed slices of prompts: which texts are embedded
 * together changes a vector's last bits), then what is kept of every prompt, then the pairs. The last two
 * follow from the similarities and the seed, so ending anywhere between them costs nothing.
 */
export async function runFilter(context: Context, data: PreparedData): Promise<Record<string, number>> {
  const { config, store } = context;
  const scored = await similarities(context, data, await store.responses());
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

/** The records with every response's similarity to its target, those of earlier sittings included. */
async function similarities(
  context: Context,
  data: PreparedData,
  sampled: readonly PromptResponses[],
): Promise<PromptResponses[]> {
  const { store, signal } = context;
  const embedder = await sameEmbedder(context, () => store.saveResponses(sampled.map(unscored)));
  // Read again: a filter begun anew has just forgotten what another embedder said.
  const records = await store.responses();
  const meter = new ProgressMeter(context, 'filter', 'prompts', records.length);
  const result: PromptResponses[] = [];
  for (let at = 0; at < records.length; at += SLICE) {
    signal.throwIfAborted();
    const slice = records.slice(at, at + SLICE);
    const scored = slice.every(isScored) ? slice : await scoreSlice(embedder, data, slice, signal);
    if (scored !== slice) await store.saveResponses(scored);
    result.push(...scored);
    meter.update(result.length);
  }
  return result;
}

async function scoreSlice(
  embedder: TextEmbedder,
  data: PreparedData,
  slice: readonly PromptResponses[],
  signal: AbortSignal,
): Promise<PromptResponses[]> {
  const target = (index: number) => data.train[index]?.target.trim() ?? '';
  const texts = slice.flatMap(({ index, responses }) => [target(index), ...responses.map((r) => r.text)]);
  const vector = await embedDistinct(embedder, texts, signal);
  return slice.map((record) => {
    const wanted = vector(target(record.index));
    const responses = record.responses.map((r) => ({ ...r, similarity: cosine(vector(r.text), wanted) }));
    return { ...record, responses };
  });
}

const isScored = ({ responses }: PromptResponses): boolean =>
  responses.every((r) => r.similarity !== undefined);

const unscored = (record: PromptResponses): PromptResponses => ({
  ...record,
  responses: record.responses.map(({ similarity: _similarity, kept: _kept, ...rest }) => rest),
});
