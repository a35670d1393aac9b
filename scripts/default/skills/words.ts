/** Questions about one word: its forms, its opposite, its kind. */
import { type Skill, without } from '../draft.ts';
import {
  comparative,
  falseComparatives,
  falsePasts,
  falsePlurals,
  gradable,
  kinds,
  nouns,
  oppositeOf,
  plural,
  verbs,
} from '../lexicon.ts';
import { at } from '../rng.ts';

export const pluralOf: Skill = (rng) => {
  const word = rng.pick(nouns);
  const answer = plural(word);
  const other = rng.pick(without(nouns, word));
  return {
    skill: 'plural',
    key: `plural ${word}`,
    prompts: [
      'What is the plural of {word}?',
      'Tell me the plural of {word}.',
      'One {word}, but two what?',
      'How do you say {word} when there are many?',
    ],
    answers: [
      'The plural of {word} is {answer}.',
      'One {word}, two {answer}.',
      'We say one {word} and many {answer}.',
    ],
    slots: { word, answer },
    slips: { answer: [...falsePlurals(word), plural(other), other], word: [other] },
    grader: (maxWords) => ({ kind: 'contains', all: [answer, word], maxWords }),
  };
};

export const pastOf: Skill = (rng) => {
  const verb = rng.pick(verbs);
  const [word, answer] = verb;
  const other = rng.pick(verbs.filter((entry) => entry !== verb));
  return {
    skill: 'past',
    key: `past ${word}`,
    prompts: [
      'What is the past of {word}?',
      'Tell me the past form of {word}.',
      'Today I {word}, but what about yesterday?',
      'How do you say {word} in the past?',
    ],
    answers: [
      'The past of {word} is {answer}.',
      'Today I {word}, yesterday I {answer}.',
      'In the past, {word} becomes {answer}.',
    ],
    slots: { word, answer },
    slips: { answer: [...falsePasts(verb), at(other, 1), at(other, 0)], word: [at(other, 0)] },
    grader: (maxWords) => ({ kind: 'contains', all: [answer, word], maxWords }),
  };
};

export const comparativeOf: Skill = (rng) => {
  const word = rng.pick(gradable);
  const answer = comparative(word);
  const other = rng.pick(without(gradable, word));
  return {
    skill: 'comparative',
    key: `comparative ${word}`,
    prompts: [
      'What is the comparative of {word}?',
      'How do you compare with {word}?',
      'This one is {word}, but what is that one?',
      'Tell me the form of {word} that compares.',
    ],
    answers: [
      'The comparative of {word} is {answer}.',
      'This one is {word}, that one is {answer}.',
      'To compare, {word} becomes {answer}.',
    ],
    slots: { word, answer },
    slips: { answer: [...falseComparatives(word), comparative(other), other], word: [other] },
    grader: (maxWords) => ({ kind: 'contains', all: [answer, word], maxWords }),
  };
};

export const oppositeOfWord: Skill = (rng) => {
  const word = rng.pick([...oppositeOf.keys()]);
  const answer = oppositeOf.get(word) ?? '';
  const wrong = rng.take(without([...oppositeOf.keys()], word, answer), 3);
  return {
    skill: 'opposite',
    key: `opposite ${[word, answer].sort().join(' ')}`,
    prompts: [
      'What is the opposite of {word}?',
      'Tell me the opposite of {word}.',
      'If it is not {word}, what is it?',
      'Which word means the reverse of {word}?',
    ],
    answers: [
      'The opposite of {word} is {answer}.',
      'If it is not {word}, it is {answer}.',
      'The reverse of {word} is {answer}.',
    ],
    slots: { word, answer },
    slips: { answer: [...wrong, word, comparative(word)], word: [at(wrong, 0)] },
    grader: (maxWords) => ({ kind: 'contains', all: [answer, word], maxWords }),
  };
};

export const kindOf: Skill = (rng) => {
  const answer = rng.pick(Object.keys(kinds));
  const word = rng.pick(kinds[answer] ?? []);
  const wrong = rng.take(without(Object.keys(kinds), answer), 3);
  return {
    skill: 'kind',
    key: `kind ${word}`,
    prompts: [
      'What kind of thing is {a word}?',
      'What is {a word}?',
      'Tell me what {a word} is.',
      'What do we call things like {a word}?',
    ],
    answers: [
      '{a word} is {a answer}.',
      'We call {a word} {a answer}.',
      'I think {a word} is {a answer}.',
    ].map((text) => text.replace(/^\{a word\}/, `${/^[aeio]/.test(word) ? 'An' : 'A'} {word}`)),
    slots: { word, answer },
    slips: { answer: [...wrong, word], word: [rng.pick(without(nouns, word))] },
    grader: (maxWords) => ({
      kind: 'contains',
      all: [word, answer],
      none: wrongKinds(word, answer),
      maxWords,
    }),
  };
};

function wrongKinds(word: string, kind: string): string[] {
  return Object.keys(kinds).filter((name) => name !== kind && name !== word);
}
