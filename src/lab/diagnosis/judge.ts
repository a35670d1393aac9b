/** Which of the answers to a training prompt are as good as its target, and who says so. */
import { stripLeading } from '../../pipeline/filter.ts';
import { grade } from '../../pipeline/grade.ts';
import { promptKey } from '../../pipeline/prepare.ts';
import type { PromptResponses } from '../../pipeline/types.ts';
import type { DiagnosisInput } from '../inputs.ts';

export interface Judged {
  readonly judge: 'grader' | 'reward' | 'marks';
  /** Of each response, whether it is as good as the target; null where this judge has nothing to say of the prompt. */
  readonly verdicts: (record: PromptResponses) => readonly boolean[] | null;
}

/**
 * The row's grader where rows have one; else a reward model, by which an answer is as good as the target when its score
 * is no lower; else the user's marks, where there are any: answers that are not marked then count as not good. A
 * marked answer is good whatever the judge says.
 *
 * @returns null where nobody can judge
 */
export function judgeOf({
  data,
  rewards,
  marks,
  responses,
}: Pick<DiagnosisInput, 'data' | 'rewards' | 'marks' | 'responses'>): Judged | null {
  const marked = new Map<string, Set<string>>();
  for (const { prompt, text } of marks) marked.set(prompt, (marked.get(prompt) ?? new Set()).add(text));
  const marksOf = (index: number): ReadonlySet<string> | undefined => {
    const row = data.train[index];
    return row && marked.size > 0 ? marked.get(promptKey(row)) : undefined;
  };
  const withMarks = (record: PromptResponses, good: readonly boolean[]): readonly boolean[] => {
    const own = marksOf(record.index);
    return record.responses.map(
      ({ text, excluded }, i) =>
        good[i] === true || excluded === true || own?.has(stripLeading(text)) === true,
    );
  };

  if (responses.some(({ index }) => data.train[index]?.grader)) {
    return {
      judge: 'grader',
      verdicts: (record) => {
        const grader = data.train[record.index]?.grader;
        return grader
          ? withMarks(
              record,
              record.responses.map(({ text }) => grade(grader, text)),
            )
          : null;
      },
    };
  }
  if (rewards && rewards.length > 0) {
    const byIndex = new Map(rewards.map((reward) => [reward.index, reward] as const));
    return {
      judge: 'reward',
      verdicts: (record) => {
        const { target, scores = [] } = byIndex.get(record.index) ?? {};
        if (target === undefined || scores.length !== record.responses.length) return null;
        return withMarks(
          record,
          scores.map((score) => score >= target),
        );
      },
    };
  }
  const any = marked.size > 0 || responses.some((r) => r.responses.some(({ excluded }) => excluded === true));
  return any ? { judge: 'marks', verdicts: (record) => withMarks(record, []) } : null;
}
