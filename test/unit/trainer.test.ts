import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import type { GroupLoss } from '../../src/engine/types.ts';
import { planMicroBatches } from '../../src/model/batch.ts';
import { dpoLoss, GROUPS, LORA, reference, referenceTrainer, relativeError } from '../fixtures/reference.ts';
import { groupOf, trainerSuite } from '../fixtures/trainer-suite.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

describe('trainer on WASM', () => {
  trainerSuite(() => device);

  for (const k of [1, 4, 16]) {
    test(`a group of ${k} negatives equals ${k} independent pairs`, async () => {
      const trainer = referenceTrainer(device, { kind: 'lora', lora: LORA }, true);
      const group = groupOf(k, reference.config.vocab);
      const references = group.responseIds.map((_, j) => -10 - j / 3);
      const whole = await trainer.gradients([group], dpoLoss([references], 1));
      const sums = whole.gradients.map((g) => new Float64Array(g.length));
      let loss = 0;
      for (let j = 1; j <= k; j++) {
        const responseIds = [group.responseIds[0] ?? [], group.responseIds[j] ?? []];
        const pair = await trainer.gradients(
          [{ ...group, responseIds }],
          dpoLoss([[references[0] ?? 0, references[j] ?? 0]], 1),
        );
        loss += pair.loss / k;
        pair.gradients.forEach((g, i) => {
          g.forEach((x, n) => {
            const sum = sums[i];
            if (sum) sum[n] = (sum[n] ?? 0) + x / k;
          });
        });
      }
      expect(Math.abs(whole.loss / loss - 1)).toBeLessThan(1e-6);
      whole.gradients.forEach((g, i) => {
        expect(relativeError(g, sums[i] ?? [])).toBeLessThan(3e-6);
      });
    });
  }

  test('responses that share lanes give what each gives in a lane of its own', async () => {
    const trainer = referenceTrainer(device, { kind: 'lora', lora: LORA }, true);
    const group = groupOf(8, reference.config.vocab);
    expect(planMicroBatches([group], 4096)[0]?.geometry.shared).toBe(true);
    const weighted: GroupLoss = (index, logps) => ({
      loss: logps.reduce((sum, x, r) => sum + (1 + index + r) * x, 0),
      coefficients: logps.map((_, r) => 1 + index + r),
      metrics: {},
    });
    const together = await trainer.gradients([group], weighted);
    const alone = await trainer.gradients(
      group.responseIds.map((ids) => ({ promptIds: group.promptIds, responseIds: [ids] })),
      weighted,
    );
    expect(Math.abs(together.loss / alone.loss - 1)).toBeLessThan(1e-6);
    together.gradients.forEach((g, i) => {
      expect(relativeError(g, alone.gradients[i] ?? [])).toBeLessThan(3e-6);
    });
  });

  test('a batch of 8 equals 8 accumulated micro-batches', async () => {
    const groups = Array.from({ length: 8 }, (_, i) => {
      const group = groupOf(3, reference.config.vocab);
      return { ...group, promptIds: group.promptIds.map((id) => (id + i) % reference.config.vocab) };
    });
    const loss = dpoLoss(
      groups.map(() => [-9, -8, -7, -6]),
      8,
    );
    const once = await referenceTrainer(device, { kind: 'lora', lora: LORA }, true).gradients(groups, loss);
    const pieces = await referenceTrainer(device, { kind: 'lora', lora: LORA }, true, {
      maxRows: 8 + 4 * 8,
    }).gradients(groups, loss);
    expect(Math.abs(once.loss / pieces.loss - 1)).toBeLessThan(1e-6);
    once.gradients.forEach((g, i) => {
      expect(relativeError(g, pieces.gradients[i] ?? [])).toBeLessThan(3e-6);
    });
  });

  test('a group larger than a micro-batch goes through in pieces, to the same loss and gradients', async () => {
    const groups = [groupOf(16, reference.config.vocab), groupOf(2, reference.config.vocab)];
    const loss = dpoLoss(
      groups.map((group) => group.responseIds.map((_, j) => -10 - j / 3)),
      2,
    );
    const options = { maxRows: 8 + 5 * 8 };
    const whole = referenceTrainer(device, { kind: 'lora', lora: LORA }, true);
    const cut = referenceTrainer(device, { kind: 'lora', lora: LORA }, true, options);
    const [expected, actual] = [await whole.logps(groups), await cut.logps(groups)];
    expect(actual.map((group) => group.map((row) => row.length))).toEqual(
      expected.map((group) => group.map((row) => row.length)),
    );
    expect(
      relativeError(
        actual.flat().flatMap((row) => [...row]),
        expected.flat().flatMap((row) => [...row]),
      ),
    ).toBeLessThan(1e-6);
    const [once, pieces] = [await whole.gradients(groups, loss), await cut.gradients(groups, loss)];
    expect(Math.abs(once.loss / pieces.loss - 1)).toBeLessThan(1e-6);
    expect(pieces.tokens).toBe(once.tokens);
    for (const [key, value] of Object.entries(once.metrics))
      expect(pieces.metrics[key]).toBeCloseTo(value, 5);
    once.gradients.forEach((g, i) => {
      expect(relativeError(g, pieces.gradients[i] ?? [])).toBeLessThan(3e-6);
    });
  });

  test('every adapter parameter moves, no frozen weight does', async () => {
    const trainer = referenceTrainer(device, { kind: 'lora', lora: LORA }, true);
    const before = await trainer.weights();
    const base = trainer
      .frozen()
      .map(([name, tensor]) => [name, Float32Array.from(tensor.data as Float32Array)] as const);
    await trainer.step(GROUPS, dpoLoss(reference.references, 2), 1e-2);
    const after = await trainer.weights();
    before.forEach((vector, i) => {
      vector.forEach((x, n) => {
        expect(after[i]?.[n]).not.toBe(x);
      });
    });
    expect(base.length).toBeGreaterThan(10);
    for (const [name, data] of base) {
      expect(trainer.frozen().find(([other]) => other === name)?.[1].data, name).toEqual(data);
    }
  });

  test('a step whose gradient is not finite changes nothing; a step is taken back to the bit', async () => {
    const trainer = referenceTrainer(device, { kind: 'lora', lora: LORA }, true);
    const loss = dpoLoss(reference.references, 2);
    await trainer.step(GROUPS, loss, 2e-3);
    const before = await trainer.state();
    const huge: GroupLoss = (i, logps) => ({ ...loss(i, logps), coefficients: logps.map(() => 1e38) });
    await expect(trainer.step(GROUPS, huge, 2e-3)).rejects.toMatchObject({
      name: 'NonFiniteError',
      what: 'gradient',
      place: expect.stringMatching(/^layer \d$/),
    });
    expect(await trainer.state()).toEqual(before);
    const none: GroupLoss = (i, logps) => ({ ...loss(i, logps), loss: Number.NaN });
    await expect(trainer.step(GROUPS, none, 2e-3)).rejects.toMatchObject({ what: 'loss', place: null });
    await trainer.step(GROUPS, loss, 2e-3);
    expect(await trainer.state()).not.toEqual(before);
    expect(await trainer.undo()).toBe(true);
    expect(await trainer.state()).toEqual(before);
    expect(await trainer.undo()).toBe(false);
    expect(await trainer.state()).toEqual(before);
  });

  test('twenty steps follow the pinned loss trajectory', async () => {
    const trainer = referenceTrainer(device, { kind: 'lora', lora: LORA }, true);
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      losses.push((await trainer.step(GROUPS, dpoLoss(reference.references, 2), 2e-3)).loss);
    }
    expect(losses.map((x) => Number(x.toFixed(4)))).toMatchInlineSnapshot(`
      [
        0.5679,
        0.5108,
        0.4585,
        0.4108,
        0.3675,
        0.3284,
        0.2932,
        0.2616,
        0.2336,
        0.2088,
        0.1871,
        0.1683,
        0.152,
        0.138,
        0.1259,
        0.1154,
        0.1062,
        0.0981,
        0.0909,
        0.0844,
      ]
    `);
  });
});
