/** Changed settings and marks, and what they make of a stored run. */
import { batch } from '@preact/signals';
import type { RunConfig } from '../../pipeline/config.ts';
import { inMemory, stored } from '../dataset.ts';
import { exampleDataset } from '../example.ts';
import { host } from '../host.ts';
import { withRun } from '../locks.ts';
import { answerFate } from '../pool.ts';
import { problemOf } from '../problems.ts';
import { config, savedConfig, staleFrom } from '../settings.ts';
import { busy, edits, problem, records, view } from '../signals.ts';
import { changedManifest, clearedFrom, shown, withManifest } from '../state.ts';
import { remember } from './memory.ts';
import { listRuns, readRecords } from './runs.ts';

/** Changed settings wait in the page until the next start; see applyEdits. */
export function edit(next: RunConfig): void {
  if (busy.value) return;
  edits.value = JSON.stringify(next) === JSON.stringify(savedConfig.value) ? null : next;
}

export function discardEdits(): void {
  edits.value = null;
}

/** What a run on a data set is called until the user names it. */
export const runName = (dataset: string): string => `${dataset}, k=${config.value.dpo.negatives}`;

/** Makes sure the shown run is stored, with the settings as edited; removes what must be redone. */
export async function storedRun(): Promise<string> {
  const { manifest } = view.value;
  if (manifest === null) {
    const dataset = records.value.dataset ?? inMemory(await exampleDataset());
    const datasetId = await stored(dataset);
    const name = runName(dataset.info.name);
    const created = await host.createRun({ name, config: config.value, datasetId });
    batch(() => {
      view.value = withManifest(view.value, created);
      records.value = { ...records.value, dataset };
      edits.value = null;
    });
    remember('run', created.id);
    await listRuns();
    return created.id;
  }
  await applyEdits(manifest.id);
  return manifest.id;
}

/** Stores edited settings; what they or the user's marks make stale is removed first. */
async function applyEdits(id: string): Promise<void> {
  const edited = edits.value ?? savedConfig.value;
  const from = staleFrom.value;
  if (edits.value === null && from === null) return;
  const store = await host.runStore(id);
  const manifest = await store.manifest();
  const next = changedManifest(manifest, edited, from);
  if (from === null) await store.saveManifest(next);
  else await store.clearFrom(from, next);
  batch(() => {
    view.value = { ...(from === null ? view.value : clearedFrom(view.value, from)), manifest: next };
    edits.value = null;
  });
  await readRecords(id);
}

/** Marks an answer as right although it is unlike the target, or takes that back; pairs are drawn again. */
export async function markAnswer(index: number, response: number): Promise<void> {
  const id = view.value.manifest?.id;
  if (id === undefined || busy.value) return;
  try {
    const store = await host.runStore(id);
    await withRun(id, async () => {
      const [record] = await store.responses(index, index + 1);
      if (record === undefined) return;
      const next = answerFate(record, response, config.value.filter);
      await store.saveResponses([next]);
      const list = [...view.value.responses];
      list[index] = shown(next);
      view.value = { ...view.value, responses: list };
    });
  } catch (error) {
    problem.value = problemOf('The mark could not be stored', error);
  }
}
