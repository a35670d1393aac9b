import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { matrixSuite } from '../fixtures/matrix-suite.ts';
import { precisionSuite } from '../fixtures/precision-suite.ts';

let device: Device;
let wasm: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
  wasm = await openDevice({ backend: 'wasm', wasmPath: '/ort/' });
}, 60_000);
afterAll(async () => {
  await device.dispose();
  await wasm.dispose();
});

// No float16: the software adapter of the tests has no shader-f16.
describe('stored matrices (WebGPU)', () => matrixSuite(() => device, ['f32', 'q8', 'q4']));
// Browsers have an array type of their own for float16, Node 20 has not.
describe('a base of float16 (WASM)', () => precisionSuite(() => wasm, ['f16']));
// Each with one head: shaders take long to compile in software, and both heads are tried with both on WASM.
describe('a base of fewer bits (WebGPU)', () => {
  precisionSuite(() => device, ['q8'], [true]);
  precisionSuite(() => device, ['q4'], [false]);
});

test('where the GPU has no float16, weights that should be float16 stay float32, and why is said', () => {
  expect(device.keeps('f16')).toEqual({ precision: 'f32', note: expect.stringContaining('shader-f16') });
  expect(device.keeps('q4')).toEqual({ precision: 'q4', note: '' });
});
