/** Answers of other models, from a file of them, by the prompt that they answer. */
import { stripLeading } from '../pipeline/filter.ts';
import { isTrainingRow, promptKey } from '../pipeline/prepare.ts';
import type { DataRow } from '../pipeline/types.ts';

export interface ImportedAnswers {
  /** By promptKey, of prompts that are trained on; different answers in the file's order, leading spaces stripped. */
  readonly answers: ReadonlyMap<string, readonly string[]>;
  /** Different prompts of the file that are not trained on. */
  readonly unknown: number;
  /** Different training prompts that the file has no answer to. */
  readonly unanswered: number;
  /** Answers left out: there already for the same prompt, or blank. */
  readonly repeated: number;
  /** Answers left out because they are a target of their prompt: those are no worse answers. */
  readonly targets: number;
}

/**
 * Reads the rows of a file of answers. Where any row has rejected answers, those are what is read: the targets beside them
 * are better ones. In a file without (a prompt and a response a row) the targets are the models' answers.
 *
 * @param rows of the file, as the importer reads them
 * @param training rows of the lab's own data; those without a target are not trained on
 */
export function importedAnswers(rows: readonly DataRow[], training: readonly DataRow[]): ImportedAnswers {
  const targets = new Map<string, Set<string>>();
  for (const row of training.filter(isTrainingRow)) {
    const key = promptKey(row);
    targets.set(key, (targets.get(key) ?? new Set()).add(stripLeading(row.target)));
  }
  const hasRejected = rows.some(({ rejected }) => rejected !== undefined);
  const found = new Map<string, Set<string>>();
  const unknown = new Set<string>();
  const left = { repeated: 0, targets: 0 };
  for (const row of rows) {
    const texts = hasRejected ? (row.rejected ?? []) : row.target === undefined ? [] : [row.target];
    const key = promptKey(row);
    const theirs = targets.get(key);
    if (theirs === undefined) {
      if (texts.length > 0) unknown.add(key);
      continue;
    }
    const answers = found.get(key) ?? new Set();
    for (const text of texts.map(stripLeading)) {
      if (theirs.has(text)) left.targets++;
      else if (text === '' || answers.has(text)) left.repeated++;
      else answers.add(text);
    }
    if (answers.size > 0) found.set(key, answers);
  }
  return {
    answers: new Map([...found].map(([key, answers]) => [key, [...answers]])),
    unknown: unknown.size,
    unanswered: targets.size - found.size,
    ...left,
  };
}

/** Share of the prompts with answers that must have as many as a plan asks for. */
const MOST = 0.9;

/** Answers a prompt that at least nine in ten of the answered prompts have; 0 without any. */
export function answersAPrompt({ answers }: Pick<ImportedAnswers, 'answers'>): number {
  const counts = [...answers.values()].map(({ length }) => length).sort((a, b) => b - a);
  return counts[Math.ceil(MOST * counts.length) - 1] ?? 0;
}

/** What came of a file, a sentence each; the first is there always. */
export function importedText({ answers, unknown, unanswered, repeated, targets }: ImportedAnswers): string[] {
  const count = [...answers.values()].reduce((sum, { length }) => sum + length, 0);
  const notes = [`${count} answers of other models to ${answers.size} training prompts.`];
  if (unanswered > 0) notes.push(`${unanswered} training prompts have no answer in the file: no negatives.`);
  if (unknown > 0)
    notes.push(`${unknown} prompts of the file are not in the training data, and are left out.`);
  if (repeated > 0) notes.push(`${repeated} answers are blank or repeat another one, and are left out.`);
  if (targets > 0) notes.push(`${targets} answers are the prompt’s target, and are left out.`);
  return notes;
}
