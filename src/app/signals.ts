/** The page's signals. Only actions.ts and the tests write the ones about a run; components read. */
import { computed, signal } from '@preact/signals';
import type { RunConfig } from '../pipeline/config.ts';
import type { HeldOutAnswer, PairRecord, RunManifest, Stage } from '../pipeline/types.ts';
import type { Imported } from '../storage/project/import.ts';
import type { OpenData, OpenPrepared } from './dataset.ts';
import { EMPTY_VIEW, isStarted, overallShare, type RunView } from './state.ts';

/** What happened, what is safe, what to do, and the details to copy. */
export interface Problem {
  readonly title: string;
  readonly safe: string;
  readonly advice: string;
  readonly details: string;
  /** What likely caused it, the likeliest first. */
  readonly reasons?: readonly string[];
  /** What the message offers to do at once. */
  readonly action?: ProblemAction;
}

/**
 * Resume as it is, on WebAssembly, or with a lower learning rate in the stage that stopped; look at settings that
 * fit; reload the page.
 */
export type ProblemAction = 'resume' | 'wasm' | 'lower-sft' | 'lower-dpo' | 'fit' | 'reload';

/**
 * What this page is doing: with the run, with files that are read, or with a lab (the one worker can't do both).
 * Pausing keeps the model loaded, stopping gives its memory back.
 */
export type Activity = 'idle' | 'importing' | 'starting' | 'running' | 'pausing' | 'stopping' | 'lab';

/** What is read from storage beside the view: the texts. Long lists are read as they are looked at. */
export interface Records {
  readonly dataset: OpenData | null;
  readonly prepared: OpenPrepared | null;
  readonly pairs: readonly PairRecord[];
  readonly answers: readonly HeldOutAnswer[];
}

export interface RunSize {
  readonly bytes: number;
  /** The run's time of change when it was measured. */
  readonly changed: number;
  readonly dataset: string;
}

export interface ProjectJob {
  readonly title: string;
  /** Bytes; a total of 0 is not known yet. */
  readonly done: number;
  readonly total: number;
  readonly cancel: () => void;
}

export type Theme = 'system' | 'light' | 'dark';

export const NO_RECORDS: Records = { dataset: null, prepared: null, pairs: [], answers: [] };

export const ready = signal(false);
/** All stored runs, the newest first. */
export const runs = signal<readonly RunManifest[]>([]);
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

/** Runs that other tabs are working on. */
export const elsewhereRuns = signal<ReadonlySet<string>>(new Set());
/** The run whose other tab has ended while this page followed it. */
export const endedElsewhere = signal<string | null>(null);
/** The list of runs is looked at, in place of a stage. */
export const runsOpen = signal(false);
/** The lab that is looked at in place of a stage: its id, 'new', or '' for the list of labs; null is none. */
export const labOpen = signal<string | null>(null);
/** Name of the lab at work here, and how far it is in 0..1; null while none is. */
export const labAtWork = signal<{
  readonly id: string;
  readonly name: string;
  readonly share: number;
} | null>(null);
/** Bytes of runs as they were measured, and the names of their data sets. */
export const runSizes = signal<ReadonlyMap<string, RunSize>>(new Map());
/** The export or import that is under way. */
export const projectJob = signal<ProjectJob | null>(null);
/** What the last import brought, until the message is closed. */
export const projectImported = signal<readonly Imported[]>([]);
/** Whether the browser has promised to keep what is stored; null while that is not known. */
export const persisted = signal<boolean | null>(null);

/** The user has asked the browser to keep it, with whatever success. */
export const askedToKeep = signal(false);

/** This page is at work. */
export const working = computed(() => activity.value !== 'idle');
/** This page is at work on the shown run, or reads data for it. */
export const runWorking = computed(() => working.value && activity.value !== 'lab');
/** The shown run is at work in another tab, and followed here. */
export const elsewhere = computed(() => {
  const id = view.value.manifest?.id;
  return !working.value && id !== undefined && elsewhereRuns.value.has(id);
});
/** The shown run is at work, wherever: nothing of it may be changed. */
export const busy = computed(() => working.value || elsewhere.value);
export const started = computed(() => isStarted(view.value));
export const title = computed(() => {
  const { manifest } = view.value;
  const lab = labAtWork.value;
  if (lab !== null) return `${Math.floor(lab.share * 100)} % · ${lab.name} · self-contrast`;
  if (activity.value === 'importing') return 'Reading data · self-contrast';
  if (manifest === null) return 'self-contrast';
  if (!busy.value) return `${manifest.name} · self-contrast`;
  return `${Math.floor(overallShare(view.value) * 100)} % · ${manifest.name} · self-contrast`;
});
