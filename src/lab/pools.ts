/** Which answers may become negatives in an arm, and which are drawn: src/pipeline/filter.ts with the lab's controls. */
import { sampleWithoutReplacement, shuffle, stream } from '../model/random.ts';
import type { FilterConfig } from '../pipeline/config.ts';
import { poolOf, stripLeading } from '../pipeline/filter.ts';
import type { PairRecord, PromptResponses, ResponseRecord } from '../pipeline/types.ts';
import type { NegativesSpec } from './types.ts';

type Candidate = Pick<ResponseRecord, 'text' | 'similarity' | 'excluded'>;

const withoutMarks = (responses: readonly Candidate[]): Candidate[] =>
  responses.map(({ excluded: _excluded, ...rest }) => rest);

/**
 * Which responses are in the pool: one flag a response. 'least' is the filter's own pool. The controls have as many, of
 * what the filter chooses from: 'most' the most similar, 'random' any of them. Answers marked as good are taken out
 * afterwards, as the filter does.
 *
 * @param random is used for 'random' alone
 */
export function poolFlags(
  responses: readonly Candidate[],
  filter: FilterConfig,
  select: NonNullable<NegativesSpec['select']>,
  random: () => number,
): boolean[] {
  if (select === 'least') return poolOf(responses, filter);
  const plain = withoutMarks(responses);
  const size = poolOf(plain, filter).filter(Boolean).length;
  const dedup = filter.mode === 'alldedup' || filter.mode === 'lastdedup';
  // All that are not empty, each text once where the filter has it once.
  const candidates = poolOf(plain, { mode: dedup ? 'alldedup' : 'all', percent: 100 }).flatMap((flag, i) =>
    flag ? [i] : [],
  );
  const similarity = (i: number) => responses[i]?.similarity ?? Number.NaN;
  if (select === 'most' && candidates.some((i) => Number.isNaN(similarity(i))))
    throw new Error('internal: filtering by similarity before every response has one');
  const order =
    select === 'random'
      ? shuffle(candidates, random)
      : [...candidates].sort((a, b) => similarity(b) - similarity(a)); // stable: ties in order of sampling
  const chosen = new Set(order.slice(0, size));
  const good = new Set(responses.flatMap((r) => (r.excluded === true ? [stripLeading(r.text)] : [])));
  return responses.map(({ text }, i) => chosen.has(i) && !good.has(stripLeading(text)));
}

export interface Draw {
  /** k a prompt, in order of sampling. */
  readonly pairs: readonly PairRecord[];
  /** Responses in the pool; 0 where the prompt is not used. */
  readonly pool: readonly number[];
}

/**
 * The negatives of one prompt; none where its pool holds fewer than k, or where `negatives.needs` is not met. The draw
 * depends on the seed, the prompt's index and its pool alone, as a run's; the k that are drawn of a pool are among
 * those that are drawn for a larger k.
 */
export function drawOf(
  { index, responses }: PromptResponses,
  filter: FilterConfig,
  k: number,
  negatives: NegativesSpec,
  seed: number,
): Draw {
  const { select = 'least', needs } = negatives;
  const flags = poolFlags(responses, filter, select, stream(seed, 'pool', index));
  const pool = flags.flatMap((flag, response) => (flag ? [response] : []));
  const enough = !needs || poolOf(responses, needs.filter).filter(Boolean).length >= needs.atLeast;
  if (!enough || pool.length < k) return { pairs: [], pool: [] };
  const drawn = sampleWithoutReplacement(pool, k, stream(seed, 'negatives', index));
  return { pairs: drawn.map((response) => ({ index, response })), pool };
}
