/** The list of runs and the shown one: open, read, name, delete. */
import { batch } from '@preact/signals';
import { STAGES, type Stage } from '../../pipeline/types.ts';
import { closeWorker } from '../client.ts';
import { inMemory, openData, openPrepared } from '../dataset.ts';
import { exampleDataset } from '../example.ts';
import { host } from '../host.ts';
import { problemOf, problemOfRun } from '../problems.ts';
import {
  busy,
  edits,
  NO_RECORDS,
  problem,
  reading,
  ready,
  records,
  runs,
  said,
  selected,
  view,
} from '../signals.ts';
import { currentStage, EMPTY_VIEW, viewOf } from '../state.ts';
import { recall, remember } from './memory.ts';
import { measureStorage, watchPreferences } from './preferences.ts';

/** First thing on the page: the run looked at last, or the opening with the example. */
export async function boot(): Promise<void> {
  watchPreferences();
  window.addEventListener('hashchange', followHash);
  try {
    await listRuns();
    const last = recall('run');
    const known = runs.value.find((run) => run.id === last) ?? (last === '' ? undefined : runs.value[0]);
    if (known !== undefined) await openRun(known.id);
    else {
      newRun();
      followHash();
    }
  } catch (error) {
    // First: a new run begins without a problem.
    newRun();
    problem.value = {
      ...problemOf('This browser does not let the page store anything', error),
      advice: 'Leave private browsing or allow storage for this page, then reload.',
    };
  } finally {
    ready.value = true;
  }
  await measureStorage();
}

export async function listRuns(): Promise<void> {
  runs.value = (await host.listRuns()).map(({ id, name, created, stages }) => ({
    id,
    name,
    created,
    finished: STAGES.every((stage) => stages[stage] === 'done'),
  }));
}

function followHash(): void {
  const name = window.location.hash.slice(1);
  selected.value = STAGES.find((stage) => stage === name) ?? null;
}

/** Shows a stage; the address keeps it, so that Back works. */
export function openStage(stage: Stage | null): void {
  selected.value = stage;
  const hash = stage === null ? ' ' : `#${stage}`;
  if (window.location.hash !== hash.trim()) window.history.pushState(null, '', stage === null ? './' : hash);
  document.querySelector('.main')?.scrollTo({ top: 0 });
}

export async function openRun(id: string): Promise<void> {
  if (busy.value) return;
  try {
    const store = await host.runStore(id);
    const manifest = await store.manifest();
    const dataset = await openData(manifest.datasetId);
    const another = view.value.manifest?.id !== id;
    if (another) closeWorker();
    batch(() => {
      edits.value = null;
      problem.value = manifest.error === undefined ? null : problemOfRun(manifest.error);
      view.value = viewOf({ manifest, counts: null, responses: [], sft: [], dpo: [] });
      records.value = { ...NO_RECORDS, dataset };
      reading.value = true;
    });
    remember('run', id);
    followHash();
    if (selected.value === null && STAGES.some((stage) => manifest.stages[stage] !== 'waiting')) {
      selected.value = currentStage(view.value) ?? 'evaluate';
    }
    await readRecords(id);
  } catch (error) {
    problem.value = problemOf('The run could not be read', error, 'Nothing was changed.');
  } finally {
    reading.value = false;
  }
}

/** Reads everything stored of a run into the view. */
export async function readRecords(id: string): Promise<void> {
  const store = await host.runStore(id);
  const [manifest, prepared, responses, sft, dpo, pairs, answers] = await Promise.all([
    store.manifest(),
    openPrepared(id),
    store.responses(),
    store.metrics('sft'),
    store.metrics('dpo'),
    store.pairs(),
    store.answers(),
  ]);
  if (view.value.manifest?.id !== id) return;
  const fresh = viewOf({ manifest, counts: prepared?.info ?? null, responses, sft, dpo });
  batch(() => {
    const { previews, stages } = view.value;
    view.value = {
      ...fresh,
      previews,
      // Words and rates of this sitting are kept; what is stored has only the state.
      stages: busy.value ? stages : fresh.stages,
    };
    records.value = { ...records.value, prepared, pairs, answers };
  });
}

/** Reads again what a finished stage has written beside its events. */
export async function refreshAfter(stage: Stage): Promise<void> {
  const id = view.value.manifest?.id;
  if (id === undefined) return;
  const store = await host.runStore(id);
  if (stage === 'data') {
    records.value = { ...records.value, prepared: await openPrepared(id) };
  } else if (stage === 'filter') {
    const [responses, pairs] = await Promise.all([store.responses(), store.pairs()]);
    const list: typeof responses = [];
    for (const record of responses) list[record.index] = record;
    batch(() => {
      view.value = { ...view.value, responses: list };
      records.value = { ...records.value, pairs };
    });
  } else if (stage === 'evaluate') {
    records.value = { ...records.value, answers: await store.answers() };
  }
  await measureStorage();
}

/** An empty page with the example data; a run is stored only when it starts. */
export function newRun(): void {
  if (busy.value) return;
  closeWorker();
  batch(() => {
    edits.value = null;
    problem.value = null;
    view.value = EMPTY_VIEW;
    records.value = NO_RECORDS;
    selected.value = null;
  });
  remember('run', '');
  void exampleDataset().then(
    (dataset) => {
      if (view.value.manifest === null && records.value.dataset === null) {
        records.value = { ...records.value, dataset: inMemory(dataset) };
      }
    },
    (error: unknown) => {
      problem.value = problemOf('The example data could not be read', error);
    },
  );
}

export async function renameRun(id: string, name: string): Promise<void> {
  const trimmed = name.trim();
  if (trimmed === '') return;
  try {
    const store = await host.runStore(id);
    const manifest = { ...(await store.manifest()), name: trimmed };
    await store.saveManifest(manifest);
    if (view.value.manifest?.id === id) view.value = { ...view.value, manifest };
    await listRuns();
  } catch (error) {
    problem.value = problemOf('The run could not be renamed', error);
  }
}

export async function deleteRunById(id: string): Promise<void> {
  if (busy.value) return;
  try {
    await host.deleteRun(id);
    await listRuns();
    said.value = 'The run is deleted.';
    const next = runs.value[0];
    if (next === undefined) newRun();
    else await openRun(next.id);
    await measureStorage();
  } catch (error) {
    problem.value = problemOf('The run could not be deleted', error, 'Nothing was removed.');
  }
}
