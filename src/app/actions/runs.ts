/** The list of runs and the shown one: open, read, name, delete. */

import { batch } from '@preact/signals';
import { visible } from '../../model/text.ts';
import { responseSlices } from '../../pipeline/slices.ts';
import { type RunStore, STAGES, type Stage } from '../../pipeline/types.ts';
import { closeWorker } from '../client.ts';
import { inMemory, openData, openPrepared } from '../dataset.ts';
import { exampleDataset } from '../example.ts';
import { host } from '../host.ts';
import { withRun, withRuns } from '../locks.ts';
import { problemOf, problemOfRun } from '../problems.ts';
import {
  edits,
  elsewhere,
  endedElsewhere,
  labOpen,
  NO_RECORDS,
  problem,
  reading,
  records,
  runs,
  runsOpen,
  said,
  selected,
  view,
  working,
} from '../signals.ts';
import { currentStage, EMPTY_VIEW, type ShownResponses, shown, viewOf, withManifest } from '../state.ts';
import { tell } from '../tabs.ts';
import { remember } from './memory.ts';
import { measureStorage } from './space.ts';

export async function listRuns(): Promise<void> {
  runs.value = await host.listRuns();
}

/** The address of the list of runs, and of the labs; a lab's own is 'lab/ID'. */
const RUNS_HASH = 'runs';
const LAB_HASH = 'lab';

export function followHash(): void {
  const name = window.location.hash.slice(1);
  batch(() => {
    const [first, lab = ''] = name.split('/');
    runsOpen.value = name === RUNS_HASH;
    labOpen.value = first === LAB_HASH ? lab : null;
    if (!runsOpen.value && labOpen.value === null)
      selected.value = STAGES.find((stage) => stage === name) ?? null;
  });
}

/** Shows a stage; the address keeps it, so that Back works. */
export function openStage(stage: Stage | null): void {
  batch(() => {
    runsOpen.value = false;
    labOpen.value = null;
    selected.value = stage;
  });
  go(stage ?? '');
}

/** Shows the list of runs in place of a stage. */
export function openRuns(): void {
  batch(() => {
    runsOpen.value = true;
    labOpen.value = null;
  });
  go(RUNS_HASH);
}

/** Shows a lab in place of a stage; 'new' is the form for one, '' the list of labs. */
export function openLab(id: string): void {
  batch(() => {
    runsOpen.value = false;
    labOpen.value = id;
  });
  go(id === '' ? LAB_HASH : `${LAB_HASH}/${id}`);
}

function go(name: string): void {
  const hash = name === '' ? '' : `#${name}`;
  if (window.location.hash !== hash) window.history.pushState(null, '', hash === '' ? './' : hash);
  document.querySelector('.main')?.scrollTo({ top: 0 });
}

export async function openRun(id: string): Promise<void> {
  if (working.value) return;
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
      endedElsewhere.value = null;
    });
    remember('run', id);
    followHash();
    if (selected.value === null && STAGES.some((stage) => manifest.stages[stage] !== 'waiting')) {
      selected.value = currentStage(view.value) ?? 'evaluate';
    }
    await readRecords(id);
    if (elsewhere.value) await showRunning(id);
  } catch (error) {
    problem.value = problemOf('The run could not be read', error, 'Nothing was changed.');
  } finally {
    reading.value = false;
  }
}

/** Leaves the list of runs for one of them. */
export async function showRun(id: string): Promise<void> {
  batch(() => {
    runsOpen.value = false;
    labOpen.value = null;
  });
  go('');
  if (view.value.manifest?.id !== id) {
    selected.value = null;
    await openRun(id);
  } else if (selected.value === null) openStage(currentStage(view.value) ?? 'evaluate');
}

/** Prompts whose answers are read at once. */
const AT_ONCE = 250;

async function shownResponses(store: RunStore): Promise<ShownResponses[]> {
  const list: ShownResponses[] = [];
  for await (const slice of responseSlices(store, AT_ONCE)) list.push(...slice.map(shown));
  return list;
}

/** Reads everything stored of a run into the view. */
export async function readRecords(id: string): Promise<void> {
  const store = await host.runStore(id);
  const [manifest, prepared, responses, sft, dpo, pairs, answers] = await Promise.all([
    store.manifest(),
    openPrepared(id),
    shownResponses(store),
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
      stages: working.value || elsewhere.value ? stages : fresh.stages,
    };
    records.value = { ...records.value, prepared, pairs, answers };
  });
}

/** What is stored as running is running, though not here. */
export async function showRunning(id: string): Promise<void> {
  const manifest = await (await host.runStore(id)).manifest();
  batch(() => {
    if (view.value.manifest?.id === id) view.value = withManifest(view.value, manifest);
    endedElsewhere.value = null;
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
    const [responses, pairs] = await Promise.all([shownResponses(store), store.pairs()]);
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
  if (working.value) return;
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

/** Names a run, or notes something about it. */
export async function describeRun(id: string, words: { name: string; notes: string }): Promise<void> {
  const name = visible(words.name.trim());
  const notes = words.notes.trim();
  if (name === '') return;
  try {
    await withRun(id, async () => {
      const store = await host.runStore(id);
      const { notes: _old, ...rest } = await store.manifest();
      const manifest = { ...rest, name, ...(notes !== '' && { notes }) };
      await store.saveManifest(manifest);
      if (view.value.manifest?.id === id) view.value = { ...view.value, manifest };
    });
    await listRuns();
    tell({ type: 'runs' });
  } catch (error) {
    problem.value = problemOf('The run could not be renamed', error, 'Nothing was changed.');
  }
}

/** Deletes runs with all they own; data sets that no other run uses go with them. */
export async function deleteRuns(ids: readonly string[]): Promise<void> {
  const shown = view.value.manifest?.id;
  if (working.value && shown !== undefined && ids.includes(shown)) return;
  try {
    await withRuns(ids, async () => {
      for (const id of ids) await host.deleteRun(id);
    });
    said.value = ids.length === 1 ? 'The run is deleted.' : `${ids.length} runs are deleted.`;
  } catch (error) {
    problem.value = problemOf('The runs could not be deleted', error, 'What is still listed is whole.');
  }
  await listRuns();
  tell({ type: 'runs' });
  if (shown !== undefined && !runs.value.some((run) => run.id === shown)) {
    const [next] = runs.value;
    const list = runsOpen.value;
    if (next === undefined) newRun();
    else await openRun(next.id);
    if (list) openRuns();
  }
  await measureStorage();
}
