/** Large files: memory stays flat, batches small, and reading ends when it is told to. */
import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { type DataFile, fileOf, previewData, RowIndex, readData } from '../../src/pipeline/import/index.ts';

const MB = 2 ** 20;
/** 200 for the size that people bring; the small one grows the heap just as visibly where rows are kept. */
const MEGABYTES = Number(process.env.IMPORT_MEGABYTES ?? 40);
const LINE = 1024;

/** JSON Lines that are made as they are read: row i is numbered, and all are different. */
function generated(bytes: number): DataFile {
  const line = (i: number) => {
    const head = `{"instruction":"Task ${String(i).padStart(9, '0')}","input":"","output":"`;
    return `${head}${'word '.repeat(LINE).slice(0, LINE - head.length - 3)}"}\n`;
  };
  const count = Math.floor(bytes / LINE);
  return fileOf('large.jsonl', count * LINE, async (start, end) => {
    const first = Math.floor(start / LINE);
    const last = Math.ceil(end / LINE);
    const text = Array.from({ length: last - first }, (_, i) => line(first + i)).join('');
    return new Uint8Array(Buffer.from(text).subarray(start - first * LINE, end - first * LINE));
  });
}

describe('a large file', () => {
  test(`of ${MEGABYTES} MB streams in flat memory`, async () => {
    const file = generated(MEGABYTES * MB);
    let [rows, batches, largest, peak, lastBytes] = [0, 0, 0, 0, 0];
    const before = process.memoryUsage();
    const used = ({ heapUsed, arrayBuffers }: NodeJS.MemoryUsage) => heapUsed + arrayBuffers;
    for await (const batch of readData(file)) {
      rows += batch.rows.length;
      batches++;
      largest = Math.max(largest, batch.rows.length);
      expect(batch.bytes).toBeGreaterThanOrEqual(lastBytes);
      lastBytes = batch.bytes;
      peak = Math.max(peak, used(process.memoryUsage()) - used(before));
    }
    expect(rows).toBe(Math.floor((MEGABYTES * MB) / LINE));
    expect(lastBytes).toBe(file.size);
    expect(largest).toBeLessThanOrEqual(1000);
    expect(batches).toBeGreaterThan(rows / 1100);
    console.log(`${MEGABYTES} MB: memory grew by at most ${Math.round(peak / MB)} MB`);
    expect(peak).toBeLessThan(150 * MB);
  }, 300_000);

  test('is previewed by its first pieces alone', async () => {
    const file = generated(20 * MB);
    let read = 0;
    const watched = fileOf(file.name, file.size, async (start, end) => {
      read += end - start;
      return await file.slice(start, end);
    });
    expect((await previewData(watched)).rows).toHaveLength(20);
    expect(read).toBeLessThan(2 * MB);
  });

  test('can be stopped', async () => {
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of readData(generated(20 * MB), { signal: stop.signal })) stop.abort();
    })();
    await expect(reading).rejects.toThrow('abort');
  });

  test('with one endless line is refused without being kept', async () => {
    const size = 80 * MB;
    const file = fileOf('d.jsonl', size, async (start, end) => {
      const bytes = new Uint8Array(end - start).fill(0x61);
      if (start === 0) bytes[0] = 0x7b;
      return bytes;
    });
    const refused = [];
    for await (const batch of readData(file)) refused.push(...batch.refused);
    expect(refused).toEqual([{ line: 1, reason: 'the line is longer than 64 MB' }]);
  }, 300_000);
});

test('several files share one index: duplicates across them, one fingerprint', async () => {
  const file = (name: string, ...prompts: string[]) => {
    const bytes = new Uint8Array(Buffer.from(prompts.map((prompt) => JSON.stringify({ prompt })).join('\n')));
    return fileOf(name, bytes.length, async (start, end) => bytes.subarray(start, end));
  };
  const gather = async (...files: DataFile[]) => {
    const index = new RowIndex();
    const duplicates = [];
    for (const each of files) {
      for await (const batch of readData(each, { index })) duplicates.push(...batch.duplicates);
    }
    return { duplicates, fingerprint: index.fingerprint() };
  };
  const two = await gather(file('a.jsonl', 'p', 'q'), file('b.jsonl', 'r', 'p', 'r'));
  expect(two.duplicates).toEqual([
    { line: 2, reason: 'the same as line 1 of a.jsonl' },
    { line: 3, reason: 'the same as line 1' },
  ]);
  expect((await gather(file('c.jsonl', 'p', 'q', 'r'))).fingerprint).toBe(two.fingerprint);
});
