/** Reads the command line into a RunConfig and checks every named file, before any browser is started. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
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
import type { Mapping } from '../../src/pipeline/import/index.ts';
import { allowed } from '../../src/pipeline/settings.ts';
import { readMapping } from './data.ts';
import { EXPORT_HELP, EXPORT_OPTIONS, type Extras, readExtras } from './export-arguments.ts';
import { UsageError } from './fail.ts';

/** A model or an embedder: the embedded one, a folder on this machine, on the hub, or at any URL. */
export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'folder'; readonly path: string; readonly name: string }
  | { readonly kind: 'hub'; readonly name: string }
  | { readonly kind: 'url'; readonly url: string };

export interface Command {
  readonly config: RunConfig;
  readonly model: Source;
  readonly embedder: Source;
  /** Path of the data file, or null for the embedded data. */
  readonly data: string | null;
  /** PEFT folder or zip to start from, or null. */
  readonly adapter: string | null;
  /** SFT was asked for by name: it goes on from the adapter instead of being left out. */
  readonly sftAsked: boolean;
  readonly extras: Extras;
  /** Which column of the data file is what, where its format is not known. */
  readonly mapping?: Mapping;
  readonly check: boolean;
  /** Folder to be written; null only with `check`. */
  readonly out: string | null;
  readonly quiet: boolean;
}

/** A file that a folder must hold: what a message calls it, and how it is recognised. */
type Need = readonly [name: string, pattern: RegExp];

const CONFIG_FILES: readonly Need[] = [
  ['config.json', /^config\.json$/],
  ['tokenizer.json', /^tokenizer\.json$/],
];

/** The parsed command, or 'help'. Throws UsageError. */
export function readArguments(argv: readonly string[]): Command | 'help' {
  const flags = readFlags(argv);
  if (flags.help) return 'help';
  const config = readConfig(flags);
  if (!flags.check && flags.out === undefined) {
    throw new UsageError('--out DIR is missing: the folder the adapter and the reports are written to.');
  }
  const out = flags.out === undefined ? null : resolve(flags.out);
  if (out !== null && existsSync(out) && !statSync(out).isDirectory()) {
    throw new UsageError(`--out ${flags.out} is a file, not a folder.`);
  }
  return {
    config,
    model: source('model', config.model, [...CONFIG_FILES, ['*.safetensors file', /\.safetensors$/]]),
    embedder: source('embedder', config.embedder, [
      ...CONFIG_FILES,
      ['onnx/*.onnx file', /^onnx[/\\].*\.onnx$/],
    ]),
    data: dataPath(flags.data ?? 'default'),
    adapter: flags.adapter === undefined ? null : expand(flags.adapter),
    sftAsked: (flags.set ?? []).some((text) => text.startsWith('sft.epochs=')),
    extras: readExtras(flags, expand),
    ...(flags.map !== undefined && { mapping: readMapping(flags.map) }),
    check: flags.check ?? false,
    out,
    quiet: flags.quiet ?? false,
  };
}

type Flags = ReturnType<typeof readFlags>;

function readFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        config: { type: 'string' },
        model: { type: 'string' },
        data: { type: 'string' },
        adapter: { type: 'string' },
        map: { type: 'string' },
        embedder: { type: 'string' },
        ...EXPORT_OPTIONS,
        backend: { type: 'string' },
        set: { type: 'string', multiple: true },
        check: { type: 'boolean' },
        out: { type: 'string' },
        quiet: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    // Node's message goes on about positional arguments; its first sentence says it all.
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split(/\. |\n/)[0]?.replace(/\.$/, '')}; see --help.`);
  }
}

/** Defaults, then --config, then the flags, then --set: the later, the stronger. */
function readConfig(flags: Flags): RunConfig {
  let config = flags.config === undefined ? DEFAULT_CONFIG : readConfigFile(flags.config);
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

function dataPath(value: string): string | null {
  if (value === 'default') return null;
  const path = expand(value);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new UsageError(`--data ${value}: no such file.`);
  if (!stat.isFile()) throw new UsageError(`--data ${value} is not a file.`);
  if (stat.size === 0) throw new UsageError(`--data ${value} is empty.`);
  return path;
}

/** Tells a folder from a hub id, and makes sure that a folder holds one file for each of `needs`. */
function source(what: 'model' | 'embedder', value: string, needs: readonly Need[]): Source {
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

function readText(flag: string, path: string): string {
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
function naming<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${prefix}: ${message.replace(/\s*\n\s*/g, '; ')}`);
  }
}

/** Absolute path; `~` is the home folder also where no shell has replaced it (--model=~/x). */
function expand(path: string): string {
  return resolve(path.replace(/^~(?=$|[/\\])/, () => homedir()));
}

/** Text of --help, the settings included. */
export function helpText(): string {
  const width = Math.max(...CONFIG_KEYS.map((key) => key.length));
  const settings = CONFIG_KEYS.map((key) => {
    const value = key.split('.').reduce<unknown>((inner, name) => Object(inner)[name], DEFAULT_CONFIG);
    const setting = SETTINGS[key];
    return `  ${key.padEnd(width)}  ${setting.help}\n  ${' '.repeat(width)}  ${allowed(setting)}; default ${value}`;
  });
  return `Aligns a model by Self-Contrast in headless Chromium, and writes the adapter and the reports.

npm run selfcontrast -- [flags] --out DIR

  --config FILE         run.json of an earlier run, or a RunConfig as JSON; the other flags win over it
  --model DIR|HUB_ID    folder in Hugging Face layout, or a hub id, owner/name or owner/name@revision
                        (HF_ENDPOINT: a mirror; HF_TOKEN: for gated models); default: the embedded model.
                        A hub's model is fetched anew by every run: to fetch it once, name the folder it is in
  --data FILE           prompts with target answers: JSON Lines, JSON, CSV, TSV, Parquet, also as .gz, in any of
                        the usual formats; default: the embedded data
  --map ROLE=COLUMN,... which column is the prompt, the target, the rejected answer, the system message, where the
                        format is not recognised: --map prompt=question.text,target=answers.0
  --embedder DIR|HUB_ID folder in transformers.js layout, or a hub id; default: the embedded embedder
  --adapter DIR|ZIP     PEFT adapter to start from; it is the SFT result unless --set sft.epochs=... trains it on
  --backend NAME        auto, webgpu or wasm
  --set key=value       any setting below; may be repeated
  --check               reads model and data, tells what a run would do, and stops
  --out DIR             the folder that is written
${EXPORT_HELP}
  --quiet               no progress, only the result
  --help                this text

Settings:
${settings.join('\n')}
`;
}
