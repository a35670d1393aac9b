import { type Grader, grade } from '../../src/pipeline/grade.ts';
import { type Draft, fill, maxWords, type Skill } from './draft.ts';
import { animals, colors, names, places, plural, things } from './lexicon.ts';
import type { Rng } from './rng.ts';
import * as lists from './skills/lists.ts';
import * as numbers from './skills/numbers.ts';
import * as reading from './skills/reading.ts';
import * as words from './skills/words.ts';

export interface Question {
  readonly skill: string;
  readonly key: string;
  readonly prompt: string;
  readonly target: string;
  readonly grader: Grader;
  /** A careless answer: wrong by the grader. */
  readonly careless: string;
}

/** In the order of their names, file by file, as modules list them (not every loader does). */
export const skills: readonly Skill[] = [words, lists, numbers, reading].flatMap((file): Skill[] =>
  Object.entries(file)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, skill]) => skill),
);

const openings = [
  'Please help me.',
  'I have a question.',
  'Hello!',
  'A small question:',
  'Can you help?',
  'Quick question.',
  'Good morning!',
];

/** One question with several answers to it, each careless with probability `rate`. */
export function askForAnswers(rng: Rng, count: number, rate: number): { prompt: string; answers: string[] } {
  const draft = rng.pick(skills)(rng);
  const grader = draft.grader(maxWords(draft));
  const answer = () =>
    rng.chance(rate) ? careless(rng, draft, grader) : fill(rng.pick(draft.answers), draft.slots);
  return { prompt: phrased(rng, draft), answers: Array.from({ length: count }, answer) };
}

function phrased(rng: Rng, draft: Draft): string {
  const prompt = fill(rng.pick(draft.prompts), draft.slots);
  return rng.chance(0.3) ? `${rng.pick(openings)} ${prompt}` : prompt;
}

export function ask(rng: Rng, skill: Skill = rng.pick(skills)): Question {
  const draft = skill(rng);
  const prompt = phrased(rng, draft);
  const grader = draft.grader(maxWords(draft));
  return {
    skill: draft.skill,
    key: draft.key,
    prompt,
    target: fill(rng.pick(draft.answers), draft.slots),
    grader,
    careless: careless(rng, draft, grader),
  };
}

/** Wrong content, another subject, an answer to another question, or an answer that wanders off. */
function careless(rng: Rng, draft: Draft, grader: Grader): string {
  for (let tries = 0; tries < 50; tries++) {
    const text = attempt(rng, draft);
    if (!grade(grader, text)) return text;
  }
  throw new Error(`internal: no careless answer to ${draft.key}`);
}

function attempt(rng: Rng, draft: Draft): string {
  const way = rng.next();
  if (way < 0.6) return slip(rng, draft);
  if (way < 0.75) {
    const answer = rng.chance(0.5) ? slip(rng, draft) : fill(rng.pick(draft.answers), draft.slots);
    return `${answer} ${aside(rng)}`;
  }
  if (way < 0.85) return aside(rng);
  const other = rng.pick(skills)(rng);
  return fill(rng.pick(other.answers), other.slots);
}

/** The answer with the wrong word in one or two places. */
function slip(rng: Rng, draft: Draft): string {
  const slots = { ...draft.slots };
  const names = Object.keys(draft.slips);
  const count = names.length > 1 && rng.chance(0.25) ? 2 : 1;
  const chosen = rng.chance(0.75) ? ['answer', ...rng.take(names, count - 1)] : rng.take(names, count);
  for (const name of chosen) slots[name] = rng.pick(draft.slips[name] ?? []);
  return fill(rng.pick(draft.answers), slots);
}

const asideTemplates = [
  'The {animal} sleeps near the {place}.',
  '{name} likes the {color} {thing}.',
  'Yesterday {name} went to the {place}.',
  'I like {animals} and {things}.',
  'There is {a thing} in the {place}.',
  '{name} and {name2} have {a animal}.',
  'My {thing} is {color}.',
  'Many {animals} live in the {place}.',
];

/** A sentence that has nothing to do with the question. */
export function aside(rng: Rng): string {
  return fill(rng.pick(asideTemplates), {
    animal: rng.pick(animals),
    animals: plural(rng.pick(animals)),
    thing: rng.pick(things),
    things: plural(rng.pick(things)),
    place: rng.pick(places),
    color: rng.pick(colors),
    name: rng.pick(names),
    name2: rng.pick(names),
  });
}
