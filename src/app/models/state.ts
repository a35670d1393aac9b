/** What the page knows of models that are looked for, fetched and kept. Only actions write these signals. */
import { signal } from '@preact/signals';
import type { CachedModel, HubModel, HubProgress, HubRequest, HubUse } from '../../hub/api.ts';
import type { Precision } from '../../model/precision.ts';
import type { Fit } from '../../pipeline/fit.ts';
import type { FolderInfo } from '../../storage/schema.ts';
import type { HubProblem } from './hub-problems.ts';

/** A model of a hub from its id to its use. */
export interface Search {
  readonly request: HubRequest;
  /** The hub of the settings when it was asked for. */
  readonly setHub: string;
  readonly step: 'asking' | 'found' | 'fetching' | 'failed' | 'checked';
  /** It is stored already and only looked at for damage: the run goes on using what it uses. */
  readonly checkOnly: boolean;
  readonly found: HubModel | null;
  readonly progress: HubProgress | null;
  /** Whether this device can run it; null while unknown, and for embedders. */
  readonly fit: Fit | null;
  /** Why this page can't run it; empty otherwise. */
  readonly fault: string;
  readonly problem: HubProblem | null;
}

export const searches = signal<Readonly<Record<HubUse, Search | null>>>({
  model: null,
  embedder: null,
  reward: null,
});
/** Models of hubs that are stored, wholly or in part; null before they were listed. */
export const cachedModels = signal<readonly CachedModel[] | null>(null);
/** Folders that the user gave. */
export const storedFolders = signal<readonly FolderInfo[]>([]);
/** What was chosen for a lab last, as LabManifest.rewardModel names it; empty before. */
export const chosenReward = signal('');
/** The chooser that is open. */
export const choosing = signal<HubUse | null>(null);

/** What the shown settings need on this device, at each precision that was looked at. */
export interface Fits {
  /** The settings that it was worked out for, as JSON. */
  readonly of: string;
  readonly now: Fit | null;
  /** Why it can't be said; empty otherwise. */
  readonly fault: string;
  readonly others: Readonly<Partial<Record<Precision, Fit>>>;
}

export const fits = signal<Fits>({ of: '', now: null, fault: '', others: {} });
