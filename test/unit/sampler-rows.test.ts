/** Rows come and go beside one another: what each draws, what is read and compiled for it, and what is redone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { planWindows } from '../../src/engine/sample-rows.ts';
import type { Sample, SampleRequest } from '../../src/engine/types.ts';
import { stream } from '../../src/model/random.ts';
import { familyConfigs } from '../fixtures/family-suite.ts';
import { formulaSampler, referenceSampler, SETTINGS, sampleAll } from '../fixtures/sampler-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 2 });
});
afterAll(() => device.dispose());

/** Prompts of 1 to 40 tokens. */
function variedRequests(count: number, n: number): SampleRequest[] {
  const random = stream(5, 'prompts');
  return Array.from({ length: count }, (_, seed) => ({
    promptIds: Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 23)),
    n,
    seed,
  }));
}

describe('a row depends on no other, to the last bit', () => {
  test.each([...familyConfigs])('%s', async (_, config) => {
    const requests = variedRequests(5, 3);
    const settings = { maxTokens: 14 };
    const sampler = formulaSampler(device, config, { rows: 16 });
    const together = await sampleAll(sampler, requests, settings);
    for (const [i, request] of requests.entries())
      expect((await sampleAll(sampler, [request], settings))[0]).toEqual(together[i]);
  });
});

test('what is finished is not sampled again, and the rest comes out the same', async () => {
  const requests = variedRequests(10, 4);
  const sampler = referenceSampler(device, true, { rows: 8 });
  const all = await sampleAll(sampler, requests);
  const rest = new Map<number, Sample[]>();
  let tokens = 0;
  const finished = new Set([0, 3, 4, 8]);
  await sampler.sample(requests, SETTINGS, (index, samples) => void rest.set(index, samples), {
    finished,
    onTokens: (more) => {
      tokens += more;
    },
  });
  expect([...rest.keys()].toSorted((a, b) => a - b)).toEqual([1, 2, 5, 6, 7, 9]);
  for (const [index, samples] of rest) expect(samples).toEqual(all[index]);
  expect(tokens).toBe([...rest.values()].flat().reduce((sum, { tokenIds }) => sum + tokenIds.length, 0));
});

test('a prompt is read once for all its answers, and one decoder serves prompts of all lengths', async () => {
  const own = await openDevice({ backend: 'wasm', threads: 1 });
  const sampler = referenceSampler(own, true, { rows: 8 });
  const requests = variedRequests(30, 5);
  await sampleAll(sampler, requests);
  expect(sampler.promptTokens).toBe(requests.reduce((sum, { promptIds }) => sum + promptIds.length - 1, 0));
  // Padded lengths 8, 16, 24, 32, 48 are read by a graph each, and one draws.
  expect(own.compiled).toBeLessThanOrEqual(6);
  const before = own.compiled;
  await sampleAll(sampler, variedRequests(30, 4));
  expect(own.compiled).toBe(before);
  await sampler.dispose();
  await own.dispose();
});

test('places that become free are taken at once: no round waits for the longest row', async () => {
  const sampler = referenceSampler(device, true, { rows: 4, slice: 2 });
  const seen: number[] = [];
  // Stops are frequent: about every third token is one.
  const stopIds = [0, 1, 2, 3, 4, 5, 6];
  const requests = variedRequests(40, 1);
  await sampler.sample(requests, { ...SETTINGS, maxTokens: 24, stopIds }, () => {}, {
    onTokens: (tokens) => seen.push(tokens),
  });
  const total = seen.reduce((a, b) => a + b, 0);
  const places = seen.length * 4 * 2;
  expect(total / places).toBeGreaterThan(0.7);
});

describe('where rows do depend on one another', () => {
  const requests = variedRequests(10, 4);
  test('windows are the same whatever was finished, and left out as a whole', () => {
    const windows = planWindows(requests, 12);
    expect(windows.map((window) => window.length)).toEqual([3, 3, 3, 1]);
    expect(windows.flat().toSorted((a, b) => a - b)).toEqual(requests.map((_, i) => i));
    const [first = [], second = []] = windows;
    expect(planWindows(requests, 12, new Set([...first, ...second.slice(1)]))).toEqual(windows.slice(1));
  });
});
