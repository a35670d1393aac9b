/** Whole data sets in memory: small ones, read at once or put together from rows. */
import { bytesFile, DataError, Fingerprint, type ReadOptions, readData, rowDigest } from './import/index.ts';
import type { DataFile } from './import/types.ts';
import type { DataRow, Dataset, RefusedRow } from './types.ts';

export { DataError } from './import/index.ts';

/** Refusals told in the message of an error; all are in its `refused`. */
const TOLD = 3;

export interface DatasetOptions extends Pick<ReadOptions, 'mapping' | 'onBadRow'> {
  /** Rows that are never trained on, where the data set brings them, in any format. */
  readonly heldOut?: string | Uint8Array;
}

/** What a file gave, in the file's order. */
export interface ReadRows {
  readonly rows: readonly DataRow[];
  readonly refused: readonly RefusedRow[];
  /** Rows left out because an earlier one is the same. */
  readonly duplicates: readonly RefusedRow[];
}

/**
 * A data set of a file's content, in any container and format that is known.
 *
 * @param name shown to the user, e.g. the file's name; its ending tells the container where the content does not
 * @throws DataError where the file can't be read or no row can be used, and with onBadRow 'stop' at a bad row
 */
export async function readDataset(
  name: string,
  data: string | Uint8Array,
  options: DatasetOptions = {},
): Promise<Dataset> {
  return await readDatasetFile(toFile(name, data), options);
}

/** The same of a file that is read piece by piece. */
export async function readDatasetFile(file: DataFile, options: DatasetOptions = {}): Promise<Dataset> {
  const { heldOut, ...reading } = options;
  const main = await readRows(file, reading);
  const held = heldOut === undefined ? undefined : await readRows(toFile(file.name, heldOut), reading);
  const ofHeldOut = (rows: readonly RefusedRow[] = []) =>
    rows.map((row) => ({ ...row, reason: `held-out data: ${row.reason}` }));
  const refused = [...main.refused, ...ofHeldOut(held?.refused)];
  const duplicates = [...main.duplicates, ...ofHeldOut(held?.duplicates)];
  const dataset = await makeDataset(file.name, main.rows, refused, held?.rows);
  return duplicates.length === 0 ? dataset : { ...dataset, duplicates };
}

/** All rows of a file at once; readData streams them. */
export async function readRows(file: DataFile, options: ReadOptions = {}): Promise<ReadRows> {
  const read = { rows: [] as DataRow[], refused: [] as RefusedRow[], duplicates: [] as RefusedRow[] };
  for await (const batch of readData(file, options)) {
    read.rows.push(...batch.rows);
    read.refused.push(...batch.refused);
    read.duplicates.push(...batch.duplicates);
  }
  return read;
}

/** A data set of rows from anywhere. Throws DataError where there are none. */
export async function makeDataset(
  name: string,
  rows: readonly DataRow[],
  refused: readonly RefusedRow[] = [],
  heldOut?: readonly DataRow[],
): Promise<Dataset> {
  if (rows.length === 0) throw new DataError(noRows(refused), refused);
  const print = new Fingerprint();
  for (const row of rows) print.add(rowDigest(row));
  for (const row of heldOut ?? []) print.addHeldOut(rowDigest(row));
  const fingerprint = print.hex();
  // The rows are the identity: the same file opened twice is one data set.
  return { id: fingerprint.slice(0, 32), name, rows, refused, fingerprint, ...(heldOut && { heldOut }) };
}

function noRows(refused: readonly RefusedRow[]): string {
  if (refused.length === 0) return 'there are no rows';
  const told = refused.slice(0, TOLD).map(({ line, reason }) => `line ${line}: ${reason}`);
  const more = refused.length > TOLD ? `; and ${refused.length - TOLD} more` : '';
  return `no usable row; ${told.join('; ')}${more}`;
}

function toFile(name: string, data: string | Uint8Array): DataFile {
  return bytesFile(typeof data === 'string' ? new TextEncoder().encode(data) : data, name);
}

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
