/** Reads the data by the app's own reader, so that a bad file is told of before a browser starts. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunConfig } from '../../src/pipeline/config.ts';
import { readDataset } from '../../src/pipeline/dataset.ts';
import type { Dataset } from '../../src/pipeline/types.ts';
import { UsageError } from './fail.ts';

/** The embedded data: its own held-out split is looked at last, so it is what a run is judged by. */
const EMBEDDED = new URL('../../public/datasets/word-helper/', import.meta.url);

/**
 * The data set in `path`, or the embedded one.
 *
 * @throws UsageError where nothing in it can be used, or where a row is bad and the settings say to stop
 */
export async function loadDataset(path: string | null, config: RunConfig): Promise<Dataset> {
  if (path === null) {
    const read = (name: string) => readFile(fileURLToPath(new URL(name, EMBEDDED)), 'utf8');
    return readDataset('word-helper', await read('train.jsonl'), { heldOut: await read('test.jsonl') });
  }
  try {
    return await readDataset(basename(path), await readFile(path), {
      onBadRow: config.data.onBadRow,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--data ${path}: ${message.replace(/\s*\n\s*/g, '; ')}`);
  }
}
