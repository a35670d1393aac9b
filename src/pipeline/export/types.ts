/** What every export is given, and what it gives. */
import type { LanguageModel } from '../../engine/types.ts';
import type { LoraModule } from '../../model/adapter.ts';
import type { SafetensorsType } from '../../model/safetensors.ts';
import type { RunConfig } from '../config.ts';
import type { RunStore } from '../types.ts';
import type { ExportFile } from '../worker-api.ts';

/** A run can't be exported so: what stands in the way, and what would do instead. */
export class ExportError extends Error {
  override name = 'ExportError';
}

export interface ExportOptions {
  /** How merged weights are stored; `base` as the base model's own. */
  readonly dtype: 'base' | SafetensorsType;
  /** Bytes of tensors a file of merged weights holds at most. */
  readonly shardBytes: number;
}

/** As Hugging Face shards: 5 GB a file. */
export const DEFAULT_OPTIONS: ExportOptions = { dtype: 'base', shardBytes: 5e9 };

export interface ExportRun {
  readonly store: RunStore;
  readonly model: LanguageModel;
  readonly config: RunConfig;
  /** The run's name as part of a file name: letters, digits and dashes. */
  readonly slug: string;
  /** What the arm adds to the base weights; empty for the base model. */
  readonly modules: readonly LoraModule[];
  readonly options: ExportOptions;
  /** Called between units of work, with the share done in 0..1. */
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
}

/** One format: its files, one after the other, so that only one need be in memory. */
export type Exporter = (run: ExportRun) => AsyncIterable<ExportFile>;
