/** What the headless page and its runner hand each other through the local server. */
import type { Dataset } from '../pipeline/types.ts';
import type { ExportFile } from '../pipeline/worker-api.ts';

/** Files go one by one through the local server: megabytes have no place in the browser's debugging channel. */
export async function post(files: readonly ExportFile[], inbox: string): Promise<void> {
  for (const { path, bytes } of files) {
    const url = inbox + path.split('/').map(encodeURIComponent).join('/');
    const response = await fetch(url, { method: 'POST', body: new Blob([bytes as Uint8Array<ArrayBuffer>]) });
    if (!response.ok) throw new Error(`writing ${path} failed (HTTP ${response.status})`);
  }
}

export async function fetchDataset(url: string): Promise<Dataset> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the data set could not be fetched (HTTP ${response.status})`);
  return response.json();
}
