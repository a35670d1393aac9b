/** Answers to benchmark files, in the benchmarks' own forms. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdapterWeights, LanguageModel } from '../../src/engine/types.ts';
import { type AnswerRequest, answerBenchmark, readBenchmark } from '../../src/pipeline/export/answers.ts';
import { DEFAULT_ANSWERS } from '../../src/pipeline/export/defaults.ts';
import { ExportError } from '../../src/pipeline/export/types.ts';
import type { Arm } from '../../src/pipeline/types.ts';
import { DEFAULT_LM, greedy, LORA, loadModel, randomAdapter } from '../fixtures/export-run.ts';
import { REAL_DATA, REAL_DATA_NOTE, realPath } from '../fixtures/realdata.ts';

let model: LanguageModel;
let adapter: AdapterWeights;
beforeAll(async () => {
  model = await loadModel(DEFAULT_LM);
  adapter = randomAdapter(model);
}, 120_000);
afterAll(() => model.dispose());

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const rows = (bytes: Uint8Array | undefined) =>
  text(bytes)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const request = async (arm: Arm, change: Partial<AnswerRequest> = {}): Promise<AnswerRequest> => ({
  model,
  lora: LORA,
  adapter: arm === 'base' ? null : adapter,
  modelId: `run-${arm}`,
  options: { ...DEFAULT_ANSWERS, maxTokens: 24 },
  seed: 11,
  now: 1_700_000_000,
  onProgress: () => {},
  signal: new AbortController().signal,
  ...change,
});

test('AlpacaEval: greedy answers as the sampler gives them, in its form', async () => {
  const prompts = [
    {
      instruction: 'What is the plural of box?',
      output: 'theirs',
      generator: 'x',
      dataset: 'helpful_base',
    },
    { instruction: 'Spell cat.' },
  ];
  const answers = await answerBenchmark(
    readBenchmark(JSON.stringify(prompts)),
    await request('selfContrast'),
  );
  const ids = prompts.map(
    ({ instruction }) => model.tokenizer.renderPrompt([{ role: 'user', content: instruction }]).ids,
  );
  const sampler = await model.createSampler(LORA, adapter);
  const outputs: string[] = [];
  await sampler.sample(
    ids.map((promptIds) => ({ promptIds, n: 1, seed: 5 })),
    { temperature: 0, topP: 1, topK: 0, maxTokens: 24, stopIds: model.tokenizer.stopIds },
    (i, [sample]) => {
      outputs[i] = model.tokenizer.decode(sample?.tokenIds ?? []).trim();
    },
  );
  await sampler.dispose();
  expect(answers).toMatchObject({
    answers: 2,
    tooLong: 0,
    file: { path: 'run-selfContrast.json' },
  });
  expect(JSON.parse(text(answers.file.bytes))).toEqual([
    {
      instruction: 'What is the plural of box?',
      output: outputs[0],
      generator: 'run-selfContrast',
      dataset: 'helpful_base',
    },
    { instruction: 'Spell cat.', output: outputs[1], generator: 'run-selfContrast' },
  ]);
  expect(outputs[0]).not.toBe('');
});

test('two turns: the second is asked after the first has been answered', async () => {
  const question = { question_id: 7, category: 'x', turns: ['What is the plural of box?', 'Spell cat.'] };
  const { file } = await answerBenchmark(readBenchmark(JSON.stringify(question)), await request('base'));
  const [row] = rows(file.bytes);
  expect(row).toMatchObject({ question_id: 7, model_id: 'run-base', tstamp: 1_700_000_000 });
  expect(row.answer_id).toMatch(/^[0-9a-z]{22}$/);
  const [first, second] = row.choices[0].turns;
  const { ids } = model.tokenizer.renderPrompt([
    { role: 'user', content: 'What is the plural of box?' },
    { role: 'assistant', content: first },
    { role: 'user', content: 'Spell cat.' },
  ]);
  const [expected = []] = await greedy(model, null, [ids]);
  expect(second).toBe(model.tokenizer.decode(expected).trim());
});

test('a temperature samples, the same seed the same', async () => {
  const prompts = JSON.stringify([{ instruction: 'Name a fruit.' }, { instruction: 'Name a colour.' }]);
  const answer = async (seed: number) => {
    const options = { ...DEFAULT_ANSWERS, temperature: 1.5, maxTokens: 24 };
    return text(
      (await answerBenchmark(readBenchmark(prompts), await request('base', { options, seed }))).file.bytes,
    );
  };
  expect(await answer(1)).toBe(await answer(1));
  expect(await answer(1)).not.toBe(await answer(2));
});

test.each<[string, string, string]>([
  ['nothing', '', 'The file has no prompts'],
  ['something else', '{"text": "x"}', 'neither MT-Bench'],
  ['a bad line', '{"question_id": 1, "turns": ["x"]}\n{', 'Line 2 is not JSON'],
  ['a row without turns', '{"question_id": 1, "turns": ["x"]}\n{"question_id": 2}', 'Row 2: turns'],
])('%s is refused in words', (_, content, message) => {
  expect(() => readBenchmark(content)).toThrow(ExportError);
  expect(() => readBenchmark(content)).toThrow(message);
});

test.skipIf(REAL_DATA === null)(
  `MT-Bench's own questions, both turns (${REAL_DATA_NOTE})`,
  async () => {
    const lines = (await readFile(realPath('datasets/mt_bench_question.jsonl'), 'utf8')).trim().split('\n');
    expect(readBenchmark(lines.join('\n')).questions.length).toBe(80);
    const stories = await loadModel(realPath('stories260k-hf'));
    const benchmark = readBenchmark(lines.slice(0, 3).join('\n'));
    const { file, answers, tooLong } = await answerBenchmark(
      benchmark,
      await request('base', { model: stories, options: { ...DEFAULT_ANSWERS, maxTokens: 40 } }),
    );
    expect([answers, tooLong]).toEqual([6, 0]);
    const answered = rows(file.bytes);
    expect(answered.map((row) => row.question_id)).toEqual([81, 82, 83]);
    for (const row of answered) {
      expect(row.choices).toMatchObject([{ index: 0 }]);
      expect(row.choices[0].turns.length).toBe(2);
      for (const turn of row.choices[0].turns) expect(turn.length).toBeGreaterThan(10);
    }
    // The embedded model's context of 128 tokens is too short for most of them, and that is counted.
    const short = await answerBenchmark(benchmark, await request('base'));
    expect(short.tooLong).toBeGreaterThan(0);
    expect(
      rows(short.file.bytes)
        .flatMap((row) => row.choices[0].turns)
        .filter((turn) => turn === '').length,
    ).toBeGreaterThanOrEqual(short.tooLong);
    await stories.dispose();
  },
  120_000,
);
