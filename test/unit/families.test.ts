import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../src/engine/backend.ts';
import type { Device } from '../../src/engine/device.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import configs from '../fixtures/family-configs.json' with { type: 'json' };
import { familySuite } from '../fixtures/family-suite.ts';
import { formulaTrainer, LORA, sftLoss } from '../fixtures/reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'wasm', threads: 1 });
});
afterAll(() => device.dispose());

familySuite(() => device);

test('layers of one kind share their programs, however many there are', async () => {
  const compiled = async (layers: number) => {
    const layer_types = Array.from({ length: layers }, (_, i) =>
      i % 2 ? 'full_attention' : 'sliding_attention',
    );
    const config = parseModelConfig({ ...configs.gemma3, num_hidden_layers: layers, layer_types });
    const own = await openDevice({ backend: 'wasm', threads: 1 });
    const trainer = formulaTrainer(own, config, { kind: 'lora', lora: LORA }, { segment: 1 });
    await trainer.gradients([{ promptIds: [1, 2, 3], responseIds: [[4, 5], [6]] }], sftLoss(3));
    await trainer.dispose();
    await own.dispose();
    return own.compiled;
  };
  expect(await compiled(6)).toBe(await compiled(4));
  expect(await compiled(2)).toBeLessThan(await compiled(4));
});
