/** A report, as files to download. */
import { slugOf } from '../../pipeline/slug.ts';
import type { ExportFile } from '../../pipeline/worker-api.ts';
import { callWorker } from '../client.ts';
import { problemOf } from '../problems.ts';
import { problem, view } from '../signals.ts';
import { save } from './download.ts';

/** One of the report's files, or all of them as one zip. */
export type ReportFile = 'report.html' | 'report.md' | 'all';

const TYPES: Readonly<Record<Exclude<ReportFile, 'all'>, string>> = {
  'report.html': 'text/html',
  'report.md': 'text/markdown',
};

/** @param read gets the files; what goes wrong is told in the banner */
export async function saveReport(
  name: string,
  which: ReportFile,
  read: () => Promise<readonly ExportFile[]>,
): Promise<void> {
  try {
    const files = await read();
    if (which === 'all') {
      const { zipSync } = await import('fflate');
      const zip = zipSync(Object.fromEntries(files.map(({ path, bytes }) => [path, bytes])));
      save(`${slugOf(name)}-report.zip`, [Uint8Array.from(zip)], 'application/zip');
      return;
    }
    const file = files.find(({ path }) => path === which);
    if (file === undefined) throw new Error(`there is no ${which}`);
    save(`${slugOf(name)}-${which}`, [Uint8Array.from(file.bytes)], TYPES[which]);
  } catch (error) {
    problem.value = problemOf('The report could not be written', error, 'Everything is stored as it was.');
  }
}

/** The shown run's own report, in the form of a lab's. */
export async function downloadRunReport(which: ReportFile): Promise<void> {
  const { manifest } = view.value;
  if (manifest === null) return;
  await saveReport(manifest.name, which, () => callWorker((api) => api.runReportFiles(manifest.id)));
}
