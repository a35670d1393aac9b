/** Every real data set: what is read, what is refused and why, and the first row. */
import { describe, expect, test } from 'vitest';
import { readRows } from '../../src/pipeline/dataset.ts';
import { bytesFile, type DataPreview, previewData } from '../../src/pipeline/import/index.ts';
import type { DataRow } from '../../src/pipeline/types.ts';
import { REAL_DATA, REAL_DATA_NOTE, realFile } from '../fixtures/realdata.ts';

interface Expected {
  readonly file: string;
  readonly preview: Partial<DataPreview>;
  readonly counts: Partial<Record<keyof DataRow, number>> & { readonly rows: number };
  readonly refused?: readonly [line: number, reason: string][];
  readonly duplicates?: readonly [line: number, reason: string][];
  /** Beginnings of the first row's texts. */
  readonly first: {
    readonly prompt: string;
    readonly target?: string;
    readonly turns?: number;
    readonly line: number;
  };
}

const OTHER_HISTORY = 'chosen and rejected differ before their last answer, so they are not a pair';
const EMPTY = 'chosen: the last answer is empty';

const FILES: readonly Expected[] = [
  {
    file: 'dpo_sharegpt_demo.json',
    preview: { container: 'json', format: 'preference' },
    counts: { rows: 294, target: 294, rejected: 294, history: 183 },
    duplicates: [
      [3814, 'the same as line 254'],
      [4526, 'the same as line 2710'],
      [5590, 'the same as line 1986'],
    ],
    first: {
      prompt: "Hi! I'd like to create a new language game simulating the first person perspective",
      target: 'That sounds like a fun and engaging idea! Here are some tips',
      line: 2,
    },
  },
  {
    file: 'gsm8k_test.jsonl',
    preview: { container: 'jsonl', format: 'gsm8k' },
    counts: { rows: 1319, target: 1319, grader: 1319 },
    first: {
      prompt: 'Janet’s ducks lay 16 eggs per day. She eats three for breakfast',
      target: 'Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.',
      line: 1,
    },
  },
  {
    file: 'hh_rlhf_harmless_base_test.jsonl.gz',
    preview: { container: 'jsonl', gzip: true, format: 'hh-rlhf' },
    counts: { rows: 2303, target: 2303, rejected: 2303, history: 1645 },
    refused: [
      [87, EMPTY],
      [517, EMPTY],
      [926, EMPTY],
      [1104, EMPTY],
      [1255, OTHER_HISTORY],
      [1689, OTHER_HISTORY],
      [1951, OTHER_HISTORY],
      [1953, OTHER_HISTORY],
      [2037, OTHER_HISTORY],
    ],
    first: { prompt: 'okay some of these do not', target: '', turns: 4, line: 1 },
  },
  {
    file: 'identity_alpaca.json',
    preview: { container: 'json', format: 'alpaca' },
    counts: { rows: 91, target: 91 },
    first: {
      prompt: 'hi',
      target: 'Hello! I am {{name}}, an AI assistant developed by {{author}}.',
      line: 2,
    },
  },
  {
    file: 'mt_bench_question.jsonl',
    preview: { container: 'jsonl', format: 'mt-bench' },
    counts: { rows: 80 },
    first: { prompt: 'Compose an engaging travel blog post about a recent trip to Hawaii', line: 1 },
  },
  {
    file: 'selfinstruct_user_oriented.jsonl',
    preview: { container: 'jsonl', format: 'self-instruct' },
    counts: { rows: 252, target: 252 },
    first: {
      prompt: 'The sentence you are given might be too wordy, complicated, or unclear.',
      target:
        "If you have any questions about my rate or find it necessary to increase or decrease this project's scope",
      line: 1,
    },
  },
  {
    file: 'sharegpt_dummy_conversation.json',
    preview: { container: 'json', format: 'sharegpt' },
    counts: { rows: 500, target: 500, history: 333 },
    first: { prompt: 'Have a nice day!', target: 'You too!', turns: 2, line: 2 },
  },
  {
    file: 'v1_dpo_demo.jsonl',
    preview: { container: 'jsonl', format: 'preference-messages' },
    counts: { rows: 10, target: 10, rejected: 10, history: 10 },
    first: {
      prompt: 'Abdulah Hasanagic este mândrul proprietar al AS Company din Gorazde',
      target: 'Abdulah Hasanagic is the proud owner of AS Company in Gorazde',
      turns: 1,
      line: 1,
    },
  },
  {
    file: 'v1_sft_messages_demo.jsonl',
    preview: { container: 'jsonl', format: 'messages' },
    counts: { rows: 499, target: 499 },
    duplicates: [[326, 'the same as line 168']],
    first: {
      prompt: 'hi',
      target: 'Hello! I am {{name}}, an AI assistant developed by {{author}}.',
      line: 1,
    },
  },
];

describe.skipIf(REAL_DATA === null)(`real data sets (${REAL_DATA_NOTE})`, () => {
  test.each(FILES)('$file', async ({ file, preview, counts, refused = [], duplicates = [], first }) => {
    const data = bytesFile(await realFile(`datasets/${file}`), file);
    expect(await previewData(data)).toMatchObject({ gzip: false, ...preview });
    const read = await readRows(data);
    const having = (key: keyof DataRow) => read.rows.filter((row) => row[key] !== undefined).length;
    expect({
      rows: read.rows.length,
      target: having('target'),
      rejected: having('rejected'),
      history: having('history'),
      grader: having('grader'),
    }).toEqual({ target: 0, rejected: 0, history: 0, grader: 0, ...counts });
    expect(read.refused.map(({ line, reason }) => [line, reason])).toEqual(refused);
    expect(read.duplicates.slice(0, 3).map(({ line, reason }) => [line, reason])).toEqual(duplicates);
    const [row] = read.rows;
    expect(row?.prompt.slice(0, first.prompt.length)).toBe(first.prompt);
    expect(row?.target?.slice(0, first.target?.length)).toBe(first.target);
    expect(row?.history?.length ?? 0).toBe(first.turns ?? 0);
    expect(row?.line).toBe(first.line);
  });
});
