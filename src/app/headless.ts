/** The page behind `npm run selfcontrast`: no view, one job, driven by scripts/selfcontrast.ts. */
import { proxy, type Remote, wrap } from 'comlink';
import type { RunConfig } from '../pipeline/config.ts';
import type {
  CheckResult,
  Dataset,
  ExportFile,
  ModelWorkerApi,
  RunError,
  RunEvent,
  RunManifest,
} from '../pipeline/types.ts';

export interface HeadlessJob {
  /** `model` and `embedder` are 'default', a hub id, or the URL of a folder. */
  readonly config: RunConfig;
  readonly name: string;
  /** URL of a Dataset as JSON; null is the embedded one. */
  readonly dataset: string | null;
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
const FORWARDED: ReadonlySet<RunEvent['type']> = new Set(['stage', 'progress', 'prepared', 'device', 'warning']);

let model: Remote<ModelWorkerApi> | null = null;
let stopping = false;
let manifest: RunManifest | null = null;

async function start(job: HeadlessJob): Promise<HeadlessResult> {
  try {
    const dataset = job.dataset === null ? await defaultDataset() : await fetchJson(job.dataset);
    const storage = await openStorage();
    const runId = await storage.createRun(job.name, dataset, job.config);
    const { api, broken } = startWorker();
    model = api;
    if (job.check) return { type: 'check', check: await Promise.race([api.check(runId), broken]) };
    await Promise.race([api.run(runId, proxy(onEvent)), broken]);
    if (stopping) return { type: 'stopped' };
    if (job.inbox !== null) await post(await Promise.race([api.exportFiles(runId), broken]), job.inbox);
    const finished = await storage.run(runId).manifest();
    if (finished.error !== undefined) return { type: 'failed', error: finished.error };
    return { type: 'done', manifest: finished };
  } catch (error) {
    return stopping ? { type: 'stopped' } : { type: 'failed', error: runError(error) };
  }
}

async function stop(): Promise<void> {
  stopping = true;
  await model?.stop();
}

function onEvent(event: RunEvent): void {
  if (event.type === 'manifest') manifest = event.manifest;
  if (FORWARDED.has(event.type)) window.onSelfContrastEvent?.(event);
}

/** The worker, and a promise that rejects when it dies: comlink by itself would wait for ever. */
function startWorker(): { api: Remote<ModelWorkerApi>; broken: Promise<never> } {
  const worker = new Worker(new URL('../../workers/model.ts', import.meta.url), { type: 'module' });
  const broken = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) => reject(new Error(`the worker died: ${event.message}`)));
    worker.addEventListener('messageerror', () => reject(new Error('a message to the worker was lost')));
  });
  broken.catch(() => undefined);
  return { api: wrap<ModelWorkerApi>(worker), broken };
}

/** Files go one by one through the local server: megabytes have no place in the browser's debugging channel. */
async function post(files: readonly ExportFile[], inbox: string): Promise<void> {
  for (const { path, bytes } of files) {
    const url = inbox + path.split('/').map(encodeURIComponent).join('/');
    const response = await fetch(url, { method: 'POST', body: new Blob([bytes as Uint8Array<ArrayBuffer>]) });
    if (!response.ok) throw new Error(`writing ${path} failed (HTTP ${response.status})`);
  }
}

async function fetchJson(url: string): Promise<Dataset> {
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
