/** Which of a prompt's own answers become negatives (arXiv 2404.00604, section 3; METHOD as the reference has it). */
import type { TextEmbedder } from '../engine/types.ts';
import { sampleWithoutReplacement, stream } from '../model/random.ts';
import type { RunConfig } from './config.ts';
import { type Context, ProgressMeter } from './context.ts';
import type { PairRecord, PreparedData } from './types.ts';

/** Cosine of two vectors of length 1, or 0 where one has no direction. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

export interface Candidate {
  /** Leading spaces stripped. */
  readonly text: string;
  readonly similarity: number;
}

/**
 * The negatives' pool of one prompt: indices into `responses`, in their order.
 *
 * - `all`: every non-empty response; `alldedup`: the first of each distinct text.
 * - `last`: of the non-empty responses, the floor(n x percent / 100) least similar to the target.
 * - `lastdedup`: of the distinct texts, those whose rank by ascending similarity is below
 *   min(floor(n x percent / 100), unique - 1), so that the most similar one is always left out.
 *
 * n counts all sampled responses, as the reference does. Equal similarities keep the order of sampling.
 */
export function poolOf(responses: readonly Candidate[], filter: RunConfig['filter']): number[] {
  const { mode, percent } = filter;
  const seen = new Set<string>();
  const candidates: number[] = [];
  responses.forEach(({ text }, i) => {
    if (text === '') return;
    const distinct = mode === 'alldedup' || mode === 'lastdedup';
    if (distinct && seen.has(text)) return;
    seen.add(text);
    candidates.push(i);
  });
  if (mode === 'all' || mode === 'alldedup') return candidates;
  const share = Math.floor((responses.length * percent) / 100);
  const size = mode === 'last' ? share : Math.min(share, candidates.length - 1);
  const similarity = (i: number) => responses[i]?.similarity ?? 0;
  const ascending = [...candidates].sort((a, b) => similarity(a) - similarity(b) || a - b);
  return ascending.slice(0, Math.max(0, size)).sort((a, b) => a - b);
}

/**
 * k negatives of a prompt's pool, drawn without replacement; null where the pool holds fewer, and the prompt is
 * dropped.
 */
export function drawNegatives(pool: readonly number[], k: number, seed: number, promptIndex: number): number[] | null {
  return pool.length < k ? null : sampleWithoutReplacement(pool, k, stream(seed, 'negatives', promptIndex));
}

/** Embeds each distinct text once. */
export async function embedDistinct(
  embedder: TextEmbedder,
  texts: Iterable<string>,
  signal: AbortSignal,
  onDone: (done: number, total: number) => void = () => {},
): Promise<(text: string) => Float32Array> {
  const distinct = [...new Set(texts)];
  const vectors = new Map<string, Float32Array>();
  for (let at = 0; at < distinct.length; at += EMBED_SLICE) {
    const slice = distinct.slice(at, at + EMBED_SLICE);
    const embedded = await embedder.embed(slice, signal);
    slice.forEach((text, i) => {
      vectors.set(text, embedded[i] ?? new Float32Array(0));
    });
    onDone(Math.min(at + EMBED_SLICE, distinct.length), distinct.length);
  }
  return (text) => vectors.get(text) ?? new Float32Array(0);
}

/** Texts between two progress reports. */
const EMBED_SLICE = 512;

/** Stage: similarity of every answer to its target, the pool, and k negatives a prompt. */
export async function runFilter(context: Context, data: PreparedData): Promise<Record<string, number>> {
  const { config, store, signal } = context;
  const records = await store.responses();
  const target = (index: number) => data.train[index]?.target.trim() ?? '';
  const texts = records.flatMap(({ index, responses }) => [target(index), ...responses.map((r) => r.text)]);
  const meter = new ProgressMeter(context, 'filter', 'texts', new Set(texts).size);
  const vector = await embedDistinct(await context.embedder(), texts, signal, (done) => meter.update(done));
  const pairs: PairRecord[] = [];
  let dropped = 0;
  const marked = records.map(({ index, responses }) => {
    const wanted = vector(target(index));
    const scored = responses.map((r) => ({ ...r, similarity: cosine(vector(r.text), wanted) }));
    const pool = poolOf(scored, config.filter);
    const kept = new Set(pool);
    const drawn = drawNegatives(pool, config.dpo.negatives, config.seed, index);
    if (drawn) pairs.push(...drawn.map((response) => ({ index, response })));
    else dropped++;
    return { index, responses: scored.map((r, i) => ({ ...r, kept: kept.has(i) })) };
  });
  await store.saveResponses(marked);
  await store.savePairs(pairs);
  if (pairs.length === 0) {
    throw new FilterError(
      `No prompt has ${config.dpo.negatives} negatives left after filtering. Sample more answers, raise the temperature, raise filter.percent or lower dpo.negatives.`,
    );
  }
  const all = marked.flatMap((record) => record.responses);
  const kept = all.filter((r) => r.kept);
  const mean = (list: readonly { similarity: number }[]) =>
    list.reduce((sum, r) => sum + r.similarity, 0) / Math.max(1, list.length);
  return {
    prompts: records.length - dropped,
    dropped,
    responses: all.length,
    pool: kept.length,
    pairs: pairs.length,
    texts: new Set(texts).size,
    meanSimilarity: mean(all),
    meanSimilarityKept: mean(kept),
  };
}

/** Nothing is left to train on; the message says what to change. */
export class FilterError extends Error {
  override name = 'FilterError';
}
