import { afterAll, beforeAll, describe } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { matrixSuite } from '../fixtures/matrix-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
}, 60_000);
afterAll(() => device.dispose());

// No float16: the software adapter of the tests has no shader-f16.
describe('stored matrices (WebGPU)', () => matrixSuite(() => device, ['f32', 'q8', 'q4']));
