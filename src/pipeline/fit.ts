/** Whether a run fits the device, and the nearest settings that do: src/model/fit.ts counts, this compares. */
import type { ModelConfig } from '../model/config.ts';
import { type Backend, estimate, type MemoryChoice, type Need, type Workload } from '../model/fit.ts';
import type { RunConfig } from './config.ts';
import type { ConfigKey } from './settings.ts';

/** What a device allows, in bytes; null where nothing tells. */
export interface Limits {
  readonly backend: Backend;
  /** WebAssembly's memory at most. */
  readonly heap: number;
  /** One buffer of the graphics device, and one binding of a shader. */
  readonly maxBuffer: number | null;
  /** The graphics device's memory; browsers do not tell. */
  readonly gpuTotal: number | null;
  /** What the browser still lets the page store. */
  readonly storageLeft: number | null;
  /** The machine's memory, as far as the browser tells (it rounds down, and says 8 or 32 GB for more). */
  readonly deviceMemory: number | null;
}

/** Longest prompt and answer of the data, in tokens. */
export interface Lengths {
  readonly promptTokens: number;
  readonly targetTokens: number;
}

/** Settings that would fit, and what they cost. */
export interface Suggestion {
  readonly changes: readonly { readonly key: ConfigKey; readonly value: string | number }[];
  /** What is changed and what that costs, in a sentence. */
  readonly words: string;
  readonly need: Need;
}

export interface Fit {
  readonly need: Need;
  readonly limits: Limits;
  /** memory.* with what was left to choose filled in. */
  readonly memory: MemoryChoice;
  readonly fits: boolean;
  /** What stands in the way, in sentences with numbers; empty where it fits. */
  readonly problems: readonly string[];
  /** What was traded for memory without being asked for, in sentences. */
  readonly trades: readonly string[];
  /** What the browser does not tell, and other remarks. */
  readonly notes: readonly string[];
  /** Smallest change first; empty where it fits, or where nothing would help. */
  readonly suggestions: readonly Suggestion[];
  /** Bytes to be fetched and stored before the run; 0 where the model is here. */
  readonly download: number;
}

/** Where no data is known: a short prompt, and answers as long as sampled ones may be. */
export const guessedLengths = ({ sample }: RunConfig): Lengths => ({
  promptTokens: 64,
  targetTokens: sample.maxTokens,
});

export function workloadOf(config: RunConfig, { promptTokens, targetTokens }: Lengths): Workload {
  return {
    lora: config.lora,
    responses: 1 + (config.dpo.epochs > 0 ? config.dpo.negatives : 0),
    promptTokens,
    answerTokens: Math.max(targetTokens, config.sample.maxTokens),
    batch: Math.max(config.sft.batch, config.dpo.batch),
    samples: config.sample.n,
    maxTokens: config.sample.maxTokens,
  };
}

/**
 * @param lengths of the data; of a guess where the tokenizer is not there yet
 * @param download bytes still to be fetched
 */
export function plan(
  model: ModelConfig,
  config: RunConfig,
  lengths: Lengths,
  limits: Limits,
  download = 0,
): Fit {
  const memory: MemoryChoice = {
    rows: config.memory.rows || 1024,
    segment: config.memory.segment || 1,
    keep: config.memory.activations !== 'again',
    sampleRows: config.memory.sampleRows || 32,
  };
  const need = estimate(model, workloadOf(config, lengths), memory, config.precision, limits.backend);
  const fits = need.heap <= limits.heap;
  return { need, limits, memory, fits, problems: [], trades: [], notes: [], suggestions: [], download };
}
