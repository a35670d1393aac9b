/** The GPU benchmark on an emulated adapter: every measurement comes to a number, and where there is no GPU it says so. */
import { expect, test } from 'vitest';
import { gpuRows } from '../../scripts/bench/gpu.ts';
import { hasGpu } from '../../scripts/chromium.ts';

/** Nearly a minute of emulation: with LONG=1 alone. */
test.skipIf(!process.env.LONG)(
  'every row of the benchmark is measured',
  async () => {
    const rows = await gpuRows(true);
    const row = (name: RegExp) => rows.find((each) => name.test(each.name));
    expect(row(/^GPU$/)?.peer).toContain('EMULATED');
    expect(row(/^bare products, f32/)?.value).toMatch(/^[\d.]+ [GT]FLOP\/s$/);
    expect(row(/f32: sampling, 2 rows/)?.value).toMatch(/^\d+ tokens\/s$/);
    expect(row(/f32: DPO step/)?.value).toMatch(/^[1-9]\d* ms, \d+ tokens\/s$/);
    expect(row(/f32: DPO step/)?.peer).toMatch(/of the peak; buffers [1-9]\d* MiB/);
    expect(row(/f32: PyTorch/)?.value).toMatch(/^([1-9]\d* ms, \d+ tokens\/s|not run)$/);
  },
  600_000,
);

test.skipIf(hasGpu())('without a GPU nothing is measured, and that is what it says', async () => {
  expect(await gpuRows(false)).toEqual([
    expect.objectContaining({ value: 'not run', peer: expect.stringContaining('no graphics processor') }),
  ]);
});
