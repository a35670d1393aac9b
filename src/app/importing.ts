/** What the page knows of an import: which files, how they are read, how far it is. */
import { computed, signal } from '@preact/signals';
import type { Mapping } from '../pipeline/import/index.ts';
import type { FilePreview, ImportProgress } from '../service/data-service.ts';
import { activity } from './signals.ts';

/** Someone has to say which column is what. */
export interface MappingStep {
  readonly step: 'mapping';
  readonly files: readonly File[];
  readonly previews: readonly FilePreview[];
  /** Files that are read by the mapping: those not recognised, or all of them. */
  readonly mapped: readonly number[];
  readonly mapping: Mapping;
  /** The first mapped file's beginning, read by the mapping; null while it is read. */
  readonly shown: FilePreview | null;
  /** Why it can't be read so. */
  readonly fault: string;
}

export type Importing =
  | { readonly step: 'looking'; readonly names: readonly string[] }
  | MappingStep
  | { readonly step: 'reading'; readonly name: string; readonly progress: ImportProgress | null };

export const importing = signal<Importing | null>(null);
/** A run started while files are being taken in would be one of the data before them. */
export const canStart = computed(() => activity.value === 'idle' && importing.value === null);
/** The files read last and the data set they became, as long as the page is open: they can be read differently. */
export const lastFiles = signal<{ readonly dataset: string; readonly files: readonly File[] } | null>(null);
