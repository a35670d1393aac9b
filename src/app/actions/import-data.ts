/** From the user's files to a run with their data: look, ask where a file is not recognised, read, adopt. */
import { batch } from '@preact/signals';
import type { Mapping } from '../../pipeline/import/index.ts';
import type { DatasetInfo } from '../../pipeline/types.ts';
import type { DataSource, FilePreview, ImportProgress } from '../../service/data-service.ts';
import { callback } from '../client.ts';
import { callData, closeData } from '../data-client.ts';
import { count, plural } from '../format.ts';
import { host } from '../host.ts';
import { importing, lastFiles, type MappingStep } from '../importing.ts';
import { withRun } from '../locks.ts';
import { problemOf } from '../problems.ts';
import { config } from '../settings.ts';
import { activity, busy, edits, problem, said, view } from '../signals.ts';
import { isStarted } from '../state.ts';
import { tell } from '../tabs.ts';
import { runName } from './edits.ts';
import { listRuns, openRun, openStage } from './runs.ts';
import { measureStorage } from './space.ts';

/** How long a cancelled import may take to clean up by itself, in milliseconds. */
const CANCEL_PATIENCE = 1500;

class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/** Reads the files into a data set of their own; asks which column is what where a file is not recognised. */
export async function useData(files: readonly File[]): Promise<void> {
  if (busy.value || files.length === 0) return;
  await look(files, (previews) =>
    // Without columns there is nothing to choose from: reading says why.
    previews.flatMap(({ format, columns }, at) => (format === null && columns.length > 0 ? [at] : [])),
  );
}

/** The same files again, with the columns named by the user. */
export async function readDifferently(): Promise<void> {
  const last = lastFiles.value;
  if (busy.value || last === null) return;
  await look(last.files, (previews) => previews.map((_, at) => at));
}

async function look(
  files: readonly File[],
  toMap: (previews: readonly FilePreview[]) => readonly number[],
): Promise<void> {
  const looking = { step: 'looking', names: files.map((file) => file.name) } as const;
  const previews: FilePreview[] = [];
  batch(() => {
    importing.value = looking;
    problem.value = null;
  });
  openStage('data');
  try {
    for (const file of files) previews.push(await callData((api) => api.preview({ file })));
    if (importing.value !== looking) return;
    const mapped = toMap(previews);
    const [first] = mapped.flatMap((at) => previews[at] ?? []);
    if (first === undefined) return await read(files.map((file) => ({ file })));
    const mapping = first.guess;
    importing.value = { step: 'mapping', files, previews, mapped, mapping, shown: null, fault: '' };
    await showMapped();
  } catch (error) {
    // Of several files the one that is to blame.
    if (importing.value === looking) fail(looking.names.slice(previews.length, previews.length + 1), error);
  }
}

/** The user names other columns; the preview follows. */
export async function setMapping(mapping: Mapping): Promise<void> {
  const now = importing.value;
  if (now?.step !== 'mapping') return;
  importing.value = { ...now, mapping, fault: '' };
  await showMapped();
}

async function showMapped(): Promise<void> {
  const now = importing.value;
  if (now?.step !== 'mapping') return;
  const { mapping } = now;
  const file = now.files[now.mapped[0] ?? 0];
  if (file === undefined) return;
  const update = (change: Partial<MappingStep>) => {
    const then = importing.value;
    // Only what is still asked for.
    if (then?.step === 'mapping' && then.mapping === mapping) importing.value = { ...then, ...change };
  };
  try {
    update({ shown: await callData((api) => api.preview({ file, mapping })), fault: '' });
  } catch (error) {
    update({ shown: null, fault: error instanceof Error ? error.message : String(error) });
  }
}

/** Reads the files as the mapping says. */
export async function readMapped(): Promise<void> {
  const now = importing.value;
  if (now?.step !== 'mapping' || busy.value) return;
  const { files, mapped, mapping } = now;
  await read(files.map((file, at) => (mapped.includes(at) ? { file, mapping } : { file })));
}

let patience = 0;

async function read(sources: readonly DataSource[]): Promise<void> {
  const names = sources.map(({ file }) => file.name);
  batch(() => {
    activity.value = 'importing';
    importing.value = { step: 'reading', name: names[0] ?? '', progress: null };
  });
  try {
    const info = await store(sources);
    activity.value = 'idle';
    await adopt(info);
    lastFiles.value = { dataset: info.id, files: sources.map(({ file }) => file) };
    importing.value = null;
    said.value = `${plural(info.counts.rows, 'row')} read, ${count(info.counts.refused)} refused.`;
  } catch (error) {
    activity.value = 'idle';
    if (error instanceof Cancelled || isAbort(error)) {
      importing.value = null;
      said.value = 'Cancelled. Nothing was changed.';
    } else fail(names, error);
  } finally {
    window.clearTimeout(patience);
    await measureStorage();
  }
}

async function store(sources: readonly DataSource[]): Promise<DatasetInfo> {
  const id = crypto.randomUUID();
  const onProgress = callback((progress: ImportProgress) => {
    if (importing.value?.step === 'reading') importing.value = { ...importing.value, progress };
  });
  try {
    return await callData((api) => api.importFiles({ id, sources }, onProgress));
  } catch (error) {
    // A worker that was ended could not clean up behind itself.
    const data = await host.data().catch(() => null);
    await data?.remove(id).catch(() => undefined);
    throw error;
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** A run that has not started takes the data; any other keeps its own, and a new run is made. */
async function adopt(info: DatasetInfo): Promise<void> {
  const settings = edits.value;
  const { manifest } = view.value;
  let id: string;
  if (manifest !== null && !isStarted(view.value)) {
    id = manifest.id;
    await withRun(id, async () => {
      const old = await (await host.data()).info(manifest.datasetId);
      const next = await host.changeDataset(id, info.id);
      const unnamed = next.name === runName(old.name);
      if (unnamed) await (await host.runStore(id)).saveManifest({ ...next, name: runName(info.name) });
    });
  } else {
    const name = runName(info.name);
    id = (await host.createRun({ name, config: config.value, datasetId: info.id })).id;
  }
  tell({ type: 'runs' });
  await listRuns();
  await openRun(id);
  // A new run was made with the edited settings; a changed one still waits for them.
  if (id === manifest?.id) edits.value = settings;
  openStage('data');
}

/** Ends the import; nothing of it stays. */
export function cancelImport(): void {
  const now = importing.value;
  if (now === null) return;
  if (now.step !== 'reading') {
    importing.value = null;
    return;
  }
  window.clearTimeout(patience);
  patience = window.setTimeout(() => closeData(new Cancelled('The import was cancelled.')), CANCEL_PATIENCE);
  // What becomes of it is told by the import itself.
  void callData((api) => api.cancel()).catch(() => undefined);
}

function fail(names: readonly string[], error: unknown): void {
  const [first = 'The file'] = names;
  const what =
    names.length > 1
      ? `${first} and ${names.length - 1} more could not be read`
      : `${first} could not be read`;
  batch(() => {
    importing.value = null;
    problem.value = problemOf(what, error, 'Nothing was changed.');
  });
}
