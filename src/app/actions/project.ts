/** Work on whole runs: sizes, copies with changes, export to and import from a file. */
import { proxy, type Remote } from 'comlink';
import type { RunConfig } from '../../pipeline/config.ts';
import { type RunManifest, STAGES, type Stage, type StageState } from '../../pipeline/types.ts';
import type { ProjectWorkerApi } from '../../service/project-service.ts';
import { redoFrom } from '../fields.ts';
import { plural } from '../format.ts';
import { host } from '../host.ts';
import { withRun, withRuns } from '../locks.ts';
import { problemOf } from '../problems.ts';
import { withProjectWorker } from '../project-client.ts';
import { problem, projectImported, projectJob, runSizes, runs, said } from '../signals.ts';
import { changedManifest, clearedManifest, perStage } from '../state.ts';
import { tell } from '../tabs.ts';
import { listRuns, showRun } from './runs.ts';
import { measureStorage } from './space.ts';

/** Measures the runs that have changed since they were measured last, one after the other. */
export async function measureRuns(): Promise<void> {
  const stale = runs.value.filter(
    (run) => runSizes.value.get(run.id)?.changed !== (run.changed ?? run.created),
  );
  if (stale.length === 0) return;
  try {
    const data = await host.data();
    await withProjectWorker(async (api) => {
      for (const { id, changed, created, datasetId } of stale) {
        const bytes = await api.size({ kind: 'run', id });
        const { name } = await data.info(datasetId);
        const size = { bytes, changed: changed ?? created, dataset: name };
        runSizes.value = new Map(runSizes.value).set(id, size);
      }
    });
  } catch (error) {
    problem.value = problemOf('The sizes of the runs could not be measured', error, 'Nothing was changed.');
  }
}

/** What a copy with these settings takes over, and what it has to do itself. */
export function copyPlan(run: RunManifest, config: RunConfig): { from: Stage | null; copied: Stage[] } {
  const from = redoFrom(run.config, config);
  const after = from === null ? run : clearedManifest(run, from);
  return { from, copied: STAGES.filter((stage) => after.stages[stage] === 'done') };
}

/** A new run with other settings, which has the records of the stages before the first that they change. */
export async function duplicateRun(run: RunManifest, name: string, config: RunConfig): Promise<boolean> {
  try {
    const copy = await withRun(run.id, async () => {
      const now = await (await host.runStore(run.id)).manifest();
      const { from } = copyPlan(now, config);
      const { error: _error, ...kept } = changedManifest(now, config, from);
      const created = Date.now();
      const stages = perStage((stage): StageState => (kept.stages[stage] === 'done' ? 'done' : 'waiting'));
      const made: RunManifest = {
        ...kept,
        stages,
        id: crypto.randomUUID(),
        name,
        created,
        changed: created,
      };
      await withProjectWorker((api) => api.duplicate(run.id, made, from));
      return made;
    });
    await listRuns();
    tell({ type: 'runs' });
    await showRun(copy.id);
    said.value = `${name} is a copy of ${run.name}.`;
    await measureStorage();
    return true;
  } catch (error) {
    problem.value = problemOf('The run could not be copied', error, 'The run is as it was.');
    return false;
  }
}

/** One export or import at a time, with its progress and a way to end it. */
async function job<T>(title: string, work: (api: Remote<ProjectWorkerApi>) => Promise<T>): Promise<T | null> {
  if (projectJob.value !== null) return null;
  problem.value = null;
  try {
    return await withProjectWorker((api) => {
      projectJob.value = { title, done: 0, total: 0, cancel: () => void api.cancel() };
      return work(api);
    });
  } catch (error) {
    const cancelled = error instanceof Error && /cancelled/.test(error.message);
    if (cancelled) said.value = 'Cancelled. Nothing was left behind.';
    else problem.value = problemOf(`${title} failed`, error, 'What is stored here is as it was.');
    return null;
  } finally {
    projectJob.value = null;
  }
}

const onProgress = () =>
  proxy((done: number, total: number) => {
    const now = projectJob.value;
    if (now !== null) projectJob.value = { ...now, done, total };
  });

/** The runs with all their records, their data and models, as one file in Downloads. */
export async function exportRuns(ids: readonly string[]): Promise<void> {
  const file = await job('Export of the project', (api) =>
    withRuns(ids, () => api.exportProject([...ids], onProgress())),
  );
  if (file === null) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = `self-contrast-${new Date().toISOString().slice(0, 10)}.zip`;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  said.value = `${plural(ids.length, 'run')} exported.`;
}

/** Whether a file is a project of this page. A zip that can't be read is none: whoever takes it then says why. */
export async function isProject(file: File): Promise<boolean> {
  if (!file.name.toLowerCase().endsWith('.zip')) return false;
  const [{ blobSource, Zip }, { INDEX }] = await Promise.all([
    import('../../model/zip.ts'),
    import('../../storage/project/format.ts'),
  ]);
  try {
    return (await Zip.open(blobSource(file), LISTED)).entries.has(INDEX);
  } catch {
    return false;
  }
}

/** Only the list of entries is read. */
const LISTED = { entries: 100_000, entryBytes: 2 ** 32, totalBytes: 2 ** 33 };

/** Takes in a project file; the list of runs shows what it brought. */
export async function importRuns(file: File): Promise<void> {
  projectImported.value = [];
  const imported = await job(`Import of ${file.name}`, (api) => api.importProject(file, onProgress()));
  if (imported === null) return;
  projectImported.value = imported;
  await listRuns();
  tell({ type: 'runs' });
  await measureStorage();
  await measureRuns();
}
