/** Which setting stands in which stage, in sight or under More, and what must be redone when it changes. Pure. */
import type { RunConfig } from '../pipeline/config.ts';
import type { ConfigKey } from '../pipeline/settings.ts';
import { STAGES, type Stage } from '../pipeline/types.ts';

/** How a setting is placed; the words and bounds are those of SETTINGS. */
interface Place {
  /** Where it is shown; null where something else on the page sets it. */
  readonly stage: Stage | null;
  readonly more: boolean;
  /** This stage and those after it are redone when the value changes; null where none is. */
  readonly redo: Stage | null;
}

const few = (stage: Stage, redo: Stage | null = stage): Place => ({ stage, more: false, redo });
const more = (stage: Stage, redo: Stage | null = stage): Place => ({ stage, more: true, redo });
const elsewhere = (redo: Stage | null): Place => ({ stage: null, more: false, redo });

/** In the order of the page. A key of RunConfig that is missing here does not compile. */
const PLACES: Readonly<Record<ConfigKey, Place>> = {
  model: elsewhere('model'),
  adapter: elsewhere('sft'),
  precision: elsewhere('model'),
  hub: elsewhere(null),
  backend: elsewhere(null),
  'memory.rows': more('model', null),
  'memory.segment': more('model', null),
  'memory.activations': more('model', null),
  'memory.sampleRows': more('model', null),
  'data.heldOut': few('data'),
  'data.limit': few('data'),
  'data.onBadRow': more('data'),
  seed: more('data'),
  'sft.epochs': few('sft'),
  'sft.learningRate': few('sft'),
  'lora.rank': few('sft'),
  'sft.batch': few('sft'),
  'lora.alpha': more('sft'),
  'sft.schedule': more('sft'),
  'sft.warmup': more('sft'),
  'sft.weightDecay': more('sft'),
  'sft.maxGradNorm': more('sft'),
  'lora.targets': more('sft'),
  'sample.n': few('sample'),
  'sample.temperature': few('sample'),
  'sample.maxTokens': few('sample'),
  'sample.topP': more('sample'),
  'sample.topK': more('sample'),
  'filter.mode': few('filter'),
  'filter.percent': few('filter'),
  'dpo.negatives': few('filter'),
  embedder: elsewhere('filter'),
  embedderPooling: more('filter'),
  'dpo.epochs': few('dpo'),
  'dpo.learningRate': few('dpo'),
  'dpo.beta': few('dpo'),
  'dpo.batch': few('dpo'),
  'dpo.loss': more('dpo'),
  'dpo.ftx': more('dpo'),
  'dpo.schedule': more('dpo'),
  'dpo.warmup': more('dpo'),
  'dpo.weightDecay': more('dpo'),
  'dpo.maxGradNorm': more('dpo'),
  'evaluate.samples': few('evaluate'),
};

const KEYS = Object.keys(PLACES).filter((key): key is ConfigKey => Object.hasOwn(PLACES, key));

/** What the options are called on the page; those not named here are shown as they are. */
export const OPTION_NAME: Readonly<Record<string, string>> = {
  skip: 'leave out and report',
  stop: 'stop the run',
  lastdedup: 'least similar, no duplicates (lastdedup)',
  last: 'least similar (last)',
  alldedup: 'any, no duplicates (alldedup)',
  all: 'any (all)',
  sigmoid: 'sigmoid (DPO)',
  ipo: 'IPO',
};

export function keysOf(stage: Stage, underMore: boolean): ConfigKey[] {
  return KEYS.filter((key) => PLACES[key].stage === stage && PLACES[key].more === underMore);
}

/** A setting as text, as setKey reads it back; lists are comma separated. */
export function textOf(config: RunConfig, key: ConfigKey): string {
  let value: unknown = config;
  for (const name of key.split('.')) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  }
  if (Array.isArray(value)) return value.join(',');
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new Error(`internal: no setting ${key}`);
}

/** Keys whose values differ. */
export function changedKeys(before: RunConfig, after: RunConfig): ConfigKey[] {
  return KEYS.filter((key) => textOf(before, key) !== textOf(after, key));
}

/** The first stage that must be redone after a change of settings; null where none must. */
export function redoFrom(before: RunConfig, after: RunConfig): Stage | null {
  const stages = changedKeys(before, after).map((key) => PLACES[key].redo);
  return STAGES.find((stage) => stages.includes(stage)) ?? null;
}
