/** The page behind `npm run selfcontrast`: no view, one job, driven by scripts/selfcontrast.ts. */
import type { RunConfig } from '../pipeline/config.ts';
import type { CheckResult, Dataset, ExportFile, RunError, RunEvent, RunManifest } from '../pipeline/types.ts';
import { openStorage } from '../storage/index.ts';
import { callback, callWorker } from './client.ts';
import { withRun } from './locks.ts';

export interface HeadlessJob {
  /** `model` and `embedder` are 'default' or the URL of a folder. */
  readonly config: RunConfig;
  readonly name: string;
  /** URL of a Dataset as JSON. */
  readonly dataset: string;
  readonly check: boolean;
  /** The run's files are posted to this URL + their path; null where nothing is written. */
  readonly inbox: string | null;
}

export type HeadlessResult =
  | { readonly type: 'done'; readonly manifest: RunManifest }
  | { readonly type: 'check'; readonly check: CheckResult }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: RunError };

export interface HeadlessApi {
  start(job: HeadlessJob): Promise<HeadlessResult>;
  /** Ends the run at the next safe point; `start` then answers 'stopped'. */
  stop(): Promise<void>;
}

declare global {
  interface Window {
    selfContrast: HeadlessApi;
    /** Put there by the runner; it prints progress. */
    onSelfContrastEvent?: (event: RunEvent) => void;
  }
}

/** What the runner prints; sampled texts and single metrics would only slow the run down on their way. */
const FORWARDED: ReadonlySet<RunEvent['type']> = new Set([
  'stage',
  'progress',
  'prepared',
  'device',
  'warning',
]);

let stopping = false;
let manifest: RunManifest | null = null;

async function start(job: HeadlessJob): Promise<HeadlessResult> {
  try {
    const storage = await openStorage();
    const { config, name } = job;
    const { id: datasetId } = await storage.data.save(await fetchDataset(job.dataset));
    const { id } = await storage.createRun({ name, config, datasetId });
    if (job.check) return { type: 'check', check: await callWorker((api) => api.check(id)) };
    await withRun(id, () => callWorker((api) => api.run(id, callback(onEvent))));
    if (stopping) return { type: 'stopped' };
    const finished = await storage.run(id).manifest();
    if (finished.error !== undefined) return { type: 'failed', error: finished.error };
    if (job.inbox !== null) await post(await callWorker((api) => api.exportFiles(id)), job.inbox);
    return { type: 'done', manifest: finished };
  } catch (error) {
    return stopping ? { type: 'stopped' } : { type: 'failed', error: runError(error) };
  }
}

async function stop(): Promise<void> {
  stopping = true;
  await callWorker((api) => api.stop());
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

window.selfContrast = { start, stop };
