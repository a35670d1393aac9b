/** The page's signals. Only actions.ts and the tests write the ones about a run; components read. */
import { computed, signal } from '@preact/signals';
import type { RunConfig } from '../pipeline/config.ts';
import type { HeldOutAnswer, PairRecord, Stage } from '../pipeline/types.ts';
import type { OpenData, OpenPrepared } from './dataset.ts';
import { EMPTY_VIEW, isStarted, overallShare, type RunView } from './state.ts';

/** What happened, what is safe, what to do, and the details to copy. */
export interface Problem {
  readonly title: string;
  readonly safe: string;
  readonly advice: string;
  readonly details: string;
}

/**
 * What this page is doing: with the run, or with files that are read. Pausing keeps the model loaded, stopping
 * gives its memory back.
 */
export type Activity = 'idle' | 'importing' | 'starting' | 'running' | 'pausing' | 'stopping';

/** One line of the run menu. */
export interface RunEntry {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly finished: boolean;
}

/** What is read from storage beside the view: the texts. Long lists are read as they are looked at. */
export interface Records {
  readonly dataset: OpenData | null;
  readonly prepared: OpenPrepared | null;
  readonly pairs: readonly PairRecord[];
  readonly answers: readonly HeldOutAnswer[];
}

export type Theme = 'system' | 'light' | 'dark';

export const NO_RECORDS: Records = { dataset: null, prepared: null, pairs: [], answers: [] };

export const ready = signal(false);
export const runs = signal<readonly RunEntry[]>([]);
export const view = signal<RunView>(EMPTY_VIEW);
export const records = signal<Records>(NO_RECORDS);
export const activity = signal<Activity>('idle');
export const problem = signal<Problem | null>(null);
/** A short word that something was done, read out politely. */
export const said = signal('');
/** The stage looked at; null is the opening. */
export const selected = signal<Stage | null>(null);
/** Settings as edited; null while nothing is. */
export const edits = signal<RunConfig | null>(null);
export const storageUse = signal<{ readonly used: number; readonly quota: number } | null>(null);
export const theme = signal<Theme>('system');
export const keepAwake = signal(false);
export const notify = signal(false);
/** Answers of the run are still being read from storage. */
export const reading = signal(false);

export const busy = computed(() => activity.value !== 'idle');
export const started = computed(() => isStarted(view.value));
export const title = computed(() => {
  const { manifest } = view.value;
  if (activity.value === 'importing') return 'Reading data · self-contrast';
  if (manifest === null) return 'self-contrast';
  if (!busy.value) return `${manifest.name} · self-contrast`;
  return `${Math.floor(overallShare(view.value) * 100)} % · ${manifest.name} · self-contrast`;
});
