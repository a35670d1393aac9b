/** What the data worker does: reads data files into storage, batch by batch, so that no one ever holds a file. */
import { visible } from '../model/text.ts';
import { readDataset } from '../pipeline/dataset.ts';
import {
  blobFile,
  type Container,
  DataError,
  type DataPreview,
  formatTitle,
  type Mapping,
  previewData,
  RowIndex,
  readData,
} from '../pipeline/import/index.ts';
import type { DataRow, Dataset, DatasetInfo, RefusedRow } from '../pipeline/types.ts';
import type { DatasetWriter } from '../storage/datasets.ts';
import { StorageError } from '../storage/errors.ts';
import type { Storage } from '../storage/index.ts';
import { shortRecord, shortRow } from './shorten.ts';

/** A file to read, and how where it is not recognised by itself (or should be read differently). */
export interface DataSource {
  readonly file: File;
  readonly mapping?: Mapping;
}

export interface ImportRequest {
  /** Id of the data set to be, so that the caller can remove it if the worker dies. */
  readonly id: string;
  readonly sources: readonly DataSource[];
}

/** The beginning of a file; long texts are shortened, since the page only shows them. */
export interface FilePreview {
  readonly name: string;
  /** In words, e.g. 'CSV, gzip'. */
  readonly container: string;
  /** What it was recognised as, in words; null where it was not. */
  readonly format: string | null;
  readonly columns: readonly string[];
  /** The first records as they stand in the file, in JSON. */
  readonly records: readonly string[];
  readonly rows: readonly DataRow[];
  readonly refused: readonly RefusedRow[];
  readonly notes: readonly string[];
}

export interface ImportProgress {
  readonly file: string;
  readonly rows: number;
  readonly refused: number;
  readonly duplicates: number;
  readonly bytes: number;
  readonly totalBytes: number;
  /** Bytes a second; 0 while unknown. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

/** What workers/data.ts offers to the page. */
export interface DataWorkerApi {
  /** @throws DataError where the file can't be read at all */
  preview(source: DataSource): Promise<FilePreview>;
  /**
   * All files become one data set, duplicates found across them. One import at a time.
   *
   * @throws DataError where a file can't be read or no row is left, StorageError where there is no room; nothing
   *   is left behind then
   */
  importFiles(request: ImportRequest, onProgress: (progress: ImportProgress) => void): Promise<DatasetInfo>;
  /** A small data set of two texts, not stored; here, so that the page is not held up by reading it. */
  readTexts(name: string, rows: string, heldOut: string): Promise<Dataset>;
  /** Ends the import within a batch; it rejects, and nothing of it stays. */
  cancel(): Promise<void>;
}

export interface DataServiceHost {
  readonly storage: () => Promise<Storage>;
  /** navigator.storage.estimate, in bytes. */
  readonly estimate: () => Promise<{ readonly usage?: number; readonly quota?: number }>;
  /** Milliseconds. */
  readonly now: () => number;
}

const PROGRESS_EVERY_MS = 100;
/** Rows of a preview that the page shows. */
const SHOWN = 3;
/** Stored bytes a byte of file, as measured: plain files take about their size, packed ones unpack. */
const STORED_SHARE = { plain: 1.1, packed: 4 };
/** Room is looked at again after so many bytes of file. */
const LOOK_EVERY = 16 * 2 ** 20;

export function createDataService(host: DataServiceHost): DataWorkerApi {
  let running: AbortController | undefined;
  return {
    preview: async ({ file, mapping }) => {
      const found = await previewData(blobFile(file, file.name), mapping === undefined ? {} : { mapping });
      return {
        name: file.name,
        ...titles(found),
        columns: found.columns,
        notes: found.notes,
        records: found.records.slice(0, SHOWN).map(shortRecord),
        rows: found.rows.slice(0, SHOWN).map(shortRow),
        refused: found.refused.slice(0, SHOWN),
      };
    },
    importFiles: async (request, onProgress) => {
      const abort = new AbortController();
      running = abort;
      try {
        return await importFiles(host, request, onProgress, abort.signal);
      } finally {
        if (running === abort) running = undefined;
      }
    },
    readTexts: (name, rows, heldOut) => readDataset(name, rows, { heldOut }),
    cancel: async () => running?.abort(new DOMException('The import was cancelled.', 'AbortError')),
  };
}

export async function importFiles(
  host: DataServiceHost,
  { id, sources }: ImportRequest,
  onProgress: (progress: ImportProgress) => void,
  signal: AbortSignal,
): Promise<DatasetInfo> {
  const need = sources.reduce((sum, { file }) => sum + file.size * shareOf(file.name), 0);
  await checkRoom(host, need);
  const writer = await (await host.storage()).data.write(id);
  try {
    return await fill(host, writer, sources, new Meter(host.now, sources, onProgress), signal);
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

async function fill(
  host: DataServiceHost,
  writer: DatasetWriter,
  sources: readonly DataSource[],
  meter: Meter,
  signal: AbortSignal,
): Promise<DatasetInfo> {
  const index = new RowIndex();
  const formats = new Set<string>();
  const containers = new Set<string>();
  const firstRefused: RefusedRow[] = [];
  for (const { file, mapping } of sources) {
    signal.throwIfAborted();
    const data = blobFile(file, file.name);
    const options = mapping === undefined ? {} : { mapping };
    const { format, container } = titles(await previewData(data, options));
    if (format !== null) formats.add(format);
    containers.add(container);
    const from = sources.length > 1 ? file.name : undefined;
    let looked = 0;
    for await (const batch of readData(data, { ...options, signal, index })) {
      signal.throwIfAborted();
      await writer.addRows('rows', batch.rows);
      await writer.addRefused('refused', named(batch.refused, from));
      await writer.addRefused('duplicates', named(batch.duplicates, from));
      if (firstRefused.length < SHOWN) firstRefused.push(...batch.refused.slice(0, SHOWN));
      meter.update(file.name, batch);
      if (batch.bytes - looked < LOOK_EVERY) continue;
      looked = batch.bytes;
      await checkRoom(host, (file.size - batch.bytes) * shareOf(file.name));
    }
    meter.ended(file);
  }
  if (meter.rows === 0) throw new DataError(noRows(sources, firstRefused), firstRefused);
  return writer.finish({
    name: nameOf(sources.map(({ file }) => file.name)),
    fingerprint: index.fingerprint(),
    format: [...formats].join('; '),
    container: [...containers].join('; '),
  });
}

const CONTAINER: Readonly<Record<Container, string>> = {
  jsonl: 'JSON Lines',
  json: 'JSON',
  csv: 'CSV',
  tsv: 'TSV',
  parquet: 'Parquet',
};

function titles({ container, gzip, format }: DataPreview): Pick<FilePreview, 'container' | 'format'> {
  return {
    container: gzip ? `${CONTAINER[container]}, gzip` : CONTAINER[container],
    format: format === null ? null : formatTitle(format),
  };
}

/** Counts what was read and tells of it now and then. */
class Meter {
  rows = 0;
  private refused = 0;
  private duplicates = 0;
  /** Bytes of the files read to their end. */
  private before = 0;
  private readonly total: number;
  private readonly started: number;
  private told = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly now: () => number,
    sources: readonly DataSource[],
    private readonly tell: (progress: ImportProgress) => void,
  ) {
    this.total = sources.reduce((sum, { file }) => sum + file.size, 0);
    this.started = now();
  }

  update(
    file: string,
    batch: {
      readonly rows: readonly unknown[];
      readonly refused: readonly unknown[];
      readonly duplicates: readonly unknown[];
      readonly bytes: number;
    },
  ): void {
    this.rows += batch.rows.length;
    this.refused += batch.refused.length;
    this.duplicates += batch.duplicates.length;
    const time = this.now();
    if (time - this.told < PROGRESS_EVERY_MS) return;
    this.told = time;
    const bytes = this.before + batch.bytes;
    const rate = time > this.started ? (bytes / (time - this.started)) * 1000 : 0;
    this.tell({
      file,
      rows: this.rows,
      refused: this.refused,
      duplicates: this.duplicates,
      bytes,
      totalBytes: this.total,
      rate,
      secondsLeft: rate > 0 ? (this.total - bytes) / rate : null,
    });
  }

  ended(file: File): void {
    this.before += file.size;
  }
}

function named(rows: readonly RefusedRow[], file: string | undefined): readonly RefusedRow[] {
  return file === undefined ? rows : rows.map((row) => ({ ...row, file }));
}

function nameOf([first = 'data', ...others]: readonly string[]): string {
  if (others.length === 0) return visible(first);
  return `${visible(first)} and ${others.length} more`;
}

function noRows(sources: readonly DataSource[], refused: readonly RefusedRow[]): string {
  const where = nameOf(sources.map(({ file }) => file.name));
  if (refused.length === 0) return `${where} has no rows`;
  const told = refused.map(({ line, reason }) => `line ${line}: ${reason}`);
  return `${where} has no usable row; ${told.slice(0, SHOWN).join('; ')}`;
}

const shareOf = (name: string): number =>
  /\.(gz|parquet)$/i.test(name) ? STORED_SHARE.packed : STORED_SHARE.plain;

/** Before writing, not at the first write that fails: a full disk is trouble for more than this page. */
async function checkRoom(host: DataServiceHost, need: number): Promise<void> {
  const { usage, quota } = await host.estimate();
  if (usage === undefined || quota === undefined || quota - usage >= need) return;
  const megabytes = (bytes: number) => `${Math.max(0, Math.ceil(bytes / 1e6)).toLocaleString('en')} MB`;
  throw new StorageError(
    'quota',
    `Storing this takes about ${megabytes(need)}, and the browser gives this page only ${megabytes(quota - usage)} more. ` +
      'Delete runs you no longer need, or use a part of the file.',
  );
}
