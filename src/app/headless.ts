/** The page behind `npm run selfcontrast`: no view, one job, driven by scripts/selfcontrast.ts. */
import type { RunConfig } from '../pipeline/config.ts';
import type { Dataset, RunError, RunEvent, RunManifest } from '../pipeline/types.ts';
import type { CheckResult, ExportFile } from '../pipeline/worker-api.ts';
import { callWorker, runStored } from './client.ts';
import {
  type ExtraProgress,
  type ExtraResult,
  type HeadlessExtras,
  writeExtras,
} from './headless-exports.ts';
import { fetchModels, type ModelProgress, stopFetching } from './headless-models.ts';
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
  /** Ends the run at the next safe point; `start` then answers 'stopped'. */
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
  const config = await fetchModels(asked, token, (progress) => window.onSelfContrastModel?.(progress));
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

/** Files go one by one through the local server: megabytes have no place in the browser's debugging channel. */
async function post(files: readonly ExportFile[], inbox: string): Promise<void> {
  for (const { path, bytes } of files) {
    const url = inbox + path.split('/').map(encodeURIComponent).join('/');
    const response = await fetch(url, { method: 'POST', body: new Blob([bytes as Uint8Array<ArrayBuffer>]) });
    if (!response.ok) throw new Error(`writing ${path} failed (HTTP ${response.status})`);
  }
}

async function fetchDataset(url: string): Promise<Dataset> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the data set could not be fetched (HTTP ${response.status})`);
  return response.json();
}

/** What the worker said went wrong, or the bare error where it had no time to say so. */
function runError(error: unknown): RunError {
  if (manifest?.error !== undefined) return manifest.error;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { stage: 'model', code: 'failed', message, details: stack ?? '' };
}

const remove = (id: string): Promise<void> => withRun(id, () => host.deleteRun(id));

window.selfContrast = { start, create, runs: host.listRuns, remove, resume, stop };
