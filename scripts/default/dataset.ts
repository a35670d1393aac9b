/** Writes public/datasets/word-helper/{train,dev,test,final}.jsonl: npx tsx scripts/default/dataset.ts */
import { mkdirSync, writeFileSync } from 'node:fs';
import { grade, parseGrader } from '../../src/pipeline/grade.ts';
import { ask, type Question, skills } from './questions.ts';
import { hash, Rng } from './rng.ts';

const folder = new URL('../../public/datasets/word-helper/', import.meta.url);
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

mkdirSync(folder, { recursive: true });
function write(name: string, rows: readonly Question[]): void {
  for (const row of rows) {
    if (!grade(parseGrader(row.grader), row.target))
      throw new Error(`internal: wrong target ${JSON.stringify(row)}`);
  }
  const lines = rows.map(({ prompt, target, grader }) => `${JSON.stringify({ prompt, target, grader })}\n`);
  writeFileSync(new URL(`${name}.jsonl`, folder), lines.join(''));
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row.skill, (counts.get(row.skill) ?? 0) + 1);
  console.log(
    name,
    rows.length,
    [...counts]
      .map(([skill, n]) => `${skill} ${n}`)
      .sort()
      .join(', '),
  );
}

/** Questions that some split has asked already. */
const asked = { keys: new Set<string>(), prompts: new Set<string>() };
for (const split of splits) {
  const rows = rowsOf(split, ({ key }) => splitOf(key) === split);
  for (const { key, prompt } of rows) {
    asked.keys.add(key);
    asked.prompts.add(prompt);
  }
  write(split.name, rows);
}
// Kept for one last look, and made last: of the questions, from whichever range, that no other split has asked, so
// that the others stay as they always were.
write(
  'final',
  rowsOf(
    { name: 'final', rows: 400, perKey: 1 },
    ({ key, prompt }) => !asked.keys.has(key) && !asked.prompts.has(prompt),
  ),
);
