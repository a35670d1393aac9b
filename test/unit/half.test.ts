/**
 * The graph of products in float16 that a GPU with shader-f16 runs, on onnxruntime's native CPU build: valid, and its
 * gradient in float32. How a GPU rounds is not seen here: the CPU has no such product and computes in float32.
 */
import { afterAll, expect, test } from 'vitest';
import { nativeDevice } from '../../scripts/lib/native.ts';
import { backward, Graph } from '../../src/graph/index.ts';
import { matrixInput } from '../../src/model/matrix.ts';
import { uniform } from '../fixtures/finite-differences.ts';
import { keep } from '../fixtures/matrix-suite.ts';

const device = nativeDevice(1);
afterAll(() => device.dispose());

const [ROWS, WIDTH, BATCH] = [24, 48, 5];
const random = uniform(5);

async function product(xs: Float32Array, dys: Float32Array) {
  const weight = { name: 'w', shape: [ROWS, WIDTH] };
  const { tensors, numbers } = await keep(device, 'f16', weight, uniform(9)(ROWS * WIDTH));
  const g = new Graph();
  const x = g.input('x', 'float32', [BATCH, WIDTH]);
  const dy = g.input('dy', 'float32', [BATCH, ROWS]);
  const y = matrixInput(g, { precision: 'f16', gpu: true }, weight).times(g, x);
  const [dx] = backward(g, [y], [dy], [x]);
  if (!dx) throw new Error('no gradient');
  g.output('y', y);
  g.output('dx', dx);
  const program = await device.compile(g);
  const out = await program.run({
    ...Object.fromEntries(tensors),
    x: device.host(xs, [BATCH, WIDTH]),
    dy: device.host(dys, [BATCH, ROWS]),
  });
  const read = async (name: 'y' | 'dx') => {
    const tensor = out[name];
    if (!tensor) throw new Error(`no ${name}`);
    return (await device.readFloats(tensor)).slice();
  };
  return { y: await read('y'), dx: await read('dx'), numbers };
}

test('the product is within half precision of the float32 one; the gradient is float32 and keeps small numbers', async () => {
  const xs = random(BATCH * WIDTH);
  // Half of these would be zero in float16.
  const dys = random(BATCH * ROWS).map((x) => x * 5e-8);
  const { y, dx, numbers } = await product(xs, dys);
  for (let b = 0; b < BATCH; b++) {
    for (let r = 0; r < ROWS; r++) {
      let sum = 0;
      for (let k = 0; k < WIDTH; k++) sum += (xs[b * WIDTH + k] ?? 0) * (numbers[r * WIDTH + k] ?? 0);
      expect(Math.abs((y[b * ROWS + r] ?? 0) - sum)).toBeLessThan(2e-2);
    }
    for (let k = 0; k < WIDTH; k++) {
      let sum = 0;
      for (let r = 0; r < ROWS; r++) sum += (dys[b * ROWS + r] ?? 0) * (numbers[r * WIDTH + k] ?? 0);
      expect(Math.abs((dx[b * WIDTH + k] ?? 0) - sum)).toBeLessThan(1e-12);
    }
  }
});
