/** --export, --answer and what belongs to them, as a user types them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readArguments } from '../../scripts/headless/arguments.ts';

const folder = mkdtempSync(join(tmpdir(), 'self-contrast-cli-exports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const extras = (...argv: string[]) => {
  const command = readArguments([...argv, '--out', join(folder, 'out')]);
  if (command === 'help') throw new Error('help');
  return command.extras;
};

test('nothing is exported or answered unless it is asked for', () => {
  expect(extras()).toEqual({
    formats: [],
    arm: 'selfContrast',
    benchmarks: [],
    answers: { arm: 'selfContrast', temperature: 0, maxTokens: 1024 },
  });
});

test('formats, benchmark files, and how they are answered', () => {
  const questions = file('question.jsonl', '{"question_id": 81, "turns": ["a", "b"]}\n');
  const alpaca = file('alpaca.json', '[{"instruction": "a"}]');
  const flags = [
    '--export',
    'gguf, onnx,gguf',
    '--arm',
    'sft',
    '--answer-temperature',
    '0.7',
    '--answer-tokens',
    '64',
  ];
  expect(extras(...flags, '--answer', questions, '--answer', alpaca)).toMatchObject({
    formats: ['gguf', 'onnx'],
    arm: 'sft',
    benchmarks: [{ name: 'question' }, { name: 'alpaca' }],
    answers: { arm: 'sft', temperature: 0.7, maxTokens: 64 },
  });
});

test.each<[string, string[], string]>([
  ['an unknown format', ['--export', 'gguf,tar'], '--export tar: there is no such format; there are merged,'],
  ['an unknown arm', ['--arm', 'best'], '--arm best: it must be one of base, sft, selfContrast'],
  ['a missing file', ['--answer', join(folder, 'none.jsonl')], 'no such file'],
  ['a file of something else', ['--answer', file('data.jsonl', '{"prompt": "a"}')], 'neither MT-Bench'],
  [
    'two files of one name',
    [
      '--answer',
      file('x.json', '[{"instruction": "a"}]'),
      '--answer',
      file('x.jsonl', '{"instruction": "a"}'),
    ],
    'two files are called x',
  ],
  ['a temperature past all sense', ['--answer-temperature', '11'], '--answer-temperature 11 is not allowed'],
  ['half a token', ['--answer-tokens', '0.5'], '--answer-tokens 0.5 is not allowed'],
])('%s is told of before anything starts', (_, argv, message) => {
  expect(() => extras(...argv)).toThrow(message);
});
