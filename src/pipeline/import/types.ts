/** What reading a data file gives; shared by the reader, the data worker and the command line. */
import type { DataRow, RefusedRow } from '../types.ts';
import type { RowIndex } from './identity.ts';

/** A file's bytes, from a Blob in the browser or from the disk. */
export interface DataFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes `start` (inclusive) to `end` (exclusive); both must lie within the file. */
  slice(start: number, end: number): Promise<Uint8Array>;
  /** The whole file in order, in pieces of at most about 1 MB. */
  stream(): AsyncIterable<Uint8Array>;
}

export const CONTAINERS = ['jsonl', 'json', 'csv', 'tsv', 'parquet'] as const;
export type Container = (typeof CONTAINERS)[number];

export const FORMAT_NAMES = [
  'mapping',
  'preference-messages',
  'hh-rlhf',
  'preference',
  'nectar',
  'answers',
  'messages',
  'sharegpt',
  'ultrachat',
  'verl',
  'self-instruct',
  'mt-bench',
  'alpaca',
  'gsm8k',
  'prompt-target',
] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

/**
 * Which column holds what, where a file is not recognised. A column may be a dotted path into nested values,
 * `answers.0.text`.
 */
export interface Mapping {
  readonly prompt: string;
  readonly target?: string;
  readonly rejected?: string;
  readonly system?: string;
}

/** The first records of a file, before it is imported. */
export interface DataPreview {
  readonly container: Container;
  readonly gzip: boolean;
  /** How the records are read; null where they are not recognised and a mapping is needed. */
  readonly format: FormatName | null;
  /** Columns of the first records that a mapping can name, nested ones as dotted paths. */
  readonly columns: readonly string[];
  /** At most 20 records as they are in the file, as JSON values. */
  readonly records: readonly unknown[];
  /** Those records as rows. */
  readonly rows: readonly DataRow[];
  readonly refused: readonly RefusedRow[];
  /** What a user should know about this format or these rows, a sentence each. */
  readonly notes: readonly string[];
}

export interface PreviewOptions {
  readonly mapping?: Mapping;
}

export interface ReadOptions {
  /** Wins over what would be recognised. */
  readonly mapping?: Mapping;
  readonly signal?: AbortSignal;
  /** 'stop' throws a DataError at the first row that can't be used; the default lists it. */
  readonly onBadRow?: 'skip' | 'stop';
  /** Give one to several files in turn to have duplicates found across them and one fingerprint over all. */
  readonly index?: RowIndex;
}

/** Some rows of a file; at most about 1,000, or 1 MB of the file. */
export interface ImportBatch {
  readonly rows: readonly DataRow[];
  readonly refused: readonly RefusedRow[];
  /** Rows left out because the very same row came before; the reason names its line. */
  readonly duplicates: readonly RefusedRow[];
  /** Bytes of the file (as it lies on the disk) consumed so far, this batch included. */
  readonly bytes: number;
}
