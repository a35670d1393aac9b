/** Start, pause and stop of a lab: its events folded into the view a few times a second. */
import { batch } from '@preact/signals';
import type { LabEstimate, LabEvent, Split } from '../../lab/types.ts';
import { callWorker, closeWorker, runStoredLab, WorkerCrash } from '../client.ts';
import { host } from '../host.ts';
import { type Doing, doing, estimating, lab, labTab, lockOf, split, suspects } from '../lab/signals.ts';
import { LAB_STATUS_WORDS, type LabStatus, labStatus, reduceLab } from '../lab/state.ts';
import { RunLocked, withRun } from '../locks.ts';
import { crashProblem, problemOf } from '../problems.ts';
import { activity, labAtWork, type Problem, problem, said } from '../signals.ts';
import { exporting } from './exports.ts';
import { labStore, listLabs } from './lab-list.ts';
import { refreshReport, refreshSoon } from './lab-report.ts';
import { announce } from './preferences.ts';
import { measureStorage } from './space.ts';
import { askToStop, stopAtLast } from './stopping.ts';

const FOLD_EVERY_MS = 150;
const waiting: LabEvent[] = [];
let timer = 0;

function fold(): void {
  window.clearTimeout(timer);
  timer = 0;
  const events = waiting.splice(0);
  const now = labAtWork.value;
  if (events.length === 0 || now === null) return;
  // Another lab may be looked at meanwhile; it reads what is stored when it is opened again.
  const open = lab.value.manifest?.id === now.id;
  batch(() => {
    if (open) lab.value = reduceLab(lab.value, events);
    const progress = events.findLast((event) => event.type === 'progress');
    if (progress !== undefined) labAtWork.value = { ...now, share: progress.progress.share };
  });
  if (open && lab.value.behind > 0) refreshSoon();
}

function onEvent(event: LabEvent): void {
  waiting.push(event);
  if (timer === 0) timer = window.setTimeout(fold, FOLD_EVERY_MS);
}

/** What the lab would cost; `measure` computes a few batches first. */
export async function estimate(measure: boolean): Promise<void> {
  const id = lab.value.manifest?.id;
  if (id === undefined || activity.value !== 'idle') return;
  const before = estimating.value?.lab === id ? estimating.value.estimate : null;
  const tell = (change: { estimate: LabEstimate | null; measuring: boolean; fault: string }) => {
    if (lab.value.manifest?.id === id) estimating.value = { lab: id, ...change };
  };
  tell({ estimate: before, measuring: true, fault: '' });
  if (measure) activity.value = 'lab';
  try {
    const found = await callWorker((api) => api.estimateLab(id, measure));
    tell({ estimate: found, measuring: false, fault: '' });
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    tell({ estimate: before, measuring: false, fault });
  } finally {
    if (measure) activity.value = 'idle';
  }
}

const LOCKED: Problem = {
  title: 'This lab is at work in another tab',
  safe: 'Nothing was changed.',
  advice: 'Watch it there, or close that tab and press Resume here.',
  details: '',
};

/** Works on the open lab until all is done; `final` answers the prompts that were set aside. */
export async function startLab(part: Split = 'working'): Promise<void> {
  const { manifest } = lab.value;
  if (manifest === null || activity.value !== 'idle') return;
  if (exporting.value !== null) {
    said.value = 'Wait until the export is written, or cancel it.';
    return;
  }
  batch(() => {
    activity.value = 'lab';
    doing.value = 'working';
    labAtWork.value = { id: manifest.id, name: manifest.name, share: 0 };
    problem.value = null;
    labTab.value = 'work';
    lab.value = { ...lab.value, signs: [] };
  });
  try {
    await withRun(lockOf(manifest.id), () => work(manifest.id, part));
  } catch (error) {
    problem.value =
      error instanceof RunLocked
        ? LOCKED
        : problemOf('The lab could not be started', error, 'Nothing was changed.');
  } finally {
    batch(() => {
      labAtWork.value = null;
      activity.value = 'idle';
      doing.value = 'idle';
      lab.value = { ...lab.value, progress: null };
    });
    await listLabs();
  }
}

async function work(id: string, part: Split): Promise<void> {
  let failure: unknown = null;
  try {
    await runStoredLab(id, onEvent, part);
  } catch (error) {
    failure = error;
  }
  fold();
  const now: Doing = doing.peek();
  const asked = now === 'pausing' || now === 'stopping';
  if (now === 'stopping') closeWorker();
  if (failure instanceof WorkerCrash && !asked)
    problem.value = { ...crashProblem(failure), action: undefined };
  else if (failure !== null && !asked)
    problem.value = problemOf(
      'The lab stopped',
      failure,
      'Everything finished before is stored on this device.',
    );
  const { name, status } = await afterWork(id, part);
  if (asked) announce('Paused. Everything finished is stored.');
  else if (failure === null) announce(`${name} is ${LAB_STATUS_WORDS[status]}.`);
}

/** Reads what is stored, and shows what came of it where the lab is still the open one. */
async function afterWork(id: string, part: Split): Promise<{ name: string; status: LabStatus }> {
  const manifest = await (await labStore(id)).manifest();
  const { fingerprint } = await (await host.data()).info(manifest.datasetId);
  const status = labStatus(manifest, fingerprint, false);
  if (lab.value.manifest?.id === id) {
    batch(() => {
      lab.value = { ...lab.value, manifest };
      suspects.value = null;
      split.value = part;
      estimating.value = null;
    });
    await refreshReport();
    if (status === 'finished' || status === 'failed') labTab.value = 'results';
  }
  await measureStorage();
  return { name: manifest.name, status };
}

/** Stops at the next safe point; the model stays loaded. */
export async function pauseLab(): Promise<void> {
  if (doing.value !== 'working') return;
  doing.value = 'pausing';
  await askToStop('lab');
}

/** Stops at the next safe point and gives the memory back; after ten seconds without one, at once. */
export async function stopLab(): Promise<void> {
  if (doing.value === 'idle' || doing.value === 'stopping') return;
  doing.value = 'stopping';
  await stopAtLast('lab');
}
