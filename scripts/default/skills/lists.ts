/** Questions about a list of words. */
import { type Skill, spoken, without } from '../draft.ts';
import { kinds, names, nouns, numbers, plural } from '../lexicon.ts';
import { at, type Rng } from '../rng.ts';

const clear = Object.keys(kinds).filter((kind) => kind !== 'person' && kind !== 'furniture');

function kindAndRest(rng: Rng): { kind: string; inside: readonly string[]; outside: string[] } {
  const kind = rng.pick(clear);
  const inside = kinds[kind] ?? [];
  return { kind, inside, outside: without(nouns, ...inside) };
}

const keyOf = (skill: string, about: string, words: readonly string[]) =>
  `${skill} ${about} ${[...words].sort().join(' ')}`;

export const pick: Skill = (rng) => {
  const { kind, inside, outside } = kindAndRest(rng);
  const answer = rng.pick(inside);
  const wrong = rng.take(outside, 3);
  const options = rng.shuffle([answer, ...wrong]);
  return {
    skill: 'pick',
    key: keyOf('pick', kind, options),
    prompts: [
      'Which of these is {a kind}: {list}?',
      'Find the {kind}: {list}.',
      'Here are four words: {list}. Which one is {a kind}?',
    ],
    answers: [
      'The {answer} is the {kind}.',
      'Of these, the {answer} is {a kind}.',
      'The {kind} here is the {answer}.',
    ],
    slots: { kind, answer, list: spoken(options) },
    slips: { answer: [...wrong, rng.pick(nouns.filter((noun) => !options.includes(noun)))] },
    grader: (maxWords) => ({ kind: 'choice', answer, options, maxWords }),
  };
};

export const oddOneOut: Skill = (rng) => {
  const { inside, outside } = kindAndRest(rng);
  const answer = rng.pick(outside);
  const wrong = rng.take(inside, 3);
  const options = rng.shuffle([answer, ...wrong]);
  return {
    skill: 'odd',
    key: keyOf('odd', '', options),
    prompts: [
      'Which word does not belong: {list}?',
      'Find the odd one out: {list}.',
      'One of these is not like the others: {list}. Which one?',
    ],
    answers: [
      'The odd one out is {answer}.',
      'The word {answer} does not belong.',
      'It is {answer} that is not like the others.',
    ],
    slots: { answer, list: spoken(options) },
    slips: { answer: [...wrong, rng.pick(nouns.filter((noun) => !options.includes(noun)))] },
    grader: (maxWords) => ({ kind: 'choice', answer, options, maxWords }),
  };
};

const ranks = ['first', 'second', 'third', 'last'];

export const position: Skill = (rng) => {
  const options = rng.take(nouns, 4);
  const i = rng.below(4);
  const answer = at(options, i);
  return {
    skill: 'position',
    key: `position ${i} ${options.join(' ')}`,
    prompts: [
      'What is the {rank} word of {list}?',
      'Look at this list: {list}. Which word is {rank}?',
      'Say the {rank} word: {list}.',
    ],
    answers: [
      'The {rank} word is {answer}.',
      'In this list, {answer} is {rank}.',
      'The word {answer} is {rank}.',
    ],
    slots: { answer, rank: at(ranks, i), list: spoken(options) },
    slips: {
      answer: [...without(options, answer), rng.pick(without(nouns, ...options))],
      rank: without(ranks, at(ranks, i)),
    },
    grader: (maxWords) => ({ kind: 'choice', answer, options, maxWords }),
  };
};

export const startsWith: Skill = (rng) => {
  const answer = rng.pick(nouns);
  const letter = at([...answer], 0);
  const wrong = rng.take(
    nouns.filter((noun) => !noun.startsWith(letter)),
    3,
  );
  const options = rng.shuffle([answer, ...wrong]);
  return {
    skill: 'letter',
    key: keyOf('letter', letter, options),
    prompts: [
      'Which word starts with {letter}: {list}?',
      'Find the word that begins with {letter}: {list}.',
      'Which of these has {letter} as its first letter: {list}?',
    ],
    answers: [
      'The word {answer} starts with {letter}.',
      'It is {answer} that begins with {letter}.',
      'The first letter of {answer} is {letter}.',
    ],
    slots: { answer, letter, list: spoken(options) },
    slips: { answer: [...wrong, rng.pick(nouns.filter((noun) => !options.includes(noun)))] },
    grader: (maxWords) => ({ kind: 'choice', answer, options, maxWords }),
  };
};

export const howMany: Skill = (rng) => {
  const n = 2 + rng.below(5);
  const { kind, inside } = kindAndRest(rng);
  const words = rng.take(inside, n);
  const answer = at(numbers, n);
  const things = kind === 'part of the body' ? 'words' : plural(kind);
  return {
    skill: 'count',
    key: keyOf('count', '', words),
    prompts: [
      'How many {things} are in this list: {list}?',
      'Count the {things}: {list}.',
      'I see {list}. How many {things} do I see?',
    ],
    answers: [
      'There are {answer} {things}.',
      'I count {answer} {things}.',
      'The list has {answer} {things}.',
    ],
    slots: { answer, things, list: spoken(words) },
    slips: {
      answer: without(numbers.slice(1, 11), answer),
      things: without(clear, kind, 'part of the body').map(plural),
    },
    grader: (maxWords) => ({ kind: 'contains', all: [answer, things], maxWords }),
  };
};

export const another: Skill = (rng) => {
  const { kind, inside, outside } = kindAndRest(rng);
  const given = rng.take(inside, 2);
  const right = without(inside, ...given);
  const [a, b] = [at(given, 0), at(given, 1)];
  return {
    skill: 'another',
    key: keyOf('another', kind, given),
    prompts: [
      'Name {a kind} other than {a} and {b}.',
      'I know {a} and {b}. Name one more {kind}.',
      'Can you think of {a kind} besides {a} and {b}?',
    ],
    answers: [
      'Another {kind} is the {answer}.',
      'One more {kind} is the {answer}.',
      'The {answer} is {a kind} too.',
    ],
    slots: { kind, answer: rng.pick(right), a, b },
    slips: { answer: [a, b, ...rng.take(outside, 5)] },
    grader: (maxWords) => ({ kind: 'contains', any: right, none: given, maxWords }),
  };
};

export const allNames: Skill = (rng) => {
  const answer = rng.pick(names);
  const wrong = rng.take(nouns, 3);
  const options = rng.shuffle([answer, ...wrong]);
  return {
    skill: 'name',
    key: keyOf('name', '', options),
    prompts: [
      'Which of these is the name of somebody: {list}?',
      'Find the name: {list}.',
      'One of these words is a name: {list}. Which one?',
    ],
    answers: ['The name is {answer}.', 'Here, {answer} is a name.', 'Somebody is called {answer}.'],
    slots: { answer, list: spoken(options) },
    slips: { answer: [...wrong, rng.pick(without(names, answer))] },
    grader: (maxWords) => ({
      kind: 'choice',
      answer,
      options: [...options, ...without(names, answer)],
      maxWords,
    }),
  };
};
