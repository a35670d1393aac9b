import { afterAll, beforeAll, describe } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { precisionSuite, tableSuite } from '../fixtures/precision-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

describe('a base of fewer bits (WASM)', () => {
  precisionSuite(() => device, ['f16', 'q8', 'q4']);
  // With q4 a table has 8 bits as well.
  tableSuite(() => device, process.env.LONG ? ['f16', 'q8'] : ['q8']);
});
