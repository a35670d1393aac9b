/** Settings and graders. */
import fc from 'fast-check';
import { CONFIG_KEYS, ConfigError, DEFAULT_CONFIG, parseConfig, setKey } from '../../src/pipeline/config.ts';
import { GraderError, grade, parseGrader } from '../../src/pipeline/grade.ts';
import { fuzz } from './fuzz.ts';
import { valuesLike } from './inputs.ts';

const hostile = '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}';

fuzz('RunConfig', {
  inputs: valuesLike(JSON.stringify(DEFAULT_CONFIG), '{"dpo": {"beta": 0.3}, "seed": 5}', hostile),
  read: (value) => {
    const config = parseConfig(value);
    if ('polluted' in {} || 'polluted' in config) throw new Error('a prototype was changed');
    if (JSON.stringify(Object.keys(config)) !== JSON.stringify(Object.keys(DEFAULT_CONFIG))) {
      throw new Error('other keys than those of the settings');
    }
    parseConfig(JSON.parse(JSON.stringify(config)));
  },
  errors: [ConfigError],
  examples: [
    { ['k'.repeat(1_000_000)]: 1 },
    Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key${i}`, i])),
    { model: 'x'.repeat(5_000_000), seed: 'y'.repeat(5_000_000) },
    { lora: { targets: Array.from({ length: 100_000 }, () => 'q_proj') } },
  ],
});

fuzz('--set', {
  inputs: fc.tuple(
    fc.oneof(
      fc.constantFrom<string>(...CONFIG_KEYS),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('__proto__.x', 'dpo.__proto__', 'constructor'),
    ),
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('1e999', '-0', '', ' ', 'NaN', '0x10', '9'.repeat(400), 'a'.repeat(100_000)),
    ),
  ),
  read: ([key, value]) => setKey(DEFAULT_CONFIG, key, value),
  errors: [ConfigError],
});

const GRADERS = [
  { kind: 'exact-any', accept: ['yes', 'no'] },
  { kind: 'contains', all: ['a'], any: ['b'], none: ['c'], maxWords: 9 },
  { kind: 'choice', answer: 'a', options: ['a', 'b'] },
  { kind: 'number', value: 3, tolerance: 0.5 },
  { kind: 'regex', pattern: '^\\s*(yes|no)\\b', flags: 'i' },
].map((grader) => JSON.stringify(grader));

const RESPONSES = ['', 'yes', 'a b c', '1,234.5', `${'a'.repeat(5000)}!`, '\ud800', '١٢', 'The answer is 3.'];

/** Patterns that take a backtracking engine longer than the sun has left. */
const ENDLESS = [
  '(a+)+$',
  '(a|a)*$',
  '(a|aa)+$',
  '(.*)*x',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(?:a{1,50}){1,50}$',
  '(\\w+\\s?)*$',
];

fuzz('graders', {
  inputs: fc.oneof(
    valuesLike(...GRADERS),
    fc.constantFrom(...ENDLESS).map((pattern) => ({ kind: 'regex', pattern })),
  ),
  read: (value) => {
    const grader = parseGrader(value);
    for (const response of RESPONSES) {
      if (typeof grade(grader, response) !== 'boolean') throw new TypeError('a grade is no boolean');
    }
  },
  errors: [GraderError],
  examples: [{ kind: 'x'.repeat(1_000_000) }, { kind: 'regex', pattern: '('.repeat(100_000) }],
});
