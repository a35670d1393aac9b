/** The page behind `npm run selfcontrast` and `npm run lab`: no view, one job, driven by scripts. */
import type { RunConfig } from '../pipeline/config.ts';
import type { RunError, RunEvent, RunManifest } from '../pipeline/types.ts';
import type { CheckResult, ExportFile } from '../pipeline/worker-api.ts';
import { callWorker, runStored } from './client.ts';
import {
  type ExtraProgress,
  type ExtraResult,
  type HeadlessExtras,
  writeExtras,
} from './headless-exports.ts';
import { type LabJob, type LabResult, lab } from './headless-lab.ts';
import { fetchModels, type ModelProgress, stopFetching } from './headless-models.ts';
import { fetchDataset, post } from './headless-transfer.ts';
import { host } from './host.ts';
import { withRun } from './locks.ts';

export interface HeadlessJob {
  /** `model` and `embedder` are 'default', the URL of a folder, or a hub's. */
  readonly config: RunConfig;
  /** For gated models of the hub; kept in memory alone. */
  readonly token?: string | null;
  readonly name: string;
  /** URL of a Dataset as JSON. */
  readonly dataset: string;
  readonly check: boolean;
  /** The run's files are posted to this URL + their path; null where nothing is written. */
  readonly inbox: string | null;
  /** More to be written when the run is done. */
  readonly extras: HeadlessExtras | null;
}

export type HeadlessResult =
  | ({ readonly type: 'done'; readonly manifest: RunManifest } & ExtraResult)
  | { readonly type: 'check'; readonly check: CheckResult }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: RunError };

export interface HeadlessApi {
  start(job: HeadlessJob): Promise<HeadlessResult>;
  /** Stores a job's run without starting it, and returns its id. */
  create(job: HeadlessJob): Promise<string>;
  /** The runs that this browser profile holds, the newest first. */
  runs(): Promise<RunManifest[]>;
  /** Deletes a run with all it owns. */
  remove(runId: string): Promise<void>;
  /** Goes on with a stored run; files are posted as those of a job are. */
  resume(runId: string, inbox: string | null): Promise<HeadlessResult>;
  /** Creates the lab of a job, or goes on with the one that this browser profile holds. */
  lab(job: LabJob): Promise<LabResult>;
  /** Ends the run or the lab at the next safe point; `start` or `lab` then answers 'stopped'. */
  stop(): Promise<void>;
}

declare global {
  interface Window {
    selfContrast: HeadlessApi;
    /** Put there by the runner; it prints progress. */
    onSelfContrastEvent?: (event: RunEvent) => void;
    onSelfContrastExtra?: (progress: ExtraProgress) => void;
    onSelfContrastModel?: (progress: ModelProgress) => void;
  }
}

/** What the runner prints; sampled texts and single metrics would only slow the run down on their way. */
const FORWARDED: ReadonlySet<RunEvent['type']> = new Set([
  'stage',
  'progress',
  'prepared',
  'device',
  'self-check',
  'warning',
]);

let stopping = false;
let manifest: RunManifest | null = null;

function start(job: HeadlessJob): Promise<HeadlessResult> {
  return told(async () => {
    const id = await create(job);
    if (job.check) return { type: 'check', check: await callWorker((api) => api.check(id)) };
    return work(id, job);
  });
}

async function create({ config: asked, token = null, name, dataset }: HeadlessJob): Promise<string> {
  const say = (progress: ModelProgress) => window.onSelfContrastModel?.(progress);
  const { config } = await fetchModels(asked, token, say);
  const { id: datasetId } = await (await host.data()).save(await fetchDataset(dataset));
  const { id } = await host.createRun({ name, config, datasetId });
  return id;
}

function resume(runId: string, inbox: string | null): Promise<HeadlessResult> {
  return told(() => work(runId, { inbox, extras: null }));
}

async function work(
  id: string,
  { inbox, extras }: { readonly inbox: string | null; readonly extras: HeadlessExtras | null },
): Promise<HeadlessResult> {
  await withRun(id, () => runStored(id, onEvent));
  if (stopping) return { type: 'stopped' };
  const finished = await (await host.runStore(id)).manifest();
  if (finished.error !== undefined) return { type: 'failed', error: finished.error };
  const done = { type: 'done', manifest: finished, remarks: [], failures: [] } as const;
  if (inbox === null) return done;
  await post(await callWorker((api) => api.exportFiles(id)), inbox);
  if (extras === null) return done;
  const send = (files: readonly ExportFile[]) => post(files, inbox);
  const say = (progress: ExtraProgress) => window.onSelfContrastExtra?.(progress);
  return { ...done, ...(await writeExtras(id, extras, send, say)) };
}

/** Whatever goes wrong becomes a result: an error would lose its kind on the way to the runner. */
async function told(job: () => Promise<HeadlessResult>): Promise<HeadlessResult> {
  try {
    return await job();
  } catch (error) {
    return stopping ? { type: 'stopped' } : { type: 'failed', error: runError(error) };
  }
}

async function stop(): Promise<void> {
  stopping = true;
  await Promise.all([stopFetching(), callWorker((api) => api.stop())]);
}

function onEvent(event: RunEvent): void {
  if (event.type === 'manifest') manifest = event.manifest;
  if (FORWARDED.has(event.type)) window.onSelfContrastEvent?.(event);
}

/** What the worker said went wrong, or the bare error where it had no time to say so. */
function runError(error: unknown): RunError {
  if (manifest?.error !== undefined) return manifest.error;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { stage: 'model', code: 'failed', message, details: stack ?? '' };
}

const remove = (id: string): Promise<void> => withRun(id, () => host.deleteRun(id));

window.selfContrast = {
  start,
  create,
  runs: host.listRuns,
  remove,
  resume,
  lab: (job) => lab(job, () => stopping),
  stop,
};
