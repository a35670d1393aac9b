/** The lab's own signals. Only its actions write the ones about a lab; components read. */
import { computed, signal } from '@preact/signals';
import type { LabEstimate, LabManifest, Split, Verdict } from '../../lab/types.ts';
import type { Asked, Suspect } from '../../lab/worker-api.ts';
import { elsewhereRuns, labAtWork } from '../signals.ts';
import { type Draft, EMPTY_DRAFT } from './draft.ts';
import { EMPTY_LAB, type LabView } from './state.ts';

/** All stored labs, the newest first; null before they were listed. */
export const labs = signal<readonly LabManifest[] | null>(null);
/** Bytes by lab, and when it had changed last as they were measured. */
export const labSizes = signal<ReadonlyMap<string, { readonly bytes: number; readonly changed: number }>>(
  new Map(),
);
/** Fingerprints of the labs' data sets, by the data set's id. */
export const fingerprints = signal<ReadonlyMap<string, string>>(new Map());
/** The form for a new lab; kept while one looks elsewhere. */
export const draft = signal<Draft>(EMPTY_DRAFT);
/** A lab that was not started and goes when the form makes another in its place. */
export const replacing = signal<string | null>(null);
/** The lab that is open, whatever is shown of it. */
export const lab = signal<LabView>(EMPTY_LAB);

export const LAB_TABS = ['work', 'results', 'why', 'judge'] as const;
export type LabTab = (typeof LAB_TABS)[number];
export const labTab = signal<LabTab>('work');
/** Which held-out prompts the results are of. */
export const split = signal<Split>('working');

/** The whole report is drawn, for the printer. */
export const printing = signal(false);

export interface Estimating {
  readonly lab: string;
  readonly estimate: LabEstimate | null;
  readonly measuring: boolean;
  /** Why it can't be told; empty otherwise. */
  readonly fault: string;
}
export const estimating = signal<Estimating | null>(null);

/** What the lab that is open is doing on this page. */
export type Doing = 'idle' | 'working' | 'pausing' | 'stopping';
export const doing = signal<Doing>('idle');

/** Two arms that are judged against each other, and what was asked of them. */
export interface Duelling {
  readonly lab: string;
  readonly armA: string;
  readonly armB: string;
  readonly asked: Asked;
  /** Of all judges, on these comparisons. */
  readonly verdicts: readonly Verdict[];
}
export const duelling = signal<Duelling | null>(null);
/** Kept answers to be marked by hand; null before they were read. */
export const suspects = signal<readonly Suspect[] | null>(null);

/** How a lab's lock is named; beside those of runs, and told apart from them. */
export const lockOf = (id: string): string => `lab ${id}`;

/** The open lab is at work in this page. */
export const atWork = computed(() => {
  const id = lab.value.manifest?.id;
  return id !== undefined && labAtWork.value?.id === id;
});
/** The open lab is at work in another tab: nothing of it may be changed here. */
export const labElsewhere = computed(() => {
  const id = lab.value.manifest?.id;
  return id !== undefined && !atWork.value && elsewhereRuns.value.has(lockOf(id));
});
