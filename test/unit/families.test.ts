import { afterAll, beforeAll } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { familySuite } from '../fixtures/family-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

familySuite(() => device);
