import { afterAll, beforeAll, describe } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { familySuite } from '../fixtures/family-suite.ts';

// Fallback to the CPU is forbidden for every WebGPU session, so a misplaced operator fails these. The same on WASM:
// test/unit/families.test.ts.
describe('families on WebGPU', () => {
  let device: Device | undefined;
  beforeAll(async () => {
    device = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
  }, 60_000);
  afterAll(() => device?.dispose());
  familySuite(() => {
    if (!device) throw new Error('WebGPU did not open');
    return device;
  });
});
