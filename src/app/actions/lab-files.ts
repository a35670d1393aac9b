/** The open lab's report: as files, on paper; and the adapters of its arms. */
import { slugOf } from '../../pipeline/slug.ts';
import type { ExportFile } from '../../pipeline/worker-api.ts';
import { callback, callWorker } from '../client.ts';
import { lab, printing, split } from '../lab/signals.ts';
import { problemOf } from '../problems.ts';
import { problem, said } from '../signals.ts';
import { save } from './download.ts';
import { type ReportFile, saveReport } from './report.ts';

export async function downloadLabReport(which: ReportFile): Promise<void> {
  const { manifest } = lab.value;
  if (manifest === null) return;
  const part = split.value;
  await saveReport(manifest.name, which, () => callWorker((api) => api.labFiles(manifest.id, part)));
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

/** The adapters of all arms and seeds that are trained, as one zip of PEFT folders. */
export async function downloadAdapters(): Promise<void> {
  const { manifest } = lab.value;
  if (manifest === null) return;
  try {
    const { ZipWriter } = await import('../../storage/project/zip-writer.ts');
    const zip = new ZipWriter();
    let count = 0;
    const onFile = callback(async (file: ExportFile) => {
      count++;
      // Stored, not deflated: weights do not compress.
      await zip.write(file.path, once(file.bytes), false);
    });
    await callWorker((api) => api.adapters(manifest.id, onFile));
    if (count === 0) {
      said.value = 'No arm is trained yet.';
      return;
    }
    save(`${slugOf(manifest.name)}-adapters.zip`, [zip.finish()], 'application/zip');
  } catch (error) {
    problem.value = problemOf('The adapters could not be written', error, 'Everything is stored as it was.');
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
