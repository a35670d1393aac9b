/** The same rows out of every container, plain and packed, and files that are broken in every way we could think of. */
import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { readRows } from '../../src/pipeline/dataset.ts';
import { bytesFile, fileOf, previewData } from '../../src/pipeline/import/index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const file = (content: string | Uint8Array, name = 'data') =>
  bytesFile(typeof content === 'string' ? bytes(content) : content, name);

/** The same bytes, handed on so many at a time: nothing may depend on where a piece ends. */
function inPieces(content: string | Uint8Array, size: number, name = 'data') {
  const whole = file(content, name);
  return {
    ...whole,
    async *stream() {
      for (let at = 0; at < whole.size; at += size)
        yield await whole.slice(at, Math.min(at + size, whole.size));
    },
  };
}

const RECORDS = [
  { prompt: 'Say "hi", please', target: 'hi' },
  { prompt: 'two\nlines', target: 'a\tb' },
  { prompt: 'é 漢 🙂', target: 'ü' },
  { prompt: 'only asks', target: null },
];
const JSONL = RECORDS.map((record) => JSON.stringify(record)).join('\n');
const quoted = (text: string | null) => (text === null ? '' : `"${text.replaceAll('"', '""')}"`);
const table = (delimiter: string, newline = '\n') =>
  [['prompt', 'target'], ...RECORDS.map(({ prompt, target }) => [quoted(prompt), quoted(target)])]
    .map((cells) => cells.join(delimiter))
    .join(newline);
const PARQUET = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: 'prompt', data: RECORDS.map(({ prompt }) => prompt), type: 'STRING' },
      { name: 'target', data: RECORDS.map(({ target }) => target), type: 'STRING' },
      { name: 'image', data: RECORDS.map(() => new Uint8Array([1, 2])), type: 'BYTE_ARRAY' },
    ],
    rowGroupSize: [3, 1],
  }),
);

const CONTAINERS: readonly [string, string, string | Uint8Array, number[]][] = [
  ['jsonl', 'JSON Lines', JSONL, [1, 2, 3, 4]],
  [
    'jsonl',
    'JSON Lines with CRLF, a byte order mark, blank lines',
    `\uFEFF\r\n${JSONL.replaceAll('\n', '\r\n')}\r\n`,
    [2, 3, 4, 5],
  ],
  ['jsonl', 'JSON Lines with CR', JSONL.replaceAll('\n', '\r'), [1, 2, 3, 4]],
  ['json', 'a JSON list', JSON.stringify(RECORDS), [1, 1, 1, 1]],
  ['json', 'an indented JSON list', `\uFEFF\n${JSON.stringify(RECORDS, null, 2)}\n`, [3, 7, 11, 15]],
  ['json', 'a JSON list, a record a line', `[\n${JSONL.replaceAll('\n', ',\n')}\n]`, [2, 3, 4, 5]],
  [
    'json',
    'a list within an object',
    JSON.stringify({ version: [1], data: RECORDS, more: [{ a: 1 }] }),
    [1, 1, 1, 1],
  ],
  [
    'json',
    'an indented list within an object',
    JSON.stringify({ about: { n: 4 }, mine: RECORDS }, null, 1),
    [6, 10, 14, 18],
  ],
  [
    'json',
    'indented records one after the other',
    RECORDS.map((r) => JSON.stringify(r, null, 2)).join('\n'),
    [1, 5, 9, 13],
  ],
  ['csv', 'CSV', table(','), [2, 3, 5, 6]],
  ['csv', 'CSV with CRLF and a byte order mark', `\uFEFF${table(',', '\r\n')}\r\n`, [2, 3, 5, 6]],
  ['csv', 'CSV with CR', table(',', '\r'), [2, 3, 5, 6]],
  ['csv', 'CSV with semicolons', table(';'), [2, 3, 5, 6]],
  ['tsv', 'TSV', table('\t'), [2, 3, 5, 6]],
  ['parquet', 'Parquet', PARQUET, [1, 2, 3, 4]],
];

describe.each(CONTAINERS)('%s: %s', (container, _what, content, lines) => {
  const rows = RECORDS.map(({ prompt, target }, i) => ({
    prompt,
    ...(target !== null && { target }),
    line: lines[i],
  }));

  test('is recognised whatever its name', async () => {
    // A table called .jsonl is taken for JSON Lines: what it says is then told line by line.
    const names = ['data', 'data.txt', 'data.csv', 'data.parquet'];
    if (!/[ct]sv/.test(container)) names.push('data.jsonl', 'data.json');
    for (const name of names) {
      expect(await previewData(file(content, name))).toMatchObject({
        container,
        gzip: false,
        format: 'prompt-target',
        rows,
        refused: [],
      });
    }
  });

  test.each([1, 7, 1000])('gives its rows in pieces of %i bytes', async (size) => {
    expect(await readRows(inPieces(content, size))).toEqual({ rows, refused: [], duplicates: [] });
  });

  test('gives its rows packed, in one member or in several', async () => {
    const raw = typeof content === 'string' ? bytes(content) : content;
    const packed = gzipSync(raw);
    expect(await previewData(file(packed))).toMatchObject({ container, gzip: true, rows });
    const halves = Buffer.concat([gzipSync(raw.subarray(0, 40)), gzipSync(raw.subarray(40))]);
    for (const size of [1, 13, 1000]) {
      expect(await readRows(inPieces(packed, size, 'data.gz'))).toMatchObject({ rows, refused: [] });
      expect(await readRows(inPieces(halves, size, 'data.gz'))).toMatchObject({ rows, refused: [] });
    }
  });

  test('packed and cut off or damaged is told', async () => {
    const packed = gzipSync(typeof content === 'string' ? bytes(content) : content);
    for (const cut of [2, 5, 9, 11, packed.length - 9, packed.length - 8, packed.length - 1]) {
      await expect(readRows(file(packed.subarray(0, cut)))).rejects.toThrow('cut off or damaged');
    }
    for (const at of [packed.length - 3, packed.length - 7]) {
      const damaged = Uint8Array.from(packed, (byte, i) => (i === at ? byte ^ 1 : byte));
      await expect(readRows(file(damaged))).rejects.toThrow('cut off or damaged');
    }
    await expect(readRows(file(Buffer.concat([packed, bytes('and more')])))).rejects.toThrow(
      'cut off or damaged',
    );
  });
});

describe('Parquet', () => {
  /** A column of a list of {role, content}, in the three-level form that all writers use. */
  const NESTED: SchemaElement[] = [
    { name: 'root', num_children: 3 },
    { name: 'prompt', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
    { name: 'role', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name: 'content', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name: 'reward_model', repetition_type: 'OPTIONAL', num_children: 2 },
    { name: 'style', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name: 'ground_truth', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    { name: 'extra_info', repetition_type: 'OPTIONAL', num_children: 2 },
    { name: 'index', type: 'INT64', repetition_type: 'OPTIONAL' },
    { name: 'answer', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  ];
  const verl = new Uint8Array(
    parquetWriteBuffer({
      schema: NESTED,
      columnData: [
        {
          name: 'prompt',
          data: [
            [
              { role: 'system', content: 's' },
              { role: 'user', content: 'p' },
            ],
            [{ role: 'user', content: 'q' }],
          ],
        },
        {
          name: 'reward_model',
          data: [
            { style: 'rule', ground_truth: '72' },
            { style: 'rule', ground_truth: 'x' },
          ],
        },
        {
          name: 'extra_info',
          data: [
            { index: 0n, answer: 'it is 72' },
            { index: 2n ** 60n, answer: null },
          ],
        },
      ],
    }),
  );

  test('with nested lists and structures: a verl file', async () => {
    const preview = await previewData(file(verl));
    expect(preview).toMatchObject({
      container: 'parquet',
      format: 'verl',
      columns: [
        'prompt',
        'prompt.0.role',
        'prompt.0.content',
        'reward_model',
        'reward_model.style',
        'reward_model.ground_truth',
        'extra_info',
        'extra_info.index',
        'extra_info.answer',
      ],
    });
    expect(preview.records[1]).toEqual({
      prompt: [{ role: 'user', content: 'q' }],
      reward_model: { style: 'rule', ground_truth: 'x' },
      extra_info: { index: '1152921504606846976', answer: null },
    });
    expect((await readRows(file(verl))).rows).toEqual([
      {
        prompt: 'p',
        history: [{ role: 'system', content: 's' }],
        target: 'it is 72',
        grader: { kind: 'number', value: 72 },
        line: 1,
      },
      { prompt: 'q', target: 'x', line: 2 },
    ]);
  });

  test('reads only the columns that some format knows, a row group at a time', async () => {
    const count = 4000;
    const large = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'prompt', data: Array.from({ length: count }, (_, i) => `p${i}`), type: 'STRING' },
          {
            name: 'embedding',
            data: Array.from({ length: count }, (_, i) => `${i}`.repeat(500)),
            type: 'STRING',
          },
          { name: 'target', data: Array.from({ length: count }, (_, i) => `t${i}`), type: 'STRING' },
        ],
        codec: 'UNCOMPRESSED',
        rowGroupSize: 1000,
      }),
    );
    const reads: number[] = [];
    const watched = fileOf('d.parquet', large.length, async (start, end) => {
      reads.push(end - start);
      return large.subarray(start, end);
    });
    const { rows } = await readRows(watched);
    expect(rows).toHaveLength(count);
    expect(rows.at(-1)).toEqual({ prompt: 'p3999', target: 't3999', line: 4000 });
    // The footer's first guess is half a megabyte; the rest is the two small columns.
    expect(large.length).toBeGreaterThan(5e6);
    expect(reads.reduce((sum, n) => sum + n, 0)).toBeLessThan(1.5e6);
  });

  test('of a mapping reads its columns', async () => {
    const other = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'q', data: ['a', 'b'], type: 'STRING' },
          { name: 'a', data: [1.5, 2], type: 'DOUBLE' },
        ],
      }),
    );
    await expect(readRows(file(other))).rejects.toThrow('the columns are q, a;');
    const { rows } = await readRows(file(other), { mapping: { prompt: 'q', target: 'a' } });
    expect(rows).toEqual([
      { prompt: 'a', target: '1.5', line: 1 },
      { prompt: 'b', target: '2', line: 2 },
    ]);
  });

  test('that is damaged is told, wherever the damage is', async () => {
    await expect(readRows(file(PARQUET.subarray(0, 4)))).rejects.toThrow("can't be read as Parquet");
    await expect(readRows(file(PARQUET.subarray(0, PARQUET.length - 1)))).rejects.toThrow(
      "can't be read as Parquet",
    );
    await expect(
      readRows(file(Buffer.concat([PARQUET.subarray(0, 4), bytes('xxxxxxxxPAR1')]))),
    ).rejects.toThrow('Parquet');
    let told = 0;
    for (let at = 4; at < PARQUET.length; at++) {
      const damaged = Uint8Array.from(PARQUET, (byte, i) => (i === at ? byte ^ 0x55 : byte));
      const outcome = await readRows(file(damaged, 'd.parquet')).catch((error: Error) => error);
      // Some damage only changes a letter; nothing may end in another error than ours.
      if (outcome instanceof Error) {
        expect(outcome.name, `byte ${at}: ${outcome.message}`).toMatch(/DataError|UnknownFormatError/);
        told++;
      }
    }
    expect(told).toBeGreaterThan(100);
  });
});

describe('tables', () => {
  const text = 'prompt,target\n"a ""b"" c","x,\ny"\n\nplain,two,three\nshort\nok,"fine"\n"d"e,f\n"g",h\n';

  test('quotes, blank lines, rows of the wrong length', async () => {
    for (const size of [1, 5, 1000]) {
      const { rows, refused } = await readRows(inPieces(text, size, 'd.csv'));
      expect(rows).toEqual([
        { prompt: 'a "b" c', target: 'x,\ny', line: 2 },
        { prompt: 'ok', target: 'fine', line: 7 },
      ]);
      expect(refused.map(({ line, reason }) => [line, reason.slice(0, 40)])).toEqual([
        [5, '3 cells where the first row names 2 colu'],
        [6, '1 cells where the first row names 2 colu'],
        [8, 'a quote within a quoted text; inside quo'],
      ]);
    }
  });

  test('a quote that is never closed takes the rest, and says so', async () => {
    const { rows, refused } = await readRows(file('prompt,target\na,b\n"c,d\ne,f\n'));
    expect(rows).toHaveLength(1);
    expect(refused).toMatchObject([{ line: 3, reason: expect.stringContaining('never closed') }]);
  });

  test('names of columns', async () => {
    await expect(readRows(file('prompt,target,prompt\na,b,c\n', 'd.csv'))).rejects.toThrow(
      'two columns are called "prompt"',
    );
    await expect(readRows(file('q,,z\na,b,c\n', 'd.csv'))).rejects.toThrow('the columns are q, column 2, z;');
    const { rows } = await readRows(file('__proto__,q\na,b\n', 'd.csv'), {
      mapping: { prompt: '__proto__', target: 'q' },
    });
    expect(rows).toEqual([{ prompt: 'a', target: 'b', line: 2 }]);
  });

  test('one column of prompts', async () => {
    const { rows } = await readRows(file('prompt\nWhat is it, then?\nYes?\n', 'd.csv'));
    expect(rows).toEqual([
      { prompt: 'What is it, then?', line: 2 },
      { prompt: 'Yes?', line: 3 },
    ]);
  });

  test('nested columns as JSON text', async () => {
    const turns = JSON.stringify([
      { role: 'user', content: 'p' },
      { role: 'assistant', content: 't' },
    ]);
    const { rows } = await readRows(file(`id,messages\n1,${quoted(turns)}\n`, 'd.csv'));
    expect(rows).toEqual([{ prompt: 'p', target: 't', line: 2 }]);
  });

  test('a table that is not UTF-8', async () => {
    const latin = Buffer.from('prompt,target\na,b\ncaf\xe9,c\n', 'latin1');
    await expect(readRows(file(latin, 'd.csv'))).rejects.toThrow('not UTF-8 text');
  });
});

describe('broken JSON', () => {
  const good = '{"prompt":"p","target":"t"}';
  test.each([
    ['a comma too many', `[${good},]`, []],
    ['a missing comma', `[${good}\n${good.replace('p"', 'q"')}]`, []],
    ['cut off within a record', `[${good},\n{"prompt":"q`, [[2, 'the file ends within this record']]],
    ['cut off after a record', `[${good},\n`, [[2, 'the file ends before its list does']]],
    ['something after the list', `[${good}\n]\n[1]`, [[3, 'something follows the end of the list']]],
    [
      'a broken record',
      `[{"prompt":"x",},\n${good}]`,
      [[1, 'not JSON: {"prompt":"x",} (there is a comma before the end)']],
    ],
    [
      'a record with NaN',
      `[{"prompt":"x","score":NaN},${good}]`,
      [[1, 'not JSON: {"prompt":"x","score":NaN} (NaN']],
    ],
    [
      'single quotes',
      `[{'prompt':'x'},${good}]`,
      [[1, "not JSON: {'prompt':'x'} (JSON needs double quotes"]],
    ],
    [
      'stray words',
      `[oops, 12, "text", ${good}]`,
      [
        [1, 'not JSON: oops'],
        [1, 'expected an object'],
        [1, 'expected an object'],
      ],
    ],
    ['brackets that do not match', `[{"prompt":["x"}},${good}]`, [[1, 'not JSON']]],
  ] as const)('a list with %s', async (_what, text, refused) => {
    for (const size of [1, 1000]) {
      const read = await readRows(inPieces(text, size, 'd.json'));
      expect(read.rows[0]?.prompt).toBe('p');
      expect(
        read.refused.map(({ line, reason }, i) => [line, reason.slice(0, refused[i]?.[1].length)]),
      ).toEqual(refused);
    }
  });

  test('JSON Lines whose first line is broken stay JSON Lines', async () => {
    const { rows, refused } = await readRows(file(`{"prompt": "x\n${good}\n`));
    expect(rows).toEqual([{ prompt: 'p', target: 't', line: 2 }]);
    expect(refused).toMatchObject([{ line: 1 }]);
  });

  test('a line that is not UTF-8 is refused alone', async () => {
    const lines = Buffer.concat([
      bytes(`${good}\n{"prompt":"`),
      Buffer.from([0xe9, 0xff]),
      bytes(`"}\n${good}`),
    ]);
    const { rows, refused, duplicates } = await readRows(file(lines));
    expect(rows).toHaveLength(1);
    expect(refused).toEqual([{ line: 2, reason: 'not UTF-8 text; save the file as UTF-8' }]);
    expect(duplicates).toMatchObject([{ line: 3 }]);
  });

  test('deep nesting is read or refused, never fatal', async () => {
    const deep = `{"prompt":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    for (const text of [`${good}\n${deep}`, `[${good},${deep}]`]) {
      const { rows, refused } = await readRows(file(text));
      expect([rows.length, refused.length]).toEqual([1, 1]);
    }
  });
});

describe('what is not a data file', () => {
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), ''],
    ['UTF-16 with a mark', Buffer.from('\uFEFF{"prompt":"p"}', 'utf16le'), 'UTF-16'],
    ['UTF-16 without one', Buffer.from('{"prompt":"p"}', 'utf16le'), 'UTF-16'],
    ['big-endian UTF-16', Buffer.from('\uFEFF{"prompt":"p"}', 'utf16le').swap16(), 'UTF-16'],
    ['a zip archive', bytes('PK\x03\x04....'), 'zip archive or an Excel workbook'],
    ['zstd', Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0]), 'packed with zstd'],
    ['xz', Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), 'packed with xz'],
    ['bzip2', bytes('BZh91AY'), 'packed with bzip2'],
    ['packed twice', gzipSync(gzipSync('x')), 'packed twice'],
    ['an Arrow file', bytes('ARROW1\0\0'), 'Arrow'],
    ['an encrypted Parquet file', bytes('PARE....PARE'), 'encrypted'],
    ['a PDF', bytes('%PDF-1.7 ...'), 'PDF'],
    ['bytes', Uint8Array.from({ length: 3000 }, (_, i) => (i * 7 + 1) % 256), 'not text'],
    ['a gzip header alone', Uint8Array.from([0x1f, 0x8b]), 'cut off or damaged'],
  ])('%s', async (_what, content, message) => {
    const reading = readRows(file(content, 'thing'));
    if (message === '') expect(await reading).toEqual({ rows: [], refused: [], duplicates: [] });
    else await expect(reading).rejects.toThrow(message);
  });

  test('a file that changes while it is read', async () => {
    const shrunk = fileOf('d.jsonl', 100, async () => bytes('{"prompt":"p"}'));
    await expect(readRows(shrunk)).rejects.toThrow('changed while it was read');
  });
});
