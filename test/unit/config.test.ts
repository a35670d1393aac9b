import { describe, expect, test } from 'vitest';
import {
  CONFIG_KEYS,
  ConfigError,
  checkTogether,
  defaultConfig,
  parseConfig,
  SETTINGS,
  setKey,
} from '../../src/pipeline/config.ts';

describe('parseConfig', () => {
  test('lays a part over the defaults and shares nothing with them', () => {
    const config = parseConfig({ dpo: { negatives: 4 }, seed: 7 });
    expect(config).toEqual({
      ...defaultConfig(),
      seed: 7,
      dpo: { ...defaultConfig().dpo, negatives: 4 },
    });
    expect(defaultConfig().lora.targets).not.toBe(defaultConfig().lora.targets);
  });

  test('a config goes through JSON and back', () => {
    expect(parseConfig(JSON.parse(JSON.stringify(defaultConfig())))).toEqual(defaultConfig());
  });

  test.each([
    [{ dpo: { negatives: 0 } }, 'dpo.negatives: 0 is not allowed; it must be a whole number of 1 to 4096.'],
    [{ dpo: { negatives: 1.5 } }, 'dpo.negatives: 1.5 is not allowed'],
    [
      { dpo: { loss: 'sigmiod' } },
      'dpo.loss: "sigmiod" is not allowed; it must be one of sigmoid, ipo, hinge.',
    ],
    [{ sft: { learningRate: Number.NaN } }, 'sft.learningRate'],
    [{ sample: 16 }, 'sample: 16 is not allowed; it must be an object.'],
    [{ lora: { targets: ['q_proj', 'x_proj'] } }, 'lora.targets: "x_proj" is not allowed'],
    [{ lora: { targets: [] } }, 'lora.targets: [] is not allowed'],
    [{ lora: { targets: ['q_proj', 'q_proj'] } }, 'lora.targets: ["q_proj","q_proj"] is not allowed'],
    [{ data: { heldOut: 1.5 } }, 'data.heldOut: 1.5 is not allowed'],
    [{ model: ' ' }, 'model: "" is not allowed; it must be text that is not empty.'],
    [{ dpo: { negative: 4 } }, 'dpo.negative: there is no such setting; the nearest is dpo.negatives.'],
    [{ learningRate: 1 }, 'learningRate: there is no such setting; the nearest is sft.learningRate.'],
    [JSON.parse('{"__proto__": {"x": 1}}'), '__proto__: there is no such setting'],
    [null, 'settings: null is not allowed; it must be an object.'],
  ])('%j is refused with its key, value and what is allowed', (value, message) => {
    expect(() => parseConfig(value)).toThrow(ConfigError);
    expect(() => parseConfig(value)).toThrow(message);
  });

  test('names every problem, one a line', () => {
    expect(() => parseConfig({ seed: -1, sample: { n: 'many' } })).toThrow(
      'seed: -1 is not allowed; it must be a whole number of 0 to 4294967295.\n' +
        'sample.n: "many" is not allowed; it must be a whole number of 1 to 4096.',
    );
  });
});

describe('setKey', () => {
  test('types the value as the setting is typed', () => {
    const config = [
      'dpo.negatives=4',
      'sft.learningRate=1e-3',
      'filter.mode=last',
      'lora.targets=q_proj, v_proj',
      'model=a/b=c',
    ].reduce((before, assignment) => setKey(before, assignment), defaultConfig());
    expect(config.dpo.negatives).toBe(4);
    expect(config.sft.learningRate).toBe(0.001);
    expect(config.filter).toEqual({ mode: 'last', percent: 75 });
    expect(config.lora.targets).toEqual(['q_proj', 'v_proj']);
    expect(config.model).toBe('a/b=c');
    expect(setKey(config, 'seed', '9').seed).toBe(9);
  });

  test.each([
    ['dpo.negatives', 'expected key=value'],
    ['dpo.negatives=', 'dpo.negatives: "" is not allowed'],
    ['dpo.negatives=eight', 'dpo.negatives: "eight" is not allowed'],
    ['dpo=8', 'dpo: there is no such setting'],
    ['sample.maxtoken=8', 'the nearest is sample.maxTokens'],
  ])('%s is refused', (assignment, message) => {
    expect(() => setKey(defaultConfig(), assignment)).toThrow(message);
  });
});

test('more negatives than answers are refused, unless there is no DPO', () => {
  const config = parseConfig({ sample: { n: 4 } });
  expect(() => checkTogether(config)).toThrow("8 negatives can't be drawn from sample.n = 4 answers");
  expect(() => checkTogether(setKey(config, 'dpo.epochs=0'))).not.toThrow();
});

test('every leaf of the config has its words, and the defaults are within their bounds', () => {
  const leaves = (value: object, path = ''): string[] =>
    Object.entries(value).flatMap(([name, inner]) =>
      typeof inner === 'object' && !Array.isArray(inner)
        ? leaves(inner, `${path}${name}.`)
        : [`${path}${name}`],
    );
  expect(leaves(defaultConfig()).sort()).toEqual([...CONFIG_KEYS].sort());
  for (const key of CONFIG_KEYS) expect(SETTINGS[key].help, key).toMatch(/^[A-Z].*\.$/);
});
