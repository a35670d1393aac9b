/** Writes public/datasets/word-helper/{train,dev,test,final}.jsonl: npx tsx scripts/default/dataset.ts */
import { mkdirSync, writeFileSync } from 'node:fs';
import { grade, parseGrader } from '../../src/pipeline/grade.ts';
import { splitsOf } from './splits.ts';

const folder = new URL('../../public/datasets/word-helper/', import.meta.url);

mkdirSync(folder, { recursive: true });
for (const { name, rows } of splitsOf()) {
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
