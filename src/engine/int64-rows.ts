/** Rows of whole numbers, of any length each, as one tensor. */
import { Tensor } from '@huggingface/transformers';
import type { EmbedBatch } from './embed-batches.ts';

/** [rows, length]; `fill` stands where a row has nothing: behind its numbers, or before them where they are `left`. */
export function int64Rows(
  rows: readonly (readonly number[])[],
  { rows: count, length }: Pick<EmbedBatch, 'rows' | 'length'>,
  fill: number,
  left = false,
): Tensor {
  const data = new BigInt64Array(count * length).fill(BigInt(fill));
  rows.forEach((row, r) => {
    const first = r * length + (left ? length - row.length : 0);
    row.forEach((x, i) => {
      data[first + i] = BigInt(x);
    });
  });
  return new Tensor('int64', data, [count, length]);
}
