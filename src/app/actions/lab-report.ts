/** What is known of the open lab by now, read from the worker; while it works, not more often than it is worth. */
import { batch } from '@preact/signals';
import type { Split } from '../../lab/types.ts';
import { callWorker } from '../client.ts';
import { lab, split } from '../lab/signals.ts';
import { withReport } from '../lab/state.ts';
import { problemOf } from '../problems.ts';
import { problem } from '../signals.ts';

/** While a lab works, reading takes at most this share of the time. */
const SHARE = 1 / 10;
const LEAST_MS = 2000;

let readingNow: Promise<void> | null = null;
let timer = 0;
/** Milliseconds that the last reading took. */
let took = 0;

/** Reads the report of the open lab; one reading at a time. */
export function refreshReport(): Promise<void> {
  window.clearTimeout(timer);
  timer = 0;
  readingNow ??= read().finally(() => {
    readingNow = null;
  });
  return readingNow;
}

async function read(): Promise<void> {
  const { manifest, behind } = lab.value;
  if (manifest === null) return;
  const part = split.value;
  const begun = performance.now();
  try {
    const report = await callWorker((api) => api.labReport(manifest.id, part));
    if (lab.value.manifest?.id === manifest.id && split.value === part)
      lab.value = withReport(lab.value, report, behind);
  } catch (error) {
    problem.value = problemOf('The results could not be read', error, 'They are still stored.');
  } finally {
    took = performance.now() - begun;
  }
}

/** Arms have ended: the report is read again soon. */
export function refreshSoon(): void {
  if (timer !== 0) return;
  timer = window.setTimeout(() => void refreshReport(), Math.max(LEAST_MS, took / SHARE));
}

/** Shows the results on the other part of the held-out prompts. */
export async function showSplit(part: Split): Promise<void> {
  if (split.value === part) return;
  // A reading of the other part under way is not what is wanted.
  await readingNow;
  batch(() => {
    split.value = part;
    lab.value = { ...lab.value, report: null };
  });
  await refreshReport();
}
