/** The files of a run, as downloads. */
import { slugOf } from '../../pipeline/slug.ts';
import type { ExportFile } from '../../pipeline/worker-api.ts';
import { callWorker } from '../client.ts';
import { problemOf } from '../problems.ts';
import { problem, view } from '../signals.ts';

async function files(): Promise<ExportFile[]> {
  const id = view.value.manifest?.id;
  if (id === undefined) throw new Error('There is no run yet.');
  return await callWorker((api) => api.exportFiles(id));
}

export function save(name: string, parts: readonly BlobPart[], type: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([...parts], { type }));
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The run's name as a part of a file name. */
export const slug = (): string => slugOf(view.value.manifest?.name ?? 'run');

async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    problem.value = problemOf(what, error, 'The run is stored as it was.');
  }
}

/** adapter/ as one zip, ready for PEFT. */
export function downloadAdapter(): Promise<void> {
  return attempt('The adapter could not be written', async () => {
    const all = (await files()).filter((file) => file.path.startsWith('adapter/'));
    if (all.length === 0) throw new Error('This run has no adapter yet.');
    const { zipSync } = await import('fflate');
    // Stored, not deflated: weights do not compress.
    const zip = zipSync(Object.fromEntries(all.map((file) => [file.path, file.bytes])), { level: 0 });
    save(`${slug()}-adapter.zip`, [Uint8Array.from(zip)], 'application/zip');
  });
}

/** One of the other files, by its path in OUT/. */
export function downloadFile(path: string): Promise<void> {
  return attempt(`${path} could not be written`, async () => {
    const file = (await files()).find((each) => each.path === path);
    if (file === undefined) throw new Error('This run has not come far enough to write it.');
    const type = path.endsWith('.json') ? 'application/json' : 'application/x-ndjson';
    save(`${slug()}-${path.split('/').at(-1) ?? path}`, [Uint8Array.from(file.bytes)], type);
  });
}
