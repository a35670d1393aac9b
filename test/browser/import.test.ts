/** The reader over a real browser's Blobs: its streams, its decoders, and the libraries loaded when they are needed. */
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { blobFile, previewData, readData } from '../../src/pipeline/import/index.ts';

const records = [
  { prompt: 'p1', target: 't, 1' },
  { prompt: 'p2', target: 't2' },
];
const rows = records.map((record, i) => ({ ...record, line: i + 1 }));
const jsonl = records.map((record) => JSON.stringify(record)).join('\n');
const parquet = parquetWriteBuffer({
  columnData: [
    { name: 'prompt', data: ['p1', 'p2'], type: 'STRING' },
    { name: 'target', data: ['t, 1', 't2'], type: 'STRING' },
  ],
});

async function gzip(blob: Blob): Promise<Blob> {
  return await new Response(blob.stream().pipeThrough(new CompressionStream('gzip'))).blob();
}

test.each([
  ['jsonl', new Blob([jsonl]), 1],
  ['json', new Blob([JSON.stringify(records)]), 0],
  ['csv', new Blob(['prompt,target\np1,"t, 1"\np2,t2\n']), 2],
  ['parquet', new Blob([parquet]), 1],
] as const)('%s, plain and packed', async (container, blob, firstLine) => {
  for (const packed of [false, true]) {
    const file = blobFile(packed ? await gzip(blob) : blob, `data.${container}`);
    expect(await previewData(file)).toMatchObject({ container, gzip: packed, format: 'prompt-target' });
    const read = [];
    for await (const batch of readData(file)) read.push(...batch.rows);
    // A list on one line is all on line 1.
    const line = (i: number) => (firstLine === 0 ? 1 : firstLine + i);
    expect(read).toEqual(rows.map((row, i) => ({ ...row, line: line(i) })));
  }
});
