/** Data sets and prepared rows as the page holds them: counts at once, rows as they are looked at. */
import { countsOf } from '../pipeline/describe.ts';
import type {
  DataRow,
  Dataset,
  DatasetInfo,
  PreparedInfo,
  RefusedRow,
  TokenizedPrompt,
} from '../pipeline/types.ts';
import { host } from './host.ts';
import { listed, type Paged, paged } from './paged.ts';
import { problemOf } from './problems.ts';
import { problem } from './signals.ts';

export interface OpenData {
  readonly info: DatasetInfo;
  readonly rows: Paged<DataRow>;
  readonly heldOut: Paged<DataRow>;
  readonly refused: Paged<RefusedRow>;
  readonly duplicates: Paged<RefusedRow>;
  /** A small data set that is not stored yet. */
  readonly unstored: Dataset | null;
}

export interface OpenPrepared {
  readonly info: PreparedInfo;
  readonly train: Paged<TokenizedPrompt>;
  readonly heldOut: Paged<TokenizedPrompt>;
  readonly refused: Paged<RefusedRow>;
}

const unread = (error: unknown): void => {
  problem.value = problemOf('Rows could not be read', error, 'They are still stored; reload the page.');
};

/** @throws StorageError where it is not stored (any more) */
export async function openData(id: string): Promise<OpenData> {
  const data = await host.data();
  const info = await data.info(id);
  const { counts } = info;
  const rows = (part: 'rows' | 'heldOut') =>
    paged(counts[part], (from, to) => data.rows(id, part, from, to), unread);
  const refused = (part: 'refused' | 'duplicates') =>
    paged(counts[part], (from, to) => data.refused(id, part, from, to), unread);
  return {
    info,
    rows: rows('rows'),
    heldOut: rows('heldOut'),
    refused: refused('refused'),
    duplicates: refused('duplicates'),
    unstored: null,
  };
}

/** The prepared rows of a run; null before its data stage has ended. */
export async function openPrepared(run: string): Promise<OpenPrepared | null> {
  const data = await host.data();
  const info = await data.prepared(run);
  if (info === undefined) return null;
  const rows = (part: 'train' | 'heldOut') =>
    paged(info[part], (from, to) => data.preparedRows(run, part, from, to), unread);
  const refused = paged(info.refused, (from, to) => data.refused(run, 'refused', from, to), unread);
  return { info, train: rows('train'), heldOut: rows('heldOut'), refused };
}

/** A small data set, before a run is stored with it. */
export function inMemory(dataset: Dataset): OpenData {
  const { id, name, fingerprint, rows, heldOut = [], refused, duplicates = [] } = dataset;
  return {
    info: { id, name, fingerprint, created: Date.now(), counts: countsOf(dataset) },
    rows: listed(rows),
    heldOut: listed(heldOut),
    refused: listed(refused),
    duplicates: listed(duplicates),
    unstored: dataset,
  };
}

/** The id under which it is stored. */
export async function stored({ info, unstored }: OpenData): Promise<string> {
  return unstored === null ? info.id : (await (await host.data()).save(unstored)).id;
}
