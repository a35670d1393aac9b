/** The filter's rule, applied to what the page holds, so that the handle's effect is seen while it moves. Pure. */
import type { RunConfig } from '../pipeline/config.ts';
import { poolOf } from '../pipeline/filter.ts';
import type { PairRecord } from '../pipeline/types.ts';
import type { AnswerRow } from './components/Answers.tsx';
import type { RunView, ShownResponse, ShownResponses } from './state.ts';

type FilterConfig = RunConfig['filter'];

/** What the filter would do to all answers at these settings. */
export interface RunPool {
  readonly answers: number;
  readonly kept: number;
  /** Pairs that would be drawn. */
  readonly negatives: number;
  readonly prompts: number;
  /** Prompts whose pool holds too few. */
  readonly dropped: number;
  readonly keptSimilarities: readonly number[];
  readonly leftOutSimilarities: readonly number[];
}

const embedded = (record: ShownResponses): boolean =>
  record.responses.every((r) => r.similarity !== undefined);

export function poolOfRun(responses: RunView['responses'], filter: FilterConfig, negatives: number): RunPool {
  const keptSimilarities: number[] = [];
  const leftOutSimilarities: number[] = [];
  let dropped = 0;
  let prompts = 0;
  for (const record of responses) {
    if (record === undefined || !embedded(record)) continue;
    const flags = poolOf(record.responses, filter);
    prompts++;
    if (flags.filter(Boolean).length < negatives) dropped++;
    record.responses.forEach(({ similarity = 0 }, i) => {
      (flags[i] ? keptSimilarities : leftOutSimilarities).push(similarity);
    });
  }
  const kept = keptSimilarities.length;
  const answers = kept + leftOutSimilarities.length;
  return {
    answers,
    kept,
    negatives: (prompts - dropped) * negatives,
    prompts,
    dropped,
    keptSimilarities,
    leftOutSimilarities,
  };
}

/** One prompt's answers with what becomes of them; with `filter`, as these settings would have it. */
export function answerRows(
  record: ShownResponses,
  pairs: readonly PairRecord[],
  filter?: FilterConfig,
): AnswerRow[] {
  const flags = filter !== undefined && embedded(record) ? poolOf(record.responses, filter) : null;
  const paired = new Set(pairs.filter((pair) => pair.index === record.index).map((pair) => pair.response));
  return record.responses.map((response, index) => {
    const kept = flags === null ? response.kept : flags[index];
    const fate = kept === undefined ? 'undecided' : kept ? 'kept' : 'left out';
    return { index, response, fate, paired: paired.has(index) };
  });
}

/** The record with one answer marked as right (never a negative), or the mark taken back. */
export function answerFate<R extends ShownResponse>(
  record: { readonly index: number; readonly responses: readonly R[] },
  response: number,
  filter: FilterConfig,
): { index: number; responses: R[] } {
  const responses = record.responses.map((r, i) => (i === response ? { ...r, excluded: !r.excluded } : r));
  const flags = poolOf(responses, filter);
  return { ...record, responses: responses.map((r, i) => ({ ...r, kept: flags[i] ?? false })) };
}
