/** config.json as older and newer files have it. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseModelConfig } from '../../src/model/config.ts';

const path = new URL('../../public/models/default-lm/config.json', import.meta.url);
const { rope_theta: _theta, ...config } = JSON.parse(await readFile(path, 'utf8'));

test('the base of rotary positions is read wherever it stands', () => {
  expect(parseModelConfig({ ...config, rope_theta: 5000 }).ropeTheta).toBe(5000);
  const rope_parameters = { rope_theta: 500_000, rope_type: 'default' };
  expect(parseModelConfig({ ...config, rope_parameters }).ropeTheta).toBe(500_000);
  expect(parseModelConfig(config).ropeTheta).toBe(10_000);
});

test('scaled rotary positions are refused by name, wherever they stand', () => {
  const rope_parameters = { rope_theta: 500_000, rope_type: 'llama3', factor: 8 };
  expect(() => parseModelConfig({ ...config, rope_parameters })).toThrow(
    'rope_parameters.rope_type: "llama3"',
  );
  expect(() => parseModelConfig({ ...config, rope_scaling: { type: 'linear', factor: 2 } })).toThrow(
    'rope_scaling',
  );
});
