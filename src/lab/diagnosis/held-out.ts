/** Failure signs in what an arm answers to held-out prompts, against SFT's answers of the same seed. */
import { plainWords } from '../../pipeline/grade.ts';
import { lengthChanged } from '../../pipeline/thresholds.ts';
import type { EvaluatedAnswer } from '../../pipeline/types.ts';
import { bootstrapGain } from '../stats/index.ts';
import type { ArmAnswers, Figure } from '../types.ts';
import { REPETITION, SHARE_RISE } from './signs.ts';

/** How refusals usually begin or what they hold; a short list, as whole words, letter case aside. */
const REFUSALS = [
  'i cannot',
  "i can't",
  'i can not',
  "i'm unable",
  'i am unable',
  "i'm not able",
  'i am not able',
  "i'm sorry",
  'i am sorry',
  'i apologize',
  'i apologise',
  'as an ai',
  'as a language model',
  'i must decline',
  "i won't",
  'i will not',
  "i don't know",
  'i do not know',
];

export function isRefusal(text: string): boolean {
  const line = ` ${plainWords(text).join(' ')} `;
  return REFUSALS.some((phrase) => line.includes(` ${phrase} `));
}

/** Whether the same few words come again and again. */
export function isRepetitive(text: string): boolean {
  const words = plainWords(text);
  const counts = new Map<string, number>();
  for (let i = 0; i + REPETITION.words <= words.length; i++) {
    const key = words.slice(i, i + REPETITION.words).join(' ');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts.values()].some((count) => count >= REPETITION.times);
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;

/** [seed of one][prompt]: mean over its samples. */
const byPrompt = (
  { records }: ArmAnswers,
  of: (answer: EvaluatedAnswer) => number | undefined,
): (number | null)[][] => [records.map(({ answers }) => mean(answers.flatMap((a) => of(a) ?? [])))];

/** `ours` less `theirs` on the same prompts and seeds; null where no prompt has both. */
export function pairedGain(
  ours: readonly (readonly (number | null)[])[],
  theirs: readonly (readonly (number | null)[])[],
): Figure | null {
  const complete = ours.some((row, s) => row.some((x, i) => x !== null && (theirs[s]?.[i] ?? null) !== null));
  return complete ? bootstrapGain(ours, theirs) : null;
}

const correctness = ({ correct }: EvaluatedAnswer) => (correct === undefined ? undefined : Number(correct));

/** What answers are compared by where nobody says otherwise: the grader, and where no row has one similarity. */
export function quality(answers: readonly ArmAnswers[]): {
  readonly name: 'accuracy' | 'similarity';
  readonly of: (answer: EvaluatedAnswer) => number | undefined;
} {
  const graded = answers.some(({ records }) =>
    records.some((record) => record.answers.some((a) => a.correct !== undefined)),
  );
  return graded
    ? { name: 'accuracy', of: correctness }
    : { name: 'similarity', of: ({ similarity }) => similarity };
}

/** Accuracy, or without a grader similarity, of the arm less SFT's. */
export function qualityGain(
  arm: ArmAnswers,
  sft: ArmAnswers,
): { readonly name: string; readonly gain: Figure } | null {
  const { name, of } = quality([arm, sft]);
  const figure = pairedGain(byPrompt(arm, of), byPrompt(sft, of));
  return figure && { name, gain: figure };
}

/** [seed][prompt] of several seeds' answers of one arm. */
export const qualityValues = (
  seeds: readonly (ArmAnswers | undefined)[],
  of: (answer: EvaluatedAnswer) => number | undefined,
): (number | null)[][] => seeds.map((answers) => (answers ? (byPrompt(answers, of)[0] ?? []) : []));

export interface Alignment {
  readonly seen: boolean;
  readonly evidence: string;
}

/** Length, refusals and repetition, against SFT. */
export function alignment(arm: ArmAnswers, sft: ArmAnswers): Alignment {
  const all = (set: ArmAnswers) => set.records.flatMap(({ answers }) => answers);
  const [ours, theirs] = [all(arm), all(sft)];
  const tokens = mean(ours.map((a) => a.tokens)) ?? 0;
  const sftTokens = mean(theirs.map((a) => a.tokens)) ?? 0;
  const share = (list: readonly EvaluatedAnswer[], is: (text: string) => boolean) =>
    100 * (mean(list.map(({ text }) => Number(is(text)))) ?? 0);
  const risen = (is: (text: string) => boolean): boolean => {
    const rise = pairedGain(
      byPrompt(arm, ({ text }) => Number(is(text))),
      byPrompt(sft, ({ text }) => Number(is(text))),
    );
    return rise !== null && rise.value > SHARE_RISE && rise.low > 0;
  };
  const change = (is: (text: string) => boolean) =>
    `${share(theirs, is).toFixed(1)} % to ${share(ours, is).toFixed(1)} %`;
  return {
    seen: lengthChanged(tokens, sftTokens) || risen(isRefusal) || risen(isRepetitive),
    evidence:
      `From SFT to this arm: tokens an answer ${sftTokens.toFixed(1)} to ${tokens.toFixed(1)}, ` +
      `refusals ${change(isRefusal)}, repetition ${change(isRepetitive)}.`,
  };
}
