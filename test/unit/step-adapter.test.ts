import { expect, test } from 'vitest';
import type { LoraConfig } from '../../src/model/parameters.ts';
import { layerName, units, unpackUnit } from '../../src/model/parameters.ts';
import { joinAdapter } from '../../src/model/step-adapter.ts';
import { formulaUnits, referenceConfig } from '../fixtures/reference.ts';

/** W [out, in] times x [in]. */
const product = (w: Float32Array, x: readonly number[]): number[] =>
  Array.from({ length: w.length / x.length }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * (w[o * x.length + i] ?? 0), 0),
  );

test('an adapter whose parts are joined adds what its projections add by themselves', () => {
  const config = referenceConfig(true);
  const lora: LoraConfig = { rank: 2, alpha: 3, targets: ['q_proj', 'v_proj', 'up_proj', 'down_proj'] };
  const adapter = formulaUnits(config, { kind: 'lora', lora });
  const joined = new Map(joinAdapter(config, lora, adapter).map((tensor) => [tensor.name, tensor]));
  const tensor = (name: string) => {
    const found = joined.get(name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };
  const together = [['self_attn.q_proj', 'self_attn.v_proj'], ['mlp.up_proj'], ['mlp.down_proj']];
  expect([...joined.keys()].filter((name) => name.startsWith('adapter1'))).toEqual(
    together.flatMap((paths) => [`adapter1.${paths[0]}.a`, ...paths.map((path) => `adapter1.${path}.b`)]),
  );
  units(config, { kind: 'lora', lora }).forEach((unit, layer) => {
    const plain = new Map(unpackUnit(unit, adapter[layer] ?? new Float32Array(0)).map((t) => [t.name, t]));
    for (const paths of together) {
      const a = tensor(`adapter${layer}.${paths[0]}.a`);
      const x = Array.from({ length: a.shape[1] ?? 0 }, (_, i) => Math.sin(i + layer));
      for (const path of paths) {
        const own = (which: string) =>
          plain.get(layerName(layer, `${path}.lora_${which}.weight`))?.data ?? new Float32Array(0);
        const expected = product(own('B'), product(own('A'), x)).map((y) => (y * lora.alpha) / lora.rank);
        const actual = product(tensor(`adapter${layer}.${path}.b`).data, product(a.data, x));
        expect(actual.length).toBe(expected.length);
        for (const [i, y] of actual.entries()) expect(y).toBeCloseTo(expected[i] ?? Number.NaN, 5);
      }
    }
  });
});
