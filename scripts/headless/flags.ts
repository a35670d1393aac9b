/** What the commands' flags have in common: settings, models, data files. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, resolve } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { isHubName } from '../../src/hub/name.ts';
import {
  CONFIG_KEYS,
  checkTogether,
  DEFAULT_CONFIG,
  parseConfig,
  type RunConfig,
  SETTINGS,
  setKey,
} from '../../src/pipeline/config.ts';
import { allowed } from '../../src/pipeline/settings.ts';
import { UsageError } from './fail.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** A model or an embedder: the embedded one, a folder on this machine, on the hub, or at any URL. */
export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'folder'; readonly path: string; readonly name: string }
  | { readonly kind: 'hub'; readonly name: string }
  | { readonly kind: 'url'; readonly url: string };

/** A file that a folder must hold: what a message calls it, and how it is recognised. */
type Need = readonly [name: string, pattern: RegExp];

const CONFIG_FILES: readonly Need[] = [
  ['config.json', /^config\.json$/],
  ['tokenizer.json', /^tokenizer\.json$/],
];

export const SETTING_OPTIONS = {
  config: { type: 'string' },
  model: { type: 'string' },
  data: { type: 'string' },
  map: { type: 'string' },
  embedder: { type: 'string' },
  backend: { type: 'string' },
  set: { type: 'string', multiple: true },
} as const;

interface SettingFlags {
  readonly config?: string;
  readonly model?: string;
  readonly embedder?: string;
  readonly backend?: string;
  readonly set?: readonly string[];
}

/** Reads the flags; throws UsageError where one is unknown or lacks its value. */
export function readFlags<O extends Options>(argv: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...argv], strict: true, allowPositionals: false, options }).values;
  } catch (error) {
    // Node's message goes on about positional arguments; its first sentence says it all.
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split(/\. |\n/)[0]?.replace(/\.$/, '')}; see --help.`);
  }
}

/** The folder that is written, as an absolute path. */
export function outPath(value: string): string {
  const out = resolve(value);
  if (existsSync(out) && !statSync(out).isDirectory()) {
    throw new UsageError(`--out ${value} is a file, not a folder.`);
  }
  return out;
}

/**
 * Defaults, then --config, then the flags, then --set: the later, the stronger.
 *
 * @param start what a command makes of the settings that it starts from
 */
export function readConfig(
  flags: SettingFlags,
  start: (config: RunConfig) => RunConfig = (config) => config,
): RunConfig {
  let config = start(flags.config === undefined ? DEFAULT_CONFIG : readConfigFile(flags.config));
  const assignments = (['model', 'embedder', 'backend'] as const).flatMap(
    (key): [string, string, string][] => {
      const value = flags[key];
      return value === undefined ? [] : [[`--${key} ${value}`, key, value]];
    },
  );
  for (const text of flags.set ?? []) {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`--set ${text}: expected key=value, e.g. --set dpo.beta=0.1`);
    assignments.push([`--set ${text}`, text.slice(0, at), text.slice(at + 1)]);
  }
  for (const [flag, key, value] of assignments) {
    config = naming(flag, () => setKey(config, key, value));
  }
  naming('settings', () => checkTogether(config));
  // What a setting names is meant; the environment has a say where none does.
  const { HF_ENDPOINT: mirror } = process.env;
  if (!mirror || config.hub !== DEFAULT_CONFIG.hub) return config;
  return naming(`HF_ENDPOINT ${mirror}`, () => setKey(config, 'hub', mirror));
}

function readConfigFile(path: string): RunConfig {
  const text = readText('--config', path);
  const value: unknown = naming(`--config ${path} is not JSON`, () => JSON.parse(text));
  // A run.json of an earlier run holds its RunConfig under `config`.
  const isRun = typeof value === 'object' && value !== null && 'config' in value;
  return naming(`--config ${path}`, () => parseConfig(isRun ? value.config : value));
}

/** Path of a data file that is there; null for the embedded data. */
export function dataPath(value: string, flag = '--data'): string | null {
  if (value === 'default') return null;
  const path = expand(value);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new UsageError(`${flag} ${value}: no such file.`);
  if (!stat.isFile()) throw new UsageError(`${flag} ${value} is not a file.`);
  if (stat.size === 0) throw new UsageError(`${flag} ${value} is empty.`);
  return path;
}

export const modelSource = (value: string): Source =>
  source('model', value, [...CONFIG_FILES, ['*.safetensors file', /\.safetensors$/]]);

/** A model that runs by transformers.js: the embedder, or one that judges. */
export const onnxSource = (what: string, value: string): Source =>
  source(what, value, [...CONFIG_FILES, ['onnx/*.onnx file', /^onnx[/\\].*\.onnx$/]]);

/** Tells a folder from a hub id, and makes sure that a folder holds one file for each of `needs`. */
function source(what: string, value: string, needs: readonly Need[]): Source {
  if (value === 'default') return { kind: 'default' };
  if (/^https?:\/\//.test(value)) return { kind: 'url', url: value };
  const path = expand(value);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    if (isHubName(value)) return { kind: 'hub', name: value };
    throw new UsageError(`--${what} ${value}: no such folder, and not a hub id (owner/name[@revision]).`);
  }
  if (!stat.isDirectory()) throw new UsageError(`--${what} ${value} is a file; name the folder it is in.`);
  const files = readdirSync(path, { recursive: true }).map(String);
  for (const [name, pattern] of needs) {
    if (!files.some((file) => pattern.test(file))) {
      throw new UsageError(`--${what} ${value}: there is no ${name} in it.`);
    }
  }
  return { kind: 'folder', path, name: basename(path) };
}

export function readText(flag: string, path: string): string {
  try {
    return readFileSync(expand(path), 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new UsageError(
      `${flag} ${path}: ${code === 'ENOENT' ? 'no such file.' : `cannot be read (${code}).`}`,
    );
  }
}

/** Puts what the user typed before the message of whatever goes wrong. */
export function naming<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${prefix}: ${message.replace(/\s*\n\s*/g, '; ')}`);
  }
}

/** Absolute path; `~` is the home folder also where no shell has replaced it (--model=~/x). */
export function expand(path: string): string {
  return resolve(path.replace(/^~(?=$|[/\\])/, () => homedir()));
}

/** The settings for --help, a line or two each. */
export function settingsHelp(): string {
  const width = Math.max(...CONFIG_KEYS.map((key) => key.length));
  return CONFIG_KEYS.map((key) => {
    const value = key.split('.').reduce<unknown>((inner, name) => Object(inner)[name], DEFAULT_CONFIG);
    const setting = SETTINGS[key];
    return `  ${key.padEnd(width)}  ${setting.help}\n  ${' '.repeat(width)}  ${allowed(setting)}; default ${value}`;
  }).join('\n');
}
