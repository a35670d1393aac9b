/** One axis of a grid from words: a key of the settings and the values to try. */
import { ConfigError, type ConfigKey, type RunConfig, SETTINGS, setKey } from '../pipeline/config.ts';
import { isConfigKey } from '../pipeline/settings.ts';
import type { GridAxis } from './plans.ts';

/** What all arms must share to be compared, and what to do instead of trying several. */
const SHARED: Readonly<Partial<Record<ConfigKey, string>>> = {
  seed: 'give the seeds of the lab instead, every arm is computed with each',
  'data.heldOut': 'arms are compared on the same held-out prompts; make one lab a value',
};

/**
 * @param text values separated by commas, or by semicolons where a value is itself a list: 'q_proj;q_proj,v_proj'
 * @throws ConfigError naming the key and the value that can't be
 */
export function gridAxis(key: string, text: string, config: RunConfig): GridAxis {
  if (!isConfigKey(key)) {
    setKey(config, key, ''); // says which keys there are
    throw new ConfigError(`${key}: no such setting`);
  }
  const instead = SHARED[key];
  if (instead !== undefined) throw new ConfigError(`${key}: ${instead}`);
  const { kind } = SETTINGS[key];
  const parts = text
    .split(kind === 'list' ? ';' : ',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0) throw new ConfigError(`${key}: give the values to try, separated by commas`);
  const values = parts.map((part) => {
    setKey(config, key, part);
    if (kind === 'list') return part.split(',').map((item) => item.trim());
    return kind === 'integer' || kind === 'number' ? Number(part) : part;
  });
  const twice = parts.find((part, i) => parts.indexOf(part) !== i);
  if (twice !== undefined) throw new ConfigError(`${key}: ${twice} is there twice`);
  return { key, values };
}
