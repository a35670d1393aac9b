/** The report of a lab or a run, as files. */

import { slugOf } from '../../pipeline/slug.ts';
import type { ExportFile } from '../../pipeline/worker-api.ts';
import { callWorker } from '../client.ts';
import { lab, printing, split } from '../lab/signals.ts';
import { problemOf } from '../problems.ts';
import { problem, view } from '../signals.ts';
import { save } from './download.ts';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  md: 'text/markdown',
  json: 'application/json',
  csv: 'text/csv',
};
const extension = (path: string): string => path.split('.').at(-1) ?? '';

/** One of the report's files, or all of them as one zip. */
export type ReportFile = 'report.html' | 'report.md' | 'all';

async function saveReport(name: string, which: ReportFile, files: readonly ExportFile[]): Promise<void> {
  if (which === 'all') {
    const { zipSync } = await import('fflate');
    const zip = zipSync(Object.fromEntries(files.map(({ path, bytes }) => [path, bytes])));
    save(`${slugOf(name)}-report.zip`, [Uint8Array.from(zip)], 'application/zip');
    return;
  }
  const file = files.find(({ path }) => path === which);
  if (file === undefined) throw new Error(`There is no ${which}.`);
  const type = TYPES[extension(which)] ?? 'application/octet-stream';
  save(`${slugOf(name)}-${which}`, [Uint8Array.from(file.bytes)], type);
}

async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    problem.value = problemOf('The report could not be written', error, 'Everything is stored as it was.');
  }
}

export function downloadLabReport(which: ReportFile): Promise<void> {
  return attempt(async () => {
    const { manifest } = lab.value;
    if (manifest === null) return;
    const part = split.value;
    await saveReport(manifest.name, which, await callWorker((api) => api.labFiles(manifest.id, part)));
  });
}

/** The shown run's own report, in the same form. */
export function downloadRunReport(which: ReportFile): Promise<void> {
  return attempt(async () => {
    const { manifest } = view.value;
    if (manifest === null) return;
    await saveReport(manifest.name, which, await callWorker((api) => api.runReportFiles(manifest.id)));
  });
}

/** Prints the report as the page draws it: everything else is hidden while it is printed. */
export function printLabReport(): void {
  const done = () => {
    printing.value = false;
  };
  printing.value = true;
  window.addEventListener('afterprint', done, { once: true });
  // Once it is drawn.
  requestAnimationFrame(() => requestAnimationFrame(() => window.print()));
}
