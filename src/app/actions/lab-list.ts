/** The list of labs and the open one: make, open, name, delete. */
import { batch } from '@preact/signals';
import type { PlanFacts } from '../../lab/plans.ts';
import type { LabManifest, LabStore } from '../../lab/types.ts';
import { visible } from '../../model/text.ts';
import { stored } from '../dataset.ts';
import { host } from '../host.ts';
import { labName, readDraft } from '../lab/draft.ts';
import {
  atWork,
  draft,
  duelling,
  estimating,
  fingerprints,
  lab,
  labSizes,
  labs,
  labTab,
  lockOf,
  replacing,
  split,
  suspects,
} from '../lab/signals.ts';
import { EMPTY_LAB, labStatus } from '../lab/state.ts';
import { withRun } from '../locks.ts';
import { problemOf } from '../problems.ts';
import { withProjectWorker } from '../project-client.ts';
import { problem, said } from '../signals.ts';
import { importedFor, labData, labSettings } from './lab-data.ts';
import { refreshReport } from './lab-report.ts';
import { openLab } from './runs.ts';
import { measureStorage } from './space.ts';

export async function labStore(id: string): Promise<LabStore> {
  return (await host.labs()).lab(id);
}

export async function listLabs(): Promise<void> {
  try {
    const list = await (await host.labs()).list();
    const known = new Map<string, string>();
    for (const { datasetId } of list) {
      if (!known.has(datasetId)) known.set(datasetId, await fingerprintOf(datasetId));
    }
    batch(() => {
      fingerprints.value = known;
      labs.value = list;
    });
  } catch (error) {
    problem.value = problemOf(
      'The labs could not be listed',
      error,
      'They are still stored; reload the page.',
    );
  }
}

const fingerprintOf = async (dataset: string): Promise<string> =>
  (await (await host.data()).info(dataset)).fingerprint;

/** Reads a stored lab into the view; `again` where it is there already and may have changed. */
export async function showLab(id: string, again = false): Promise<void> {
  if (lab.value.manifest?.id === id && !again) return;
  try {
    const manifest = await (await labStore(id)).manifest();
    const fingerprint = await fingerprintOf(manifest.datasetId);
    const status = labStatus(manifest, fingerprint, atWork.value);
    batch(() => {
      lab.value = { ...EMPTY_LAB, manifest, fingerprint };
      split.value = 'working';
      estimating.value = null;
      duelling.value = null;
      suspects.value = null;
      labTab.value = status === 'finished' ? 'results' : 'work';
    });
    if (status !== 'new') await refreshReport();
  } catch (error) {
    openLab('');
    problem.value = problemOf('The lab could not be read', error, 'Nothing was changed.');
  }
}

/** Stores the lab that the form describes, and opens it; nothing is computed yet. */
export async function makeLab(facts: PlanFacts): Promise<void> {
  const form = draft.value;
  const settings = labSettings();
  const { plans, arms, seeds, finalShare, faults } = readDraft(form, settings, facts);
  if (Object.keys(faults).length > 0) return;
  try {
    const { data } = await labData();
    const datasetId = await stored(data);
    const name = visible(form.name.trim()) || labName(plans, data.info.name);
    const made = await (await host.labs()).create({
      name,
      config: settings,
      datasetId,
      ...(plans.some(({ id }) => id === 'sources') && { importedId: await importedFor(form) }),
      plans,
      arms,
      seeds,
      finalShare,
      ...(form.reward.trim() !== '' && { rewardModel: form.reward.trim() }),
    });
    await removeReplaced();
    await listLabs();
    openLab(made.id);
    await measureStorage();
  } catch (error) {
    problem.value = problemOf('The lab could not be stored', error, 'Nothing was changed.');
  }
}

/** Goes back to the form with what it held; the lab, which was not started, goes when another is made in its place. */
export function changePlans(): void {
  const { manifest } = lab.value;
  if (manifest === null || labStatus(manifest, null, atWork.value) !== 'new') return;
  replacing.value = manifest.id;
  openLab('new');
}

/** Only once the new one is stored: the two may share a file of answers, which goes with the last that uses it. */
async function removeReplaced(): Promise<void> {
  const id = replacing.value;
  replacing.value = null;
  const old = labs.value?.find((each) => each.id === id);
  if (old !== undefined && labStatus(old, null, false) === 'new') await (await host.labs()).remove(old.id);
}

/** Changes what is stored of a lab that is not at work. @throws RunLocked where it is */
export async function changeLab(id: string, change: (manifest: LabManifest) => LabManifest): Promise<void> {
  await withRun(lockOf(id), async () => {
    const store = await labStore(id);
    const manifest = change(await store.manifest());
    await store.saveManifest(manifest);
    if (lab.value.manifest?.id === id) lab.value = { ...lab.value, manifest };
  });
}

export async function renameLab(id: string, name: string): Promise<void> {
  const words = visible(name.trim());
  if (words === '') return;
  try {
    await changeLab(id, (manifest) => ({ ...manifest, name: words }));
    await listLabs();
  } catch (error) {
    problem.value = problemOf('The lab could not be renamed', error, 'Nothing was changed.');
  }
}

/** Deletes a lab with all it owns; data sets that nothing else uses go with it. */
export async function deleteLab(id: string): Promise<void> {
  try {
    await withRun(lockOf(id), async () => (await host.labs()).remove(id));
    if (lab.value.manifest?.id === id) lab.value = EMPTY_LAB;
    said.value = 'The lab is deleted.';
  } catch (error) {
    problem.value = problemOf('The lab could not be deleted', error, 'What is still listed is whole.');
  }
  await listLabs();
  await measureStorage();
}

/** Measures the labs that have changed since they were measured last. */
export async function measureLabs(): Promise<void> {
  const changedAt = ({ changed, created }: LabManifest) => changed ?? created;
  const stale = (labs.value ?? []).filter((each) => labSizes.value.get(each.id)?.changed !== changedAt(each));
  if (stale.length === 0) return;
  try {
    await withProjectWorker(async (api) => {
      for (const each of stale) {
        let bytes = 0;
        // A piece's records lie where a run's do, under an id that begins with the lab's.
        for (const key of Object.keys(each.pieces))
          bytes += await api.size({ kind: 'run', id: `${each.id}/${key}` });
        labSizes.value = new Map(labSizes.value).set(each.id, { bytes, changed: changedAt(each) });
      }
    });
  } catch (error) {
    problem.value = problemOf('The sizes of the labs could not be measured', error, 'Nothing was changed.');
  }
}
