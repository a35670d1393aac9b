/** Reads a data file the user gave; loaded only when one is. */
import { readDataset as parse } from '../pipeline/dataset.ts';
import type { Dataset } from '../pipeline/types.ts';

export async function readDataset(file: File): Promise<Dataset> {
  return parse(file.name, await file.text());
}
