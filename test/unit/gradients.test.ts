import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { gradientError } from '../fixtures/finite-differences.ts';
import { GRADIENT_CASES } from '../fixtures/gradient-cases.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

describe('every gradient rule equals central finite differences (WASM)', () => {
  for (const [op, cases] of Object.entries(GRADIENT_CASES)) {
    cases.forEach((gradientCase, i) => {
      test(`${op} ${i}`, async () => {
        expect(await gradientError(device, { name: op, ...gradientCase }, 7 + i)).toBeLessThan(3e-3);
      });
    });
  }
});
