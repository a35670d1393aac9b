import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { formulaUnits, LORA, referenceConfig, referenceTrainer } from '../fixtures/reference.ts';
import { referenceSampler, SETTINGS, sampleAll, samplerSuite } from '../fixtures/sampler-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

/** Probabilities of every token after the prompt, by scoring each. */
async function distribution(promptIds: number[]): Promise<number[]> {
  const responseIds = Array.from({ length: 23 }, (_, id) => [id]);
  const [logps = []] = await referenceTrainer(device, { kind: 'lora', lora: LORA }, true).logps([
    { promptIds, responseIds },
  ]);
  return logps.map((x) => Math.exp(x[0] ?? 0));
}

/** Pearson's statistic of observed counts against probabilities; cells expected under 5 are pooled. */
function chiSquare(
  counts: readonly number[],
  probabilities: readonly number[],
  n: number,
): { statistic: number; cells: number } {
  let statistic = 0;
  let cells = 0;
  let pooledSeen = 0;
  let pooledWanted = 0;
  probabilities.forEach((p, i) => {
    if (p * n >= 5) {
      statistic += ((counts[i] ?? 0) - p * n) ** 2 / (p * n);
      cells++;
    } else {
      pooledSeen += counts[i] ?? 0;
      pooledWanted += p * n;
    }
  });
  if (pooledWanted > 0) {
    statistic += (pooledSeen - pooledWanted) ** 2 / pooledWanted;
    cells++;
  }
  return { statistic, cells };
}

describe('sampler on WASM', () => {
  samplerSuite(() => device);

  const promptIds = [1, 4, 9];
  const n = 4096;
  const filters = {
    'plain softmax': { settings: {}, keep: (p: number[]) => p.map(() => true), power: 1 },
    'temperature 0.7': {
      settings: { temperature: 0.7 },
      keep: (p: number[]) => p.map(() => true),
      power: 1 / 0.7,
    },
    'top-k 4': {
      settings: { topK: 4 },
      keep: (p: number[]) => p.map((x) => p.filter((y) => y > x).length < 4),
      power: 1,
    },
    'top-p 0.6': {
      settings: { topP: 0.6 },
      keep: (p: number[]) => p.map((x) => p.filter((y) => y > x).reduce((a, b) => a + b, 0) < 0.6),
      power: 1,
    },
  };
  for (const [name, { settings, keep, power }] of Object.entries(filters)) {
    test(`token frequencies follow the distribution: ${name}`, async () => {
      const sampler = referenceSampler(device, true, { rows: 512, slice: 1 });
      const [samples = []] = await sampleAll(sampler, [{ promptIds, n, seed: 11 }], {
        ...settings,
        maxTokens: 1,
      });
      const plain = await distribution(promptIds);
      const kept = keep(plain);
      const raised = plain.map((p, i) => (kept[i] ? p ** power : 0));
      const total = raised.reduce((a, b) => a + b, 0);
      const counts = plain.map((_, id) => samples.filter((s) => s.tokenIds[0] === id).length);
      expect(counts.filter((c, id) => c > 0 && !kept[id])).toEqual([]);
      const { statistic, cells } = chiSquare(
        counts,
        raised.map((x) => x / total),
        n,
      );
      // Mean cells - 1, standard deviation sqrt(2 (cells - 1)): five of them above is p < 1e-4 or so.
      expect(statistic).toBeLessThan(cells - 1 + 5 * Math.sqrt(2 * (cells - 1)));
    });
  }

  test('cancelling stops at once and keeps what was finished', async () => {
    const sampler = referenceSampler(device, true);
    const abort = new AbortController();
    const done: number[] = [];
    const requests = Array.from({ length: 12 }, (_, i) => ({ promptIds: [1 + i], n: 8, seed: i }));
    const run = sampler.sample(
      requests,
      SETTINGS,
      (index) => {
        done.push(index);
        if (done.length === 2) abort.abort(new Error('stopped by the user'));
      },
      { signal: abort.signal },
    );
    await expect(run).rejects.toThrow('stopped by the user');
    expect(done.length).toBe(2);
    // The same sampler goes on afterwards.
    expect((await sampleAll(sampler, requests.slice(0, 1)))[0]?.length).toBe(8);
  });

  test.each([{ temperature: 0 }, { temperature: 1 }, { temperature: 0.7 }, { topK: 4 }, { topP: 0.6 }])(
    'logits that are no numbers are an error of the answers, not of the runtime: %o',
    async (rule) => {
      const adapter = formulaUnits(referenceConfig(true), { kind: 'lora', lora: LORA });
      const broken = adapter.map((vector) => vector.map(() => Number.NaN));
      const sampler = referenceSampler(device, true, { adapter: broken });
      await expect(sampleAll(sampler, [{ promptIds: [1, 2], n: 5, seed: 0 }], rule)).rejects.toThrow(
        'the log-probabilities are no numbers',
      );
    },
  );

  test('settings that make no sense are refused in words', async () => {
    const sampler = referenceSampler(device, true);
    await expect(sampleAll(sampler, [{ promptIds: [], n: 1, seed: 0 }])).rejects.toThrow(
      'prompt 0 has no tokens',
    );
    await expect(sampleAll(sampler, [{ promptIds: [1], n: 1, seed: 0 }], { topP: 0 })).rejects.toThrow(
      'top-p 0',
    );
  });
});
