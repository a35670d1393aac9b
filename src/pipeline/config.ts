/** The one RunConfig of the page, the headless runner and the checkpoints: defaults, validation, `--set`. */
import * as v from 'valibot';
import { PRECISIONS, type Precision } from '../model/precision.ts';
import { excerpt, InputError } from '../model/text.ts';
import {
  ACTIVATIONS,
  allowed,
  BACKENDS,
  BAD_ROWS,
  CONFIG_KEYS,
  type ConfigKey,
  DPO_LOSSES,
  FILTER_MODES,
  isConfigKey,
  LORA_TARGETS,
  POOLINGS,
  SCHEDULES,
  SETTINGS,
} from './settings.ts';

export { CONFIG_KEYS, type ConfigKey, SETTINGS, type Setting } from './settings.ts';

export interface RunConfig {
  readonly seed: number;
  readonly backend: 'auto' | 'webgpu' | 'wasm';
  /** 'default' or a name the host resolves to a FileSource (a stored folder, a hub id). */
  readonly model: string;
  /** How the frozen base weights are kept on the device: src/model/precision.ts. */
  readonly precision: Precision;
  /** Base address of the model hub that ids are loaded from; a mirror has the same layout of addresses. */
  readonly hub: string;
  /** 'none', or the adapter to start from: a stored folder's name or the address of a PEFT folder. */
  readonly adapter: string;
  readonly embedder: string;
  readonly embedderPooling: 'auto' | 'mean' | 'cls';
  /** What is traded for memory; 0 and 'auto' leave it to the model's size and the device (src/model/fit.ts). */
  readonly memory: {
    /** Padded tokens a micro-batch of training at most. */
    readonly rows: number;
    /** Layers in one graph. */
    readonly segment: number;
    /** Keep activations for the backward pass, or compute them again. */
    readonly activations: 'auto' | 'keep' | 'again';
    /** Answers sampled together. */
    readonly sampleRows: number;
  };
  readonly data: {
    /** Fraction (below 1) or count of prompts kept for evaluation; 0 skips evaluation. */
    readonly heldOut: number;
    /** Training prompts at most; 0 is all. */
    readonly limit: number;
    readonly onBadRow: 'skip' | 'stop';
  };
  readonly lora: { readonly rank: number; readonly alpha: number; readonly targets: readonly string[] };
  readonly sft: OptimiserConfig;
  readonly sample: {
    readonly n: number;
    readonly temperature: number;
    readonly topP: number;
    readonly topK: number;
    readonly maxTokens: number;
  };
  readonly filter: FilterConfig;
  readonly dpo: OptimiserConfig & {
    readonly negatives: number;
    readonly beta: number;
    readonly loss: 'sigmoid' | 'ipo' | 'hinge';
    /** Coefficient of an SFT term on the chosen answer; 0 is none. */
    readonly ftx: number;
  };
  readonly evaluate: {
    /** Samples a held-out prompt and arm. */
    readonly samples: number;
  };
}

export interface FilterConfig {
  readonly mode: 'all' | 'alldedup' | 'last' | 'lastdedup';
  /** 0..100; only the modes `last` and `lastdedup` look at it. */
  readonly percent: number;
}

export interface OptimiserConfig {
  readonly epochs: number;
  readonly learningRate: number;
  /** Prompts an optimiser step. */
  readonly batch: number;
  readonly schedule: 'cosine' | 'linear' | 'constant';
  /** Share of the steps spent warming up. */
  readonly warmup: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
}

/** Settings that were refused: one line each, naming the key, the value and what is allowed. */
export class ConfigError extends InputError {
  override name = 'ConfigError';
}

export const DEFAULT_CONFIG: RunConfig = {
  seed: 1,
  backend: 'auto',
  model: 'default',
  precision: 'f32',
  hub: 'https://huggingface.co',
  adapter: 'none',
  embedder: 'default',
  embedderPooling: 'auto',
  memory: { rows: 0, segment: 0, activations: 'auto', sampleRows: 0 },
  data: { heldOut: 0.1, limit: 0, onBadRow: 'skip' },
  lora: { rank: 8, alpha: 16, targets: [...LORA_TARGETS] },
  sft: {
    epochs: 1,
    learningRate: 1e-3,
    batch: 16,
    schedule: 'cosine',
    warmup: 0.1,
    weightDecay: 0,
    maxGradNorm: 1,
  },
  sample: { n: 16, temperature: 1, topP: 1, topK: 0, maxTokens: 32 },
  filter: { mode: 'lastdedup', percent: 75 },
  dpo: {
    negatives: 8,
    beta: 0.1,
    loss: 'sigmoid',
    ftx: 0,
    epochs: 1,
    learningRate: 1e-3,
    batch: 16,
    schedule: 'cosine',
    warmup: 0.1,
    weightDecay: 0,
    maxGradNorm: 1,
  },
  evaluate: { samples: 8 },
};

/** A copy of the defaults that shares nothing with them. */
export function defaultConfig(): RunConfig {
  return parseConfig({});
}

const numeric = (key: ConfigKey) =>
  v.pipe(
    v.number(),
    v.check((x) => {
      const { kind, min = -Infinity, max = Infinity } = SETTINGS[key];
      return x >= min && x <= max && (kind !== 'integer' || Number.isInteger(x));
    }),
  );

const text = v.pipe(v.string(), v.trim(), v.nonEmpty());

const optimiser = (stage: 'sft' | 'dpo') => ({
  epochs: numeric(`${stage}.epochs`),
  learningRate: numeric(`${stage}.learningRate`),
  batch: numeric(`${stage}.batch`),
  schedule: v.picklist(SCHEDULES),
  warmup: numeric(`${stage}.warmup`),
  weightDecay: numeric(`${stage}.weightDecay`),
  maxGradNorm: numeric(`${stage}.maxGradNorm`),
});

const schema = v.object({
  seed: numeric('seed'),
  backend: v.picklist(BACKENDS),
  model: text,
  precision: v.picklist(PRECISIONS),
  hub: v.pipe(
    text,
    v.check((x) => /^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/.test(x)),
  ),
  adapter: text,
  embedder: text,
  embedderPooling: v.picklist(POOLINGS),
  memory: v.object({
    rows: numeric('memory.rows'),
    segment: numeric('memory.segment'),
    activations: v.picklist(ACTIVATIONS),
    sampleRows: numeric('memory.sampleRows'),
  }),
  data: v.object({
    heldOut: v.pipe(
      numeric('data.heldOut'),
      v.check((x) => x < 1 || Number.isInteger(x)),
    ),
    limit: numeric('data.limit'),
    onBadRow: v.picklist(BAD_ROWS),
  }),
  lora: v.object({
    rank: numeric('lora.rank'),
    alpha: numeric('lora.alpha'),
    targets: v.pipe(
      v.array(v.picklist(LORA_TARGETS)),
      v.check((list) => list.length > 0 && new Set(list).size === list.length),
    ),
  }),
  sft: v.object(optimiser('sft')),
  sample: v.object({
    n: numeric('sample.n'),
    temperature: numeric('sample.temperature'),
    topP: numeric('sample.topP'),
    topK: numeric('sample.topK'),
    maxTokens: numeric('sample.maxTokens'),
  }),
  filter: v.object({ mode: v.picklist(FILTER_MODES), percent: numeric('filter.percent') }),
  dpo: v.object({
    ...optimiser('dpo'),
    negatives: numeric('dpo.negatives'),
    beta: numeric('dpo.beta'),
    loss: v.picklist(DPO_LOSSES),
    ftx: numeric('dpo.ftx'),
  }),
  evaluate: v.object({ samples: numeric('evaluate.samples') }),
});

/**
 * @param value a RunConfig with any keys left out; those take their defaults
 * @throws ConfigError with one line a problem
 */
export function parseConfig(value: unknown): RunConfig {
  return mergeConfig(DEFAULT_CONFIG, value);
}

/**
 * One setting from text, as in `--set dpo.negatives=8`; lists are comma separated.
 *
 * @param key the key, or `key=value` where `value` is left out
 * @throws ConfigError
 */
export function setKey(config: RunConfig, key: string, value?: string): RunConfig {
  const at = key.indexOf('=');
  if (value === undefined) {
    if (at < 0) throw new ConfigError(`${key}: expected key=value, e.g. dpo.negatives=8`);
    return setKey(config, key.slice(0, at).trim(), key.slice(at + 1).trim());
  }
  if (!isConfigKey(key)) throw new ConfigError(unknownKey(key));
  const parsed = parseText(key, value);
  const nested = key.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), parsed);
  return mergeConfig(config, nested);
}

/**
 * What single values can't show. Not part of parseConfig: settings arrive one after the other.
 *
 * @throws ConfigError
 */
export function checkTogether(config: RunConfig): void {
  if (config.dpo.epochs > 0 && config.dpo.negatives > config.sample.n) {
    throw new ConfigError(
      `dpo.negatives: ${config.dpo.negatives} negatives can't be drawn from sample.n = ${config.sample.n} answers; ` +
        'lower dpo.negatives or raise sample.n.',
    );
  }
}

function mergeConfig(base: RunConfig, value: unknown): RunConfig {
  const problems: string[] = [];
  const merged = merge(base, value, '', problems);
  const parsed = v.safeParse(schema, merged);
  if (!parsed.success) {
    // One line a key, though a list may have several bad items.
    const seen = new Set<string>();
    for (const issue of parsed.issues) {
      const key = (v.getDotPath(issue) ?? '').replace(/\.\d+$/, '');
      if (!isConfigKey(key) || seen.has(key)) continue;
      seen.add(key);
      problems.push(`${key}: ${show(issue.input)} is not allowed; it must be ${allowed(SETTINGS[key])}.`);
    }
  }
  if (problems.length === 0 && parsed.success) return parsed.output;
  throw new ConfigError(problems.join('\n'));
}

/** Lays `value` over `base`; keys that `base` does not have are problems. */
function merge(base: unknown, value: unknown, path: string, problems: string[]): unknown {
  if (!isRecord(base)) return value;
  if (!isRecord(value)) {
    problems.push(`${path || 'settings'}: ${show(value)} is not allowed; it must be an object.`);
    return base;
  }
  const merged: Record<string, unknown> = { ...base };
  for (const [name, inner] of Object.entries(value)) {
    if (problems.length >= TOLD) return base;
    const key = path === '' ? name : `${path}.${name}`;
    if (!Object.hasOwn(base, name)) problems.push(unknownKey(key));
    else if (inner !== undefined) merged[name] = merge(base[name], inner, key, problems);
  }
  return merged;
}

function parseText(key: ConfigKey, value: string): unknown {
  switch (SETTINGS[key].kind) {
    case 'integer':
    case 'number':
      // Number('') is 0, which nobody means.
      return value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value);
    case 'list':
      return value.split(',').map((item) => item.trim());
    case 'choice':
    case 'text':
      return value;
  }
}

/** Longer names are not compared with others: that would take long. */
const LONGEST_KEY = 100;
/** Problems that are told; a file of another kind has thousands. */
const TOLD = 20;

function unknownKey(key: string): string {
  const last = (name: string) => name.split('.').at(-1);
  const near = (name: string) => Math.min(distance(key, name), last(key) === last(name) ? 2 : Infinity);
  if (key.length > LONGEST_KEY) return `a name of ${key.length} characters: there is no such setting.`;
  const best = [...CONFIG_KEYS].sort((a, b) => near(a) - near(b))[0];
  return `${key}: there is no such setting; the nearest is ${best}.`;
}

/** Levenshtein distance, letter case ignored. */
function distance(a: string, b: string): number {
  const left = a.toLowerCase();
  const right = b.toLowerCase();
  let row = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replace = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return excerpt(JSON.stringify(value) ?? String(value), 80);
}
