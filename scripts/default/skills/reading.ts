/** Questions about a short text, and short texts to write or change. */
import { type Skill, without } from '../draft.ts';
import {
  animals,
  colors,
  doingVerbs,
  furniture,
  goingVerbs,
  names,
  oppositeOf,
  places,
  things,
  type Verb,
  withEs,
} from '../lexicon.ts';

export const whoHas: Skill = (rng) => {
  const [a, b, c] = rng.take(names, 3) as [string, string, string];
  const [x, y] = rng.take(things, 2) as [string, string];
  const first = rng.chance(0.5);
  const answer = first ? a : b;
  const thing = first ? x : y;
  return {
    skill: 'who',
    key: `who ${a} ${x} ${b} ${y} ${thing}`,
    prompts: [
      '{a} has {a x} and {b} has {a y}. Who has the {thing}?',
      '{a} bought {a x}, but {b} bought {a y}. Who has {a thing} now?',
      'The {x} is for {a}, the {y} is for {b}. Who gets the {thing}?',
    ],
    answers: [
      'The {thing} is with {answer}.',
      'It is {answer} who has the {thing}.',
      'I think {answer} has the {thing}.',
    ],
    slots: { answer, thing, a, b, x, y },
    slips: { answer: [first ? b : a, c], thing: [first ? y : x, rng.pick(without(things, x, y))] },
    grader: (maxWords) => ({
      kind: 'contains',
      all: [answer, thing],
      none: [...without(names, answer), first ? y : x],
      maxWords,
    }),
  };
};

export const whereIs: Skill = (rng) => {
  const [x, y] = rng.take(things, 2) as [string, string];
  const [p, q, r] = rng.take([...furniture, ...places], 3) as [string, string, string];
  const first = rng.chance(0.5);
  const answer = first ? p : q;
  const thing = first ? x : y;
  return {
    skill: 'where',
    key: `where ${x} ${p} ${y} ${q} ${thing}`,
    prompts: [
      'The {x} is near the {p} and the {y} is near the {q}. Where is the {thing}?',
      'I left the {x} by the {p} and the {y} by the {q}. Where is the {thing}?',
    ],
    answers: [
      'The {thing} is near the {answer}.',
      'Near the {answer} is the {thing}.',
      'You can find the {thing} by the {answer}.',
    ],
    slots: { answer, thing, x, y, p, q },
    slips: { answer: [first ? q : p, r], thing: [first ? y : x, rng.pick(without(things, x, y))] },
    grader: (maxWords) => ({
      kind: 'contains',
      all: [answer, thing],
      none: [first ? q : p, first ? y : x],
      maxWords,
    }),
  };
};

export const whichColor: Skill = (rng) => {
  const [no, answer, other] = rng.take(colors, 3) as [string, string, string];
  const thing = rng.pick(things);
  return {
    skill: 'color',
    key: `color ${thing} ${no} ${answer}`,
    prompts: [
      'The {thing} is not {no} but {answer}. What color is the {thing}?',
      'My {thing} was {no}. Now it is {answer}. What color is my {thing} now?',
      'I thought the {thing} was {no}, but it is {answer}. What color is it?',
    ],
    answers: [
      'The {thing} is {answer}.',
      'The color of the {thing} is {answer}.',
      'Now the {thing} is {answer}.',
    ],
    slots: { answer, no, thing },
    slips: {
      answer: [no, no, other, rng.pick(without(colors, answer))],
      thing: [rng.pick(without(things, thing))],
    },
    grader: (maxWords) => ({
      kind: 'contains',
      all: [answer, thing],
      none: without(colors, answer),
      maxWords,
    }),
  };
};

export const intoPast: Skill = (rng) => {
  const going = rng.chance(0.4);
  const [verb, other] = rng.take(going ? goingVerbs : doingVerbs, 2) as [Verb, Verb];
  const [name, name2] = rng.take(names, 2) as [string, string];
  const [end, end2] = rng.take(going ? places : things, 2) as [string, string];
  const link = going ? 'to the' : rng.pick(['the', 'a new', 'an old', 'my']);
  const answer = verb[1];
  return {
    skill: 'into-past',
    key: `into-past ${name} ${answer} ${link} ${end}`,
    prompts: [
      'Put this in the past: {name} {present} {link} {end}.',
      'Say it for yesterday: {name} {present} {link} {end}.',
      'Today {name} {present} {link} {end}. What about yesterday?',
    ],
    answers: ['{name} {answer} {link} {end}.', 'Yesterday {name} {answer} {link} {end}.'],
    slots: { answer, name, link, end, present: withEs(verb[0]) },
    slips: {
      answer: [withEs(verb[0]), verb[0], other[1], withEs(other[0])],
      name: [name2],
      end: [end2],
    },
    grader: () => ({
      kind: 'exact-any',
      accept: [`${name} ${answer} ${link} ${end}`, `Yesterday ${name} ${answer} ${link} ${end}`],
    }),
  };
};

export const turnAround: Skill = (rng) => {
  const word = rng.pick([...oppositeOf.keys()]);
  const answer = oppositeOf.get(word) ?? '';
  const wrong = rng.take(without([...oppositeOf.keys()], word, answer), 2);
  const [thing, thing2] = rng.take([...things, ...animals, ...places], 2) as [string, string];
  return {
    skill: 'turn-around',
    key: `turn-around ${thing} ${word}`,
    prompts: [
      'Say the opposite: the {thing} is {word}.',
      'The {thing} is {word}. Turn this around.',
      'It is wrong that the {thing} is {word}. How is it then?',
    ],
    answers: ['The {thing} is {answer}.', 'Then the {thing} is {answer}.', 'No, the {thing} is {answer}.'],
    slots: { answer, word, thing },
    slips: { answer: [word, ...wrong], thing: [thing2] },
    grader: (maxWords) => ({ kind: 'contains', all: [thing, answer], none: [word], maxWords }),
  };
};

export const useWords: Skill = (rng) => {
  const [a, a2] = rng.take([...animals, ...without(things, 'glass')], 2) as [string, string];
  const [b, b2] = rng.take([...places, ...furniture], 2) as [string, string];
  const [verb] = rng.pick([...goingVerbs, ...doingVerbs]);
  const verbs = { does: withEs(verb), name: rng.pick(names), color: rng.pick(colors) };
  return {
    skill: 'use-words',
    key: `use-words ${a} ${b}`,
    prompts: [
      'Use the words {answer} and {place} in one sentence.',
      'Write a sentence with {answer} and {place}.',
      'Make a short sentence about {a answer} and {a place}.',
    ],
    answers: [
      'The {color} {answer} is in the {place}.',
      '{name} sees {a answer} near the {place}.',
      'There is {a answer} by the {color} {place}.',
      'In the {place}, {name} has {a answer}.',
    ],
    slots: { answer: a, place: b, ...verbs },
    slips: {
      answer: [a2, rng.pick(things)].filter((w) => w !== a),
      place: [b2, rng.pick(furniture)].filter((w) => w !== b),
    },
    grader: (maxWords) => ({ kind: 'contains', all: [a, b], maxWords }),
  };
};
