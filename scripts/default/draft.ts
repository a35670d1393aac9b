import type { Grader } from '../../src/pipeline/grade.ts';
import { plainWords } from '../../src/pipeline/grade.ts';
import { article } from './lexicon.ts';
import type { Rng } from './rng.ts';

/**
 * One question before it is put into words. Templates name slots: `The plural of {word} is {answer}.`;
 * `{a word}` adds the article.
 */
export interface Draft {
  readonly skill: string;
  /** The same for the same question, however it is phrased. */
  readonly key: string;
  readonly prompts: readonly string[];
  /** Right answers, once the slots are filled. */
  readonly answers: readonly string[];
  readonly slots: Readonly<Record<string, string>>;
  /** Wrong values of slots: a careless answer takes some of these. Must include `answer`. */
  readonly slips: Readonly<Record<string, readonly string[]>>;
  readonly grader: (maxWords: number) => Grader;
}

export type Skill = (rng: Rng) => Draft;

export function fill(template: string, slots: Readonly<Record<string, string>>): string {
  return template.replace(/\{(a )?(\w+)\}/g, (_, withArticle: string | undefined, name: string) => {
    const value = slots[name];
    if (value === undefined) throw new Error(`internal: no slot ${name} for "${template}"`);
    return withArticle ? article(value) : value;
  });
}

/** The longest right answer, and two words to spare. */
export function maxWords(draft: Draft): number {
  return 2 + Math.max(...draft.answers.map((answer) => plainWords(fill(answer, draft.slots)).length));
}

/** `a, b and c` */
export function spoken(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

export function without<T>(list: readonly T[], ...out: readonly T[]): T[] {
  return list.filter((item) => !out.includes(item));
}
