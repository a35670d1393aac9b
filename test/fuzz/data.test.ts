/** Data files: JSON Lines, JSON, CSV, TSV, Parquet, and gzip of them; known formats with other values in them. */

import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { parquetWriteBuffer } from 'hyparquet-writer';
import {
  bytesFile,
  DataError,
  FORMAT_NAMES,
  previewData,
  readData,
} from '../../src/pipeline/import/index.ts';
import { fuzz } from './fuzz.ts';
import { bytesLike, encode, jsonLike } from './inputs.ts';

const NAMES = [
  'data.jsonl',
  'data.json',
  'data.csv',
  'data.tsv',
  'data.parquet',
  'data.jsonl.gz',
  'data',
  '.',
  '<b>.txt',
];
const name = fc.constantFrom(...NAMES);

/** Reads the whole file, as preview and as import, and holds every row to what the rest relies on. */
async function read([bytes, file]: readonly [Uint8Array, string]): Promise<void> {
  const preview = await previewData(bytesFile(bytes, file));
  if (preview.records.length > 20) throw new Error(`${preview.records.length} records in a preview`);
  if (preview.format !== null && !FORMAT_NAMES.includes(preview.format)) throw new Error(preview.format);
  for await (const batch of readData(bytesFile(bytes, file))) {
    for (const { prompt, history = [], target = '', rejected = [] } of batch.rows) {
      const texts: unknown[] = [prompt, target, ...rejected, ...history.map(({ content }) => content)];
      if (!texts.every((text) => typeof text === 'string')) throw new Error('a text is none');
      if (prompt.trim() === '') throw new Error('an empty prompt');
      if (!history.every(({ role }) => ['system', 'user', 'assistant'].includes(role)))
        throw new Error('a role');
    }
    for (const { line, reason } of [...batch.refused, ...batch.duplicates]) {
      if (!Number.isInteger(line) || line < 1) throw new Error(`line ${line}`);
      if (reason.trim() === '' || reason.length > 1000)
        throw new Error(`a reason of ${reason.length} characters`);
    }
    if (!(batch.bytes >= 0 && batch.bytes <= bytes.length)) throw new Error(`${batch.bytes} bytes`);
  }
  if ('polluted' in {}) throw new Error('the prototype of all objects was changed');
}

const RECORDS: readonly unknown[] = [
  { prompt: 'a', target: 'b', grader: { kind: 'contains', all: ['b'], maxWords: 3 } },
  { prompt: 'a', completion: 'b' },
  { question: 'a', answer: 'b #### 4' },
  { instruction: 'a', input: 'b', output: 'c' },
  {
    conversations: [
      { from: 'human', value: 'a' },
      { from: 'gpt', value: 'b' },
    ],
  },
  {
    messages: [
      { role: 'system', content: 's' },
      { role: 'user', content: [{ type: 'text', text: 'a' }] },
      { role: 'assistant', content: 'b' },
    ],
  },
  { prompt: 'a', chosen: 'b', rejected: 'c' },
  {
    prompt: [{ role: 'user', content: 'a' }],
    chosen: [{ role: 'assistant', content: 'b' }],
    rejected: [{ role: 'assistant', content: 'c' }],
  },
  { chosen: '\n\nHuman: a\n\nAssistant: b', rejected: '\n\nHuman: a\n\nAssistant: c' },
  {
    prompt: 'a',
    answers: [
      { answer: 'b', rank: 1 },
      { answer: 'c', rank: 2 },
    ],
  },
  { data_source: 'x', prompt: [{ role: 'user', content: 'a' }], reward_model: { ground_truth: 'b' } },
  { question_id: 1, category: 'x', turns: ['a', 'b'] },
  { id: 'x', instruction: 'a', instances: [{ input: 'b', output: 'c' }] },
];
const lines = RECORDS.map((record) => JSON.stringify(record));
const JSONL = lines.flatMap((line) => [line, line.replaceAll('"a"', '"d"')]).join('\n');
const CSV = 'prompt,target,rejected\r\na,b,c\r\n"x ""y"",\nz","2, 3",\r\n,,\r\n';
const TSV = 'instruction\tinput\toutput\na\tb\tc\n';
const parquet = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: 'prompt', data: ['a', 'b', 'a long prompt '.repeat(20)], type: 'STRING' },
      { name: 'response', data: ['x', null, 'y'], type: 'STRING' },
    ],
  }),
);
const nested = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      {
        name: 'messages',
        data: [
          [
            { role: 'user', content: 'a' },
            { role: 'assistant', content: 'b' },
          ],
        ],
        type: 'JSON',
      },
    ],
  }),
);

fuzz('JSON Lines of every known format', {
  inputs: fc.tuple(jsonLike(JSONL, ...lines).map(encode), name),
  read,
  errors: [DataError],
  examples: [
    [encode(`{"prompt": "${'x'.repeat(1_000_000)}", "target": "y"}\n`.repeat(3)), 'data.jsonl'],
    [encode('{"a":'.repeat(100_000)), 'data.jsonl'],
    [encode(`${'['.repeat(500_000)}`), 'data.json'],
    [
      encode(
        `{"messages": [${'{"role":"user","content":"a"},'.repeat(50_000)}{"role":"assistant","content":"b"}]}`,
      ),
      'data.jsonl',
    ],
    [encode(`{${Array.from({ length: 50_000 }, (_, i) => `"c${i}": ${i}`).join(',')}}`), 'data.jsonl'],
    [encode('\n'.repeat(200_000)), 'data.jsonl'],
    [encode('x\n'.repeat(20_000)), 'data.jsonl'],
  ],
});

fuzz('one JSON list, perhaps within an object', {
  inputs: fc.tuple(
    jsonLike(`[${lines.join(',\n')}]`, `{"version": 1, "data": [${lines.join(',')}]}`).map(encode),
    name,
  ),
  read,
  errors: [DataError],
});

fuzz('CSV and TSV', {
  inputs: fc.tuple(bytesLike(encode(CSV), encode(TSV)), fc.constantFrom('data.csv', 'data.tsv', 'data.txt')),
  read,
  errors: [DataError],
  examples: [
    [encode(`prompt,target\n"${'""'.repeat(300_000)}`), 'data.csv'],
    [encode(Array.from({ length: 20_000 }, (_, i) => `c${i}`).join(',')), 'data.csv'],
    [encode(`prompt,target\n${'"a" b,c\n'.repeat(20_000)}`), 'data.csv'],
    [encode(`prompt,target\n"${'\n'.repeat(200_000)}`), 'data.csv'],
    [encode('"'.repeat(300_001)), 'data.csv'],
  ],
});

fuzz('Parquet', {
  inputs: fc.tuple(bytesLike(parquet, nested), fc.constantFrom('data.parquet', 'data')),
  read,
  errors: [DataError],
});

const zipped = [JSONL, CSV, `[${lines.join(',')}]`].map((text) => gzipSync(encode(text)));
fuzz('gzip', {
  inputs: fc.tuple(bytesLike(...zipped, gzipSync(parquet)), fc.constantFrom('data.jsonl.gz', 'data.gz')),
  read,
  errors: [DataError],
  examples: [
    [gzipSync(new Uint8Array(10_000_000).fill(120)), 'bomb.jsonl.gz'],
    [gzipSync(encode('{"prompt": "a", "target": "b"}\n'.repeat(20_000))), 'many.jsonl.gz'],
  ],
  // Ten megabytes of one letter have to be looked through.
  milliseconds: 10_000,
});
