/** What the page and the data worker read and write of data sets and prepared rows. */
import type {
  DataRow,
  Dataset,
  DatasetInfo,
  PreparedInfo,
  RefusedRow,
  TokenizedPrompt,
} from '../pipeline/types.ts';
import { readItems } from './chunks.ts';
import {
  type DatasetWriter,
  loadDataset,
  removeDataset,
  saveDataset,
  sweepDatasets,
  writeDataset,
} from './datasets.ts';
import { need } from './errors.ts';
import type { Database } from './schema.ts';

/** Ranges are of indices, `to` exclusive; fewer items come where the list ends before. */
export interface DataStore {
  /** @throws StorageError where there is no such data set */
  info(dataset: string): Promise<DatasetInfo>;
  /** All of a data set. @throws StorageError where there is no such data set */
  load(dataset: string): Promise<Dataset>;
  rows(dataset: string, part: 'rows' | 'heldOut', from: number, to: number): Promise<DataRow[]>;
  /** Of a data set, or of a run's prepared data (which has no duplicates). */
  refused(owner: string, part: 'refused' | 'duplicates', from: number, to: number): Promise<RefusedRow[]>;
  /** Undefined before the data stage of the run has ended. */
  prepared(run: string): Promise<PreparedInfo | undefined>;
  preparedRows(run: string, part: 'train' | 'heldOut', from: number, to: number): Promise<TokenizedPrompt[]>;
  /** @param id of the new data set, for a caller that wants to remove it whatever becomes of the writer */
  write(id?: string): Promise<DatasetWriter>;
  save(dataset: Dataset): Promise<DatasetInfo>;
  remove(dataset: string): Promise<void>;
  /** Removes what interrupted imports left, and what no run has taken for an hour. */
  sweep(now?: number): Promise<void>;
}

export function dataStore(db: Database): DataStore {
  return {
    info: (dataset) => need(db.get('datasets', dataset), 'The data set'),
    load: (dataset) => loadDataset(db, dataset),
    rows: (dataset, part, from, to) => readItems(db.transaction('rows').store, dataset, part, from, to),
    refused: (owner, part, from, to) => readItems(db.transaction('refused').store, owner, part, from, to),
    prepared: (run) => db.get('prepared', run),
    preparedRows: (run, part, from, to) => readItems(db.transaction('tokens').store, run, part, from, to),
    write: (id) => writeDataset(db, id),
    save: (dataset) => saveDataset(db, dataset),
    remove: (dataset) => removeDataset(db, dataset),
    sweep: (now) => sweepDatasets(db, now),
  };
}
