/** What samples of held-out prompts are worth, of one arm or of two compared. Pure. */
import type { EvaluatedAnswer, HeldOutScore, Report, TokenizedPrompt } from './types.ts';

export const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

/** Accuracy with its standard error over prompts: samples of one prompt are not independent. */
export function scoreOf(
  rows: readonly TokenizedPrompt[],
  answers: readonly (readonly EvaluatedAnswer[])[],
): Omit<HeldOutScore, 'targetLogProb'> {
  const all = answers.flat();
  const score = {
    prompts: rows.length,
    similarity: mean(all.flatMap((a) => a.similarity ?? [])),
    meanTokens: mean(all.map((a) => a.tokens)),
  };
  const graded = answers
    .filter((_, i) => rows[i]?.grader)
    .map((list) => mean(list.map((a) => (a.correct ? 1 : 0))));
  if (graded.length === 0) return score;
  const accuracy = mean(graded);
  const variance =
    graded.reduce((total, x) => total + (x - accuracy) ** 2, 0) / Math.max(1, graded.length - 1);
  return { ...score, accuracy, accuracyError: Math.sqrt(variance / graded.length) };
}

/** Difference in accuracy between two arms on the same prompts: its noise is less than that of either arm. */
export function pairedGain(
  rows: readonly TokenizedPrompt[],
  before: readonly (readonly EvaluatedAnswer[])[],
  after: readonly (readonly EvaluatedAnswer[])[],
): Pick<Report['evaluation'], 'gainOverSft'> {
  const right = (list: readonly EvaluatedAnswer[] = []) => mean(list.map((a) => (a.correct ? 1 : 0)));
  const gains = rows.flatMap((row, i) => (row.grader ? [right(after[i]) - right(before[i])] : []));
  if (gains.length < 2) return {};
  const accuracy = mean(gains);
  const variance = gains.reduce((total, x) => total + (x - accuracy) ** 2, 0) / (gains.length - 1);
  return { gainOverSft: { accuracy, error: Math.sqrt(variance / gains.length) } };
}

/** Share of pairs of answers in which the first is better; ties count half. By the grader, else by similarity. */
export function winRate(
  ours: readonly EvaluatedAnswer[],
  theirs: readonly EvaluatedAnswer[],
  judge: 'grader' | 'similarity',
): number {
  return mean(
    ours.map((a, i) => {
      const b = theirs[i];
      return winOf(worthBy(judge, a), b && worthBy(judge, b));
    }),
  );
}

/** What a judge holds an answer to be worth. One that can't be judged ties with its counterpart, which can't be either. */
export function worthBy(judge: 'grader' | 'similarity', { similarity, correct }: EvaluatedAnswer): number {
  return judge === 'similarity' ? (similarity ?? 0) : correct ? 1 : 0;
}

/** 1 where ours is worth more, 0.5 where both are worth the same or there is nothing to compare with, else 0. */
export function winOf(ours: number, theirs: number | undefined): number {
  return theirs === undefined || ours === theirs ? 0.5 : ours > theirs ? 1 : 0;
}
