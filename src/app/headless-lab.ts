/** Labs on the headless page: one job at a time, driven by scripts/lab.ts. */
import { questionsFile } from '../lab/judges/comparisons.ts';
import type {
  ArmSpec,
  LabEstimate,
  LabEvent,
  LabManifest,
  LabReport,
  PlanInfo,
  Split,
} from '../lab/types.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { RefusedRow } from '../pipeline/types.ts';
import type { ExportFile } from '../pipeline/worker-api.ts';
import { callback, callWorker, runStoredLab } from './client.ts';
import { fetchModels, type ModelProgress } from './headless-models.ts';
import { fetchDataset, post } from './headless-transfer.ts';
import { host } from './host.ts';
import { withRun } from './locks.ts';

export interface LabJob {
  /** `model` and `embedder` are 'default', the URL of a folder, or a hub's. */
  readonly config: RunConfig;
  /** For gated models of the hub; kept in memory alone. */
  readonly token: string | null;
  readonly name: string;
  /** URL of a Dataset as JSON. */
  readonly dataset: string;
  /** Likewise, of answers of other models; null without. */
  readonly imported: string | null;
  readonly plans: readonly PlanInfo[];
  readonly arms: readonly ArmSpec[];
  readonly seeds: readonly number[];
  readonly finalShare: number;
  /** As RunConfig.embedder; null without. */
  readonly reward: string | null;
  /** Estimates, and stops. */
  readonly check: boolean;
  /** Files are posted to this URL + their path; null where nothing is written. */
  readonly inbox: string | null;
  /** Takes the last look when all arms are done. */
  readonly final: boolean;
  readonly verdicts: readonly { readonly judge: string; readonly text: string }[];
  readonly questions: readonly (readonly [armA: string, armB: string])[];
}

/** What became of a file of verdicts. */
export interface TakenVerdicts {
  readonly judge: string;
  readonly taken: number;
  readonly refused: readonly RefusedRow[];
}

export interface LabFailure {
  readonly message: string;
  readonly details: string;
}

export type LabResult =
  | {
      readonly type: 'done';
      readonly report: LabReport;
      /** On the split kept for the last look, where it was asked for. */
      readonly final: LabReport | null;
      readonly verdicts: readonly TakenVerdicts[];
    }
  | { readonly type: 'check'; readonly estimate: LabEstimate }
  /** What was known by then is written. */
  | { readonly type: 'stopped'; readonly report: LabReport | null }
  | { readonly type: 'failed'; readonly error: LabFailure; readonly report: LabReport | null };

declare global {
  interface Window {
    /** Put there by the runner; they print progress. */
    onSelfContrastLab?: (event: LabEvent) => void;
    onSelfContrastEstimate?: (estimate: LabEstimate) => void;
  }
}

/**
 * Creates the lab of the job, or goes on with the one that this browser profile holds.
 *
 * @param stopping whether it has been told to stop
 */
export async function lab(job: LabJob, stopping: () => boolean): Promise<LabResult> {
  let id: string | null = null;
  const reportSoFar = async (): Promise<LabReport | null> =>
    id === null ? null : writeReport(id, job.inbox).catch(() => null);
  try {
    const [known] = await (await host.labs()).list();
    const manifest = known ?? (await create(job));
    id = manifest.id;
    return await work(manifest, job, stopping, reportSoFar);
  } catch (error) {
    if (stopping()) return { type: 'stopped', report: await reportSoFar() };
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    return { type: 'failed', error: { message, details: stack }, report: await reportSoFar() };
  }
}

async function create(job: LabJob): Promise<LabManifest> {
  const { name, plans, arms, seeds, finalShare } = job;
  const say = (progress: ModelProgress) => window.onSelfContrastModel?.(progress);
  const { config, reward } = await fetchModels(job.config, job.token, say, job.reward);
  const data = await host.data();
  const { id: datasetId } = await data.save(await fetchDataset(job.dataset));
  const imported = job.imported === null ? null : await data.save(await fetchDataset(job.imported));
  return (await host.labs()).create({
    ...{ name, config, datasetId, plans, arms, seeds, finalShare },
    ...(imported !== null && { importedId: imported.id }),
    ...(reward !== null && { rewardModel: reward }),
  });
}

async function work(
  { id }: LabManifest,
  job: LabJob,
  stopping: () => boolean,
  reportSoFar: () => Promise<LabReport | null>,
): Promise<LabResult> {
  const estimate = await callWorker((api) => api.estimateLab(id, true));
  if (job.check) return { type: 'check', estimate };
  window.onSelfContrastEstimate?.(estimate);
  if (estimate.problem !== undefined) throw new Error(estimate.problem);
  const onEvent = (event: LabEvent) => window.onSelfContrastLab?.(event);
  await withRun(id, () => runStoredLab(id, onEvent));
  if (!stopping() && job.final) await withRun(id, () => runStoredLab(id, onEvent, 'final'));
  if (stopping()) return { type: 'stopped', report: await reportSoFar() };
  const verdicts: TakenVerdicts[] = [];
  for (const { judge, text } of job.verdicts) {
    const { verdicts: taken, refused } = await callWorker((api) => api.importVerdicts(id, text, judge));
    verdicts.push({ judge, taken: taken.length, refused });
  }
  const report = await writeReport(id, job.inbox);
  const final = job.final ? await writeReport(id, job.inbox, 'final') : null;
  if (job.inbox !== null) await writeMore(id, job, job.inbox);
  return { type: 'done', report, final, verdicts };
}

/** The report as it is by now, with its files; those of the final split lie in a folder of their own. */
async function writeReport(id: string, inbox: string | null, split: Split = 'working'): Promise<LabReport> {
  if (inbox !== null) {
    const files = await callWorker((api) => api.labFiles(id, split));
    await post(split === 'final' ? files.map((file) => under('final', file)) : files, inbox);
    if (split === 'working') await post([labFile(await (await host.labs()).lab(id).manifest())], inbox);
  }
  return callWorker((api) => api.labReport(id, split));
}

async function writeMore(id: string, { questions }: LabJob, inbox: string): Promise<void> {
  const onFile = callback((file: ExportFile) => post([under('adapters', file)], inbox));
  await callWorker((api) => api.adapters(id, onFile));
  for (const [armA, armB] of questions) {
    const { comparisons } = await callWorker((api) => api.comparisons(id, armA, armB));
    const bytes = new TextEncoder().encode(questionsFile(comparisons));
    await post([{ path: `questions-${armA}-${armB}.jsonl`, bytes }], inbox);
  }
}

const under = (folder: string, { path, bytes }: ExportFile): ExportFile => ({
  path: `${folder}/${path}`,
  bytes,
});

/** lab.json: what was compared and with what, and what each piece of it came to. */
function labFile({ id: _id, datasetId: _d, importedId: _i, marks, ...lab }: LabManifest): ExportFile {
  const text = `${JSON.stringify({ ...lab, marks: marks.length }, null, 2)}\n`;
  return { path: 'lab.json', bytes: new TextEncoder().encode(text) };
}
