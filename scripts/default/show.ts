/** Prints a few documents and one question a skill: npx tsx scripts/default/show.ts [seed] */
import { documents } from './corpus.ts';
import { ask, skills } from './questions.ts';
import { Rng } from './rng.ts';

const seed = Number(process.argv[2] ?? 1);
const stream = documents(seed);
for (let i = 0; i < 5; i++) console.log(`${stream.next().value}\n`);
const rng = new Rng(seed);
for (const skill of skills) {
  const question = ask(rng, skill);
  console.log(`${question.skill.padEnd(12)} ${question.prompt}\n  right:    ${question.target}`);
  for (let i = 0; i < 3; i++) console.log(`  careless: ${ask(rng, skill).careless}`);
  console.log(`  ${JSON.stringify(question.grader)}`);
}
