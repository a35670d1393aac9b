import { afterAll, beforeAll, describe } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { PRECISIONS } from '../../src/model/precision.ts';
import { matrixSuite } from '../fixtures/matrix-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

describe('stored matrices (WASM)', () => matrixSuite(() => device, PRECISIONS));
