import { describe, expect, test } from 'vitest';
import { DataError, makeDataset, readDataset } from '../../src/pipeline/dataset.ts';

const row = (prompt: string, target: string) => JSON.stringify({ prompt, target });

describe('readDataset', () => {
  test('reads rows past a byte order mark, CRLF and blank lines', async () => {
    const text = `\uFEFF${row('a', 'A')}\r\n\r\n  \n${row('b', 'B\nB')}`;
    const dataset = await readDataset('d.jsonl', text);
    expect(dataset.rows).toEqual([
      { prompt: 'a', target: 'A', line: 1 },
      { prompt: 'b', target: 'B\nB', line: 4 },
    ]);
    expect(dataset.refused).toEqual([]);
    expect(await readDataset('d.jsonl', new TextEncoder().encode(text))).toEqual(dataset);
  });

  test('refuses rows with line, reason and text', async () => {
    const lines = [
      row('a', 'A'),
      '{"prompt": "b"',
      '[1]',
      '{"target": "x"}',
      '{"prompt": "d", "target": 3}',
      row(' ', 'x'),
      row('e', ''),
      '{"prompt": "f", "target": "F", "grader": {"kind": "guess"}}',
    ];
    const { rows, refused } = await readDataset('d', lines.join('\n'));
    expect(rows).toEqual([{ prompt: 'a', target: 'A', line: 1 }]);
    expect(refused.map(({ line, reason }) => ({ line, reason }))).toEqual([
      { line: 2, reason: 'not JSON: {"prompt": "b"' },
      { line: 3, reason: 'expected an object with prompt and target, found [1]' },
      { line: 4, reason: 'no prompt (also accepted: question, query)' },
      { line: 5, reason: 'target: expected text, found 3' },
      { line: 6, reason: 'prompt: the text is empty' },
      { line: 7, reason: 'target: the text is empty' },
      { line: 8, reason: expect.stringContaining('grader.kind: expected one of') },
    ]);
    expect(refused[0]?.text).toBe('{"prompt": "b"');
    expect(refused[2]?.text).toBe('{"target":"x"}');
  });

  test("'stop' ends at the first bad row", async () => {
    await expect(readDataset('d', `${row('a', 'A')}\nx`, { onBadRow: 'stop' })).rejects.toThrow(
      'line 2: not JSON: x',
    );
  });

  test('no usable row is an error that says why', async () => {
    await expect(readDataset('d', '\n')).rejects.toThrow('there are no rows');
    await expect(readDataset('d.jsonl', 'x\ny')).rejects.toThrow(
      'no usable row; line 1: not JSON: x; line 2: not JSON: y',
    );
    await expect(readDataset('d', new Uint8Array([0xff, 0xfe, 0x7b]))).rejects.toThrow(DataError);
  });

  test('exact duplicates are left out and listed', async () => {
    const text = [row('a', 'A'), row('b', 'B'), '{"target":"A","prompt":"a"}', row('a', 'B')].join('\n');
    const { rows, duplicates } = await readDataset('d', text);
    expect(rows.map(({ line }) => line)).toEqual([1, 2, 4]);
    expect(duplicates).toEqual([{ line: 3, reason: 'the same as line 1' }]);
  });
});

describe('the fingerprint', () => {
  test('is that of the rows, wherever they come from', async () => {
    const a = await readDataset('one', `${row('a', 'A')}\n`);
    const b = await readDataset('two', '\n{"target":"A",\t"prompt":"a"}');
    const c = await readDataset('two', row('a', 'B'));
    const d = await readDataset('one', row('a', 'A'), { heldOut: row('h', 'H') });
    expect(a.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(b.fingerprint).toBe(a.fingerprint);
    expect(new Set([a, c, d].map((set) => set.fingerprint)).size).toBe(3);
    expect(d.heldOut).toEqual([{ prompt: 'h', target: 'H', line: 1 }]);
  });

  test('knows all that a row is, and nothing else', async () => {
    const base = { prompt: 'p', target: 't' };
    const grader = { kind: 'number', value: 1 } as const;
    const history = [{ role: 'user', content: 'h' } as const];
    const prints = await Promise.all(
      [
        [base],
        [{ prompt: 'p' }],
        [{ ...base, rejected: ['r'] }],
        [{ ...base, rejected: ['r', 's'] }],
        [{ ...base, history }],
        [{ ...base, history: [...history, ...history] }],
        [{ ...base, grader }],
        [base, base],
      ].map(async (rows) => (await makeDataset('d', rows)).fingerprint),
    );
    expect(new Set(prints).size).toBe(prints.length);
    const lined = await makeDataset('other', [{ ...base, line: 7, history: [], rejected: [] }]);
    expect(lined.fingerprint).toBe(prints[0]);
  });
});
