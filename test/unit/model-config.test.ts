/** config.json as older and newer files have it. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseModelConfig } from '../../src/model/config.ts';

const path = new URL('../../public/models/default-lm/config.json', import.meta.url);
const { rope_theta: _theta, ...config } = JSON.parse(await readFile(path, 'utf8'));

test('the base of rotary positions is read wherever it stands', () => {
  expect(parseModelConfig({ ...config, rope_theta: 5000 }).rope[0]?.theta).toBe(5000);
  const rope_parameters = { rope_theta: 500_000, rope_type: 'default' };
  expect(parseModelConfig({ ...config, rope_parameters }).rope[0]?.theta).toBe(500_000);
  expect(parseModelConfig(config).rope[0]?.theta).toBe(10_000);
});

test('scalings of rotary positions are read, or refused by name, wherever they stand', () => {
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 };
  const scaling = { kind: 'llama3', factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 32 };
  const newer = { rope_theta: 500_000, rope_type: 'llama3', ...llama3 };
  expect(parseModelConfig({ ...config, rope_parameters: newer }).rope).toEqual([{ theta: 500_000, scaling }]);
  const older = { rope_theta: 5000, rope_scaling: { type: 'llama3', ...llama3 } };
  expect(parseModelConfig({ ...config, ...older }).rope).toEqual([{ theta: 5000, scaling }]);
  expect(() => parseModelConfig({ ...config, rope_parameters: { rope_type: 'yarn', factor: 2 } })).toThrow(
    'config.json: rope_parameters: rope_type: "yarn" is not supported, only "default", "linear", "llama3"',
  );
  expect(() => parseModelConfig({ ...config, rope_scaling: { type: 'dynamic', factor: 2 } })).toThrow(
    'config.json: rope_scaling: type: "dynamic"',
  );
});
