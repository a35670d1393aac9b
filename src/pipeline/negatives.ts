/** Stage: similarity of every answer to its target, the negatives' pool, and k negatives a prompt. */
import type { TextEmbedder } from '../engine/types.ts';
import { type Context, ProgressMeter } from './context.ts';
import { drawNegatives } from './filter.ts';
import type { PreparedData } from './types.ts';

/** Nothing is left to train on; the message says what to change. */
export class FilterError extends Error {
  override name = 'FilterError';
}

/** Texts between two progress reports. */
const EMBED_SLICE = 512;

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
  onDone: (done: number) => void = () => {},
): Promise<(text: string) => Float32Array> {
  const distinct = [...new Set(texts)];
  const vectors = new Map<string, Float32Array>();
  for (let at = 0; at < distinct.length; at += EMBED_SLICE) {
    const slice = distinct.slice(at, at + EMBED_SLICE);
    const embedded = await embedder.embed(slice, signal);
    slice.forEach((text, i) => {
      vectors.set(text, embedded[i] ?? new Float32Array(0));
    });
    onDone(Math.min(at + EMBED_SLICE, distinct.length));
  }
  return (text) => vectors.get(text) ?? new Float32Array(0);
}

export async function runFilter(context: Context, data: PreparedData): Promise<Record<string, number>> {
  const { config, store, signal } = context;
  const sampled = await store.responses();
  const target = (index: number) => data.train[index]?.target.trim() ?? '';
  const texts = new Set(
    sampled.flatMap(({ index, responses }) => [target(index), ...responses.map((r) => r.text)]),
  );
  const meter = new ProgressMeter(context, 'filter', 'texts', texts.size);
  const vector = await embedDistinct(await context.embedder(), texts, signal, (done) => meter.update(done));
  const scored = sampled.map((record) => {
    const wanted = vector(target(record.index));
    return {
      ...record,
      responses: record.responses.map((r) => ({ ...r, similarity: cosine(vector(r.text), wanted) })),
    };
  });
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
    texts: texts.size,
    meanSimilarity: mean(all),
    meanSimilarityKept: mean(kept),
  };
}
