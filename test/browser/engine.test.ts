import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { loadLanguageModel } from '../../src/engine/language-model.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { REAL_DATA, REAL_DATA_NOTE, realFile } from '../fixtures/realdata-browser.ts';
import { dpoLoss, GROUPS, LORA, reference, referenceTrainer, relativeError } from '../fixtures/reference.ts';
import { samplerSuite } from '../fixtures/sampler-suite.ts';
import { greedyStory } from '../fixtures/stories.ts';
import { trainerSuite } from '../fixtures/trainer-suite.ts';

const devices: { wasm?: Device; webgpu?: Device } = {};
const device = (backend: 'wasm' | 'webgpu'): Device => {
  const open = devices[backend];
  if (!open) throw new Error(`${backend} did not open`);
  return open;
};

beforeAll(async () => {
  devices.wasm = await openDevice({ backend: 'wasm', wasmPath: '/ort/' });
  devices.webgpu = await openDevice({ backend: 'webgpu', wasmPath: '/ort/' });
}, 60_000);
afterAll(async () => {
  await devices.wasm?.dispose();
  await devices.webgpu?.dispose();
});

test('a software GPU adapter counts as none, unless it is asked for', async () => {
  const chosen = await openDevice({ backend: 'auto', wasmPath: '/ort/' });
  expect(chosen.info.backend).toBe('wasm');
  expect(chosen.info.note).toContain('software');
  expect(device('webgpu').info.backend).toBe('webgpu');
});

describe('trainer on WASM in the browser', () => trainerSuite(() => device('wasm')));
describe('sampler on WASM in the browser', () => samplerSuite(() => device('wasm')));
// Fallback to the CPU is forbidden for every WebGPU session, so a misplaced operator fails these.
describe('trainer on WebGPU', () => trainerSuite(() => device('webgpu')));
describe('sampler on WebGPU', () => samplerSuite(() => device('webgpu')));

test('ten steps on WASM and on WebGPU follow one trajectory', async () => {
  const losses = async (backend: 'wasm' | 'webgpu') => {
    const trainer = referenceTrainer(device(backend), { kind: 'lora', lora: LORA }, true);
    const result: number[] = [];
    for (let i = 0; i < 10; i++)
      result.push((await trainer.step(GROUPS, dpoLoss(reference.references, 2), 3e-3)).loss);
    return result;
  };
  const [a, b] = [await losses('wasm'), await losses('webgpu')];
  expect(a[9]).toBeLessThan(a[0] ?? 0);
  expect(relativeError(b, a)).toBeLessThan(1e-4);
}, 60_000);

describe.skipIf(REAL_DATA === null)(`a real model (${REAL_DATA_NOTE})`, () => {
  for (const backend of ['wasm', 'webgpu'] as const) {
    test(`stories260k decodes greedily to the text its author published (${backend})`, async () => {
      const source = wholeFiles('stories260k-hf', (path) =>
        realFile(`stories260k-hf/${path}`).catch(() => null),
      );
      const model = await loadLanguageModel(device(backend), source);
      const expected = JSON.parse(
        new TextDecoder().decode(await realFile('stories260k-hf/expected_greedy.json')),
      );
      // An emulated GPU takes a second for some tokens: its story ends early.
      const ids: number[] = expected.greedy_from_bos_ids.slice(0, backend === 'webgpu' ? 40 : undefined);
      expect(await greedyStory(model, ids.length)).toEqual(ids);
    }, 240_000);
  }
});
