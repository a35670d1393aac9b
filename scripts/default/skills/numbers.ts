/** Questions about numbers, days and months. */
import { type Draft, type Skill, without } from '../draft.ts';
import { days, months, numbers } from '../lexicon.ts';
import { at } from '../rng.ts';

export const larger: Skill = (rng) => {
  const more = rng.chance(0.5);
  const i = rng.below(20);
  const j = i + 1 + rng.below(20 - i);
  const [a, b] = rng.shuffle([at(numbers, i), at(numbers, j)]) as [string, string];
  const answer = at(numbers, more ? j : i);
  return {
    skill: 'larger',
    key: `larger ${more} ${i} ${j}`,
    prompts: [
      'Which is {word}, {a} or {b}?',
      'Take {a} and {b}. Which number is {word}?',
      'Which of the numbers {a} and {b} is {word}?',
    ],
    answers: [
      'The {word} number is {answer}.',
      'Of these, {answer} is {word}.',
      'The number {answer} is {word}.',
    ],
    slots: { answer, a, b, word: more ? 'larger' : 'smaller' },
    slips: { answer: [at(numbers, more ? i : j), ...rng.take(without(numbers, a, b), 3)] },
    grader: (maxWords) => ({ kind: 'choice', answer, options: [...numbers], maxWords }),
  };
};

export const sum: Skill = (rng) => {
  const i = 1 + rng.below(9);
  const j = 1 + rng.below(9);
  const answer = at(numbers, i + j);
  const near = [i + j - 1, i + j + 1, i + j + 2, i + j - 2].filter(
    (n) => n > 0 && n <= 20 && n !== i && n !== j,
  );
  return {
    skill: 'sum',
    key: `sum ${Math.min(i, j)} ${Math.max(i, j)}`,
    prompts: ['What is {a} plus {b}?', 'How much is {a} and {b}?', 'Add {a} and {b}.'],
    answers: ['The sum is {answer}.', 'Together that makes {answer}.', 'When we add them, we get {answer}.'],
    slots: { answer, a: at(numbers, i), b: at(numbers, j) },
    slips: { answer: near.map((n) => at(numbers, n)) },
    grader: (maxWords) => ({ kind: 'choice', answer, options: [...numbers], maxWords }),
  };
};

export const neighbor: Skill = (rng) => {
  const series = rng.pick<readonly string[]>([days, months, numbers, numbers]);
  const after = rng.chance(0.5);
  const round = series !== numbers;
  const i = round ? rng.below(series.length) : 1 + rng.below(series.length - 2);
  const answer = at(series, (i + (after ? 1 : -1) + series.length) % series.length);
  const word = at(series, i);
  const draft: Omit<Draft, 'prompts' | 'answers'> = {
    skill: 'neighbor',
    key: `neighbor ${after} ${word}`,
    slots: { answer, word },
    slips: { answer: rng.take(without(series, answer), 4), word: [rng.pick(without(series, word))] },
    grader: (maxWords) => ({ kind: 'contains', all: [answer, word], maxWords }),
  };
  return after
    ? {
        ...draft,
        prompts: ['What comes after {word}?', 'What follows {word}?', 'Say what comes next after {word}.'],
        answers: [
          'After {word} comes {answer}.',
          'What follows {word} is {answer}.',
          'The next after {word} is {answer}.',
        ],
      }
    : {
        ...draft,
        prompts: [
          'What comes before {word}?',
          'What is just before {word}?',
          'Say what we have before {word}.',
        ],
        answers: [
          'Before {word} comes {answer}.',
          'What is just before {word} is {answer}.',
          'Before {word} we have {answer}.',
        ],
      };
};
