import { describe, expect, test } from 'vitest';
import { DataError, readDataset, readRow } from '../../src/pipeline/dataset.ts';

const row = (prompt: string, target: string) => JSON.stringify({ prompt, target });

describe('readDataset', () => {
  test('reads rows past a byte order mark, CRLF and blank lines', async () => {
    const text = `\uFEFF${row('a', 'A')}\r\n\r\n  \n${row('b', 'B\nB')}`;
    const dataset = await readDataset('d.jsonl', text);
    expect(dataset.rows).toEqual([
      { prompt: 'a', target: 'A' },
      { prompt: 'b', target: 'B\nB' },
    ]);
    expect(dataset.refused).toEqual([]);
    expect(await readDataset('d.jsonl', new TextEncoder().encode(text))).toEqual(dataset);
  });

  test('refuses rows with line and reason', async () => {
    const lines = [
      row('a', 'A'),
      '{"prompt": "b"',
      '[1]',
      '{"target": "x"}',
      '{"prompt": "c"}',
      '{"prompt": "d", "target": 3}',
      row(' ', 'x'),
      row('e', ''),
      '{"prompt": "f", "target": "F", "grader": {"kind": "guess"}}',
    ];
    const { rows, refused } = await readDataset('d', lines.join('\n'));
    expect(rows).toEqual([{ prompt: 'a', target: 'A' }]);
    expect(refused).toEqual([
      { line: 2, reason: 'not JSON: {"prompt": "b"' },
      { line: 3, reason: 'expected an object with prompt and target, found [1]' },
      { line: 4, reason: 'no prompt (also accepted: question)' },
      { line: 5, reason: 'no target (also accepted: completion, response, answer)' },
      { line: 6, reason: 'target: expected text, found 3' },
      { line: 7, reason: 'prompt: the text is empty' },
      { line: 8, reason: 'target: the text is empty' },
      { line: 9, reason: expect.stringContaining('grader.kind: expected one of') },
    ]);
  });

  test("'stop' ends at the first bad row", async () => {
    await expect(readDataset('d', `${row('a', 'A')}\nx`, { onBadRow: 'stop' })).rejects.toThrow(
      'line 2: not JSON: x',
    );
  });

  test('no usable row is an error that says why', async () => {
    await expect(readDataset('d', '\n')).rejects.toThrow('there are no rows');
    await expect(readDataset('d', 'x\ny')).rejects.toThrow(
      'no usable row; line 1: not JSON: x; line 2: not JSON: y',
    );
    await expect(readDataset('d', new Uint8Array([0xff, 0xfe, 0x7b]))).rejects.toThrow(DataError);
  });

  test('the fingerprint is that of the rows, wherever they come from', async () => {
    const a = await readDataset('one', `${row('a', 'A')}\n`);
    const b = await readDataset('two', '{"target":"A",\t"prompt":"a"}');
    const c = await readDataset('two', row('a', 'B'));
    const d = await readDataset('one', row('a', 'A'), { heldOut: row('h', 'H') });
    expect(a.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(b.fingerprint).toBe(a.fingerprint);
    expect(new Set([a, c, d].map((set) => set.fingerprint)).size).toBe(3);
    expect(d.heldOut).toEqual([{ prompt: 'h', target: 'H' }]);
  });
});

test.each(['completion', 'response', 'answer'])('%s is a name of the target', (name) => {
  expect(readRow({ question: 'q', [name]: 'a' })).toEqual({ prompt: 'q', target: 'a' });
});

test('a grader is read with its row', () => {
  const grader = { kind: 'number', value: 4 };
  expect(readRow({ prompt: '2+2', target: '4', grader })).toEqual({ prompt: '2+2', target: '4', grader });
  expect(readRow({ prompt: '2+2', target: '4', grader: null })).toEqual({ prompt: '2+2', target: '4' });
});
