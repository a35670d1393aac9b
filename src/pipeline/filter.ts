/**
 * Which of a prompt's own answers become its negatives (Self-Contrast, arXiv 2404.00604). The most similar to
 * the target are likely good answers, so the pool is made of the least similar, and k are drawn from it.
 */

import { sampleWithoutReplacement, stream } from '../model/random.ts';
import type { FilterConfig } from './config.ts';
import type { PairRecord, PromptResponses, ResponseRecord } from './types.ts';

type Candidate = Pick<ResponseRecord, 'text' | 'similarity' | 'excluded'>;

/**
 * Which responses are in the negatives' pool: one flag a response.
 *
 * In every mode empty responses are put aside first; `dedup` modes keep the first of equal texts. What is left, ranked by rising similarity (ties in order of sampling, so that the
 * result never depends on a sort's whims), gives with p = percent / 100
 * - all, alldedup: everything;
 * - last: ranks below floor(m p), m being the responses left: the p % least similar;
 * - lastdedup: ranks below min(floor(n p), unique - 1), with n the responses *sampled*, empty and equal ones
 *   included, and unique those left after de-duplication. So the most similar one always stays out, and with
 *   many duplicates it is the only one that does.
 * From what the mode gives, texts that the user has marked as good (`excluded`) are then taken out, so that a
 * mark never moves another response.
 *
 * @throws Error where `last` or `lastdedup` meets a response that has no similarity yet
 */
export function poolOf(responses: readonly Candidate[], filter: FilterConfig): boolean[] {
  const dedup = filter.mode === 'alldedup' || filter.mode === 'lastdedup';
  const seen = new Set<string>();
  const left: { index: number; similarity: number }[] = [];
  const good = new Set<string>();
  responses.forEach(({ text, similarity, excluded }, index) => {
    const plain = stripLeading(text);
    if (excluded === true) good.add(plain);
    if (plain === '' || (dedup && seen.has(plain))) return;
    seen.add(plain);
    left.push({ index, similarity: similarity ?? Number.NaN });
  });
  const inPool = new Set(select(left, responses.length, filter).map(({ index }) => index));
  return responses.map(({ text }, index) => inPool.has(index) && !good.has(stripLeading(text)));
}

function select<T extends { readonly similarity: number }>(
  left: readonly T[],
  sampled: number,
  { mode, percent }: FilterConfig,
): readonly T[] {
  if (mode === 'all' || mode === 'alldedup') return left;
  if (left.some(({ similarity }) => Number.isNaN(similarity))) {
    throw new Error('internal: filtering by similarity before every response has one');
  }
  const ranked = [...left].sort((a, b) => a.similarity - b.similarity); // stable by the language's definition
  const share = (count: number) => Math.floor((count * percent) / 100);
  const size = mode === 'last' ? share(left.length) : Math.min(share(sampled), left.length - 1);
  return ranked.slice(0, Math.max(0, size));
}

export interface Negatives {
  /** With `kept` set on every response. */
  readonly records: readonly PromptResponses[];
  /** k a prompt, by prompt index and then in order of sampling. */
  readonly pairs: readonly PairRecord[];
  /** Indices of prompts whose pool holds fewer than k. */
  readonly dropped: readonly number[];
}

/** Pools and pairs of all prompts. The draw of a prompt depends on the seed, its index and its pool alone. */
export function drawNegatives(
  records: readonly PromptResponses[],
  filter: FilterConfig,
  negatives: number,
  seed: number,
): Negatives {
  const pairs: PairRecord[] = [];
  const dropped: number[] = [];
  const marked = records.map((record) => {
    const kept = poolOf(record.responses, filter);
    const pool = kept.flatMap((flag, response) => (flag ? [response] : []));
    if (pool.length < negatives) dropped.push(record.index);
    else {
      const drawn = sampleWithoutReplacement(pool, negatives, stream(seed, 'negatives', record.index));
      pairs.push(...drawn.map((response) => ({ index: record.index, response })));
    }
    return { ...record, responses: record.responses.map((r, i) => ({ ...r, kept: kept[i] ?? false })) };
  });
  return { records: marked, pairs, dropped };
}

/** Answers are compared and shown without the spaces they begin with. */
export function stripLeading(text: string): string {
  return text.replace(/^ +/, '');
}
