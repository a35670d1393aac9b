import { describe, expect, it } from 'vitest';
import { type Grader, grade, parseGrader, plainWords } from '../../src/pipeline/grade.ts';

const cases: [Grader, right: string[], wrong: string[]][] = [
  [
    { kind: 'exact-any', accept: ['It is two.', 'two'] },
    ['Two', ' it  is TWO! ', '"Two".'],
    ['', 'twenty two', 'It is two. Or three.'],
  ],
  [
    { kind: 'contains', all: ['mouse', 'mice'], none: ['mouses'], maxWords: 8 },
    ['The plural of mouse is mice.', 'One mouse, two MICE'],
    ['The plural is mice.', 'mouse, mouses, mice', 'mouse mice a b c d e f g', 'dormouse mice'],
  ],
  [
    { kind: 'contains', any: ['ice cream', 'cake'] },
    ['Some ice-cream? No: ice cream.', 'cake'],
    ['cream ice', 'cakes'],
  ],
  [
    { kind: 'choice', answer: 'horse', options: ['horse', 'hammer', 'blue'] },
    ['The horse is the animal.', 'Horse'],
    ['The hammer.', 'The horse or the hammer.', 'A horsefly'],
  ],
  [
    { kind: 'choice', answer: 'pear', options: ['pear', 'plum'], maxWords: 4 },
    ['It is the pear.'],
    ['It is the pear again, dear.'],
  ],
  [{ kind: 'number', value: 1234 }, ['12 and 1,234', '= 1234.0.'], ['1234 or 7', 'none', '-1234']],
  [{ kind: 'number', value: 0.5, tolerance: 0.1 }, ['0.45', 'about 0.6'], ['0.7']],
  [{ kind: 'regex', pattern: '(\\p{L}+ ?)+\\u{21}$' }, ['é b!'], ['a '.repeat(3000)]],
  [{ kind: 'regex', pattern: '^yes\\b', flags: 'i' }, ['Yes, it is.'], ['Oh yes', 'Yesterday']],
];

describe('grade', () => {
  it.each(cases)('%j', (grader, right, wrong) => {
    for (const response of right) expect([response, grade(grader, response)]).toEqual([response, true]);
    for (const response of wrong) expect([response, grade(grader, response)]).toEqual([response, false]);
  });

  it('ignores case, punctuation, spacing and typographic apostrophes', () => {
    expect(plainWords(' The  mother’s T-shirt, (blue)! ')).toEqual(['the', "mother's", 't-shirt', 'blue']);
    expect(plainWords('Äpfel straße 3')).toEqual(['äpfel', 'straße', '3']);
  });
});

describe('parseGrader', () => {
  it('returns every kind unchanged', () => {
    for (const [grader] of cases) expect(parseGrader(JSON.parse(JSON.stringify(grader)))).toEqual(grader);
  });

  it.each<[unknown, string]>([
    ['right', 'grader: expected an object, found "right"'],
    [[], 'grader: expected an object, found []'],
    [null, 'grader: expected an object, found null'],
    [
      { kind: 'exact' },
      'grader.kind: expected one of exact-any, contains, choice, number, regex, found "exact"',
    ],
    [{ kind: 'toString' }, 'grader.kind: expected one of'],
    [{ kind: 'exact-any' }, 'grader.accept: missing'],
    [
      { kind: 'exact-any', accept: [] },
      'grader.accept: expected a list of texts with at least one, found []',
    ],
    [
      { kind: 'exact-any', accept: ['a', ' .'] },
      'grader.accept[1]: expected text with at least one letter or digit',
    ],
    [{ kind: 'contains' }, 'grader (contains): give at least one of all, any, none'],
    [
      { kind: 'contains', al: ['a'] },
      'grader (contains): unknown field "al"; known are all, any, none, maxWords',
    ],
    [
      { kind: 'contains', all: ['a'], maxWords: 0 },
      'grader.maxWords: expected a number of at least 1, found 0',
    ],
    [{ kind: 'choice', answer: 'a', options: ['b', 'c'] }, 'grader.options: must hold the answer "a"'],
    [{ kind: 'number', value: '7' }, 'grader.value: expected a number, found "7"'],
    [
      { kind: 'number', value: 7, tolerance: -1 },
      'grader.tolerance: expected a number of at least 0, found -1',
    ],
    [{ kind: 'regex', pattern: '(' }, 'grader.pattern: error parsing regexp: missing closing )'],
    [{ kind: 'regex', pattern: '(?=a)b' }, 'grader.pattern: error parsing regexp: invalid or unsupported'],
    [{ kind: 'regex', pattern: 'a'.repeat(1001) }, 'grader.pattern: 1001 characters, of at most 1000'],
    [{ kind: 'regex', pattern: 'a', flags: 'g' }, 'grader.flags: expected some of i, m, s, u, found "g"'],
  ])('refuses %j', (value, message) => {
    expect(() => parseGrader(value)).toThrow(message);
  });
});
