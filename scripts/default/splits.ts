/** The splits of the default data: which question is in which. */
import { ask, type Question, skills } from './questions.ts';
import { hash, Rng } from './rng.ts';

const seed = 2024;

/** Every question belongs to one split, however it is phrased. */
const splits = [
  { name: 'train', below: 72, rows: 1000, perKey: 2 },
  { name: 'dev', below: 85, rows: 150, perKey: 1 },
  { name: 'test', below: 100, rows: 200, perKey: 1 },
] as const;

function splitOf(key: string): (typeof splits)[number] {
  const part = hash(`split ${key}`) % 100;
  return splits.find((split) => part < split.below) ?? splits[2];
}

interface Part {
  readonly name: string;
  readonly rows: number;
  /** Rows that ask the same question in different words. */
  readonly perKey: number;
}

/** Rows of one split, the skills in turn, so that every skill has its share as far as its questions go. */
function rowsOf(split: Part, isOurs: (question: Question) => boolean): Question[] {
  const rng = new Rng(hash(`${seed} ${split.name}`));
  const uses = new Map<string, number>();
  const prompts = new Set<string>();
  const rows: Question[] = [];
  while (rows.length < split.rows) {
    for (const skill of rng.shuffle(skills)) {
      for (let tries = 0; tries < 60 && rows.length < split.rows; tries++) {
        const question = ask(rng, skill);
        const used = uses.get(question.key) ?? 0;
        if (!isOurs(question) || used >= split.perKey || prompts.has(question.prompt)) continue;
        uses.set(question.key, used + 1);
        prompts.add(question.prompt);
        rows.push(question);
        break;
      }
    }
  }
  return rng.shuffle(rows);
}

/** All splits, in the order in which they are made. The final one is kept for one last look. */
export function splitsOf(): { readonly name: string; readonly rows: readonly Question[] }[] {
  const made = splits.map((split) => ({
    name: split.name,
    rows: rowsOf(split, ({ key }) => splitOf(key) === split),
  }));
  const all = made.flatMap(({ rows }) => rows);
  const [keys, prompts] = [new Set(all.map(({ key }) => key)), new Set(all.map(({ prompt }) => prompt))];
  // Of the questions, from whichever range, that no other split has asked: so the others stay as they always were.
  const isNew = ({ key, prompt }: Question) => !keys.has(key) && !prompts.has(prompt);
  return [...made, { name: 'final', rows: rowsOf({ name: 'final', rows: 400, perKey: 1 }, isNew) }];
}
