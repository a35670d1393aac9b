/** What the data worker does: reads data files into storage, batch by batch, so that no one ever holds a file. */
import { type DefaultLabData, defaultLabData, type LabDataFile } from '../lab/default-data.ts';
import { visible } from '../model/text.ts';
import { readDataset } from '../pipeline/dataset.ts';
import {
  blobFile,
  type Container,
  DataError,
  type DataPreview,
  formatTitle,
  guessMapping,
  type Mapping,
  previewData,
  RowIndex,
  readData,
} from '../pipeline/import/index.ts';
import type { DataRow, Dataset, DatasetInfo, RefusedRow } from '../pipeline/types.ts';
import type { DatasetWriter } from '../storage/datasets.ts';
import { StorageError } from '../storage/errors.ts';
import type { Storage } from '../storage/index.ts';
import { checkSpace, type EstimateStorage } from '../storage/space.ts';
import { type ImportProgress, Meter } from './meter.ts';
import { shortRecord, shortRow } from './shorten.ts';

export type { ImportProgress };

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
  /** Which column is probably what. */
  readonly guess: Mapping;
  /** The first records as they stand in the file, in JSON. */
  readonly records: readonly string[];
  readonly rows: readonly DataRow[];
  readonly refused: readonly RefusedRow[];
  readonly notes: readonly string[];
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
  /** The embedded data as a lab takes it, likewise. */
  readLabTexts(name: string, texts: Readonly<Record<LabDataFile, string>>): Promise<DefaultLabData>;
  /** Ends the import within a batch; it rejects, and nothing of it stays. */
  cancel(): Promise<void>;
}

export interface DataServiceHost {
  readonly storage: () => Promise<Storage>;
  readonly estimate: EstimateStorage;
  /** Milliseconds. */
  readonly now: () => number;
}

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
        guess: guessMapping(found.columns, found.records),
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
    readLabTexts: defaultLabData,
    cancel: async () => running?.abort(new DOMException('The import was cancelled.', 'AbortError')),
  };
}

const sum = (sources: readonly DataSource[], of: (file: File) => number): number =>
  sources.reduce((total, { file }) => total + of(file), 0);

export async function importFiles(
  host: DataServiceHost,
  { id, sources }: ImportRequest,
  onProgress: (progress: ImportProgress) => void,
  signal: AbortSignal,
): Promise<DatasetInfo> {
  await checkRoom(
    host,
    sum(sources, ({ size, name }) => size * shareOf(name)),
  );
  const writer = await (await host.storage()).data.write(id);
  try {
    return await fill(
      host,
      writer,
      sources,
      new Meter(
        host.now,
        sum(sources, ({ size }) => size),
        onProgress,
      ),
      signal,
    );
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** What reading one file after the other has come to. */
interface Reading {
  readonly host: DataServiceHost;
  readonly writer: DatasetWriter;
  readonly meter: Meter;
  readonly signal: AbortSignal;
  readonly index: RowIndex;
  readonly formats: Set<string>;
  readonly containers: Set<string>;
  /** A few, for the message where no row is left. */
  readonly refused: RefusedRow[];
}

async function fill(
  host: DataServiceHost,
  writer: DatasetWriter,
  sources: readonly DataSource[],
  meter: Meter,
  signal: AbortSignal,
): Promise<DatasetInfo> {
  const [formats, containers, refused] = [new Set<string>(), new Set<string>(), []];
  const reading: Reading = {
    host,
    writer,
    meter,
    signal,
    index: new RowIndex(),
    formats,
    containers,
    refused,
  };
  const names = sources.map(({ file }) => file.name);
  for (const source of sources) {
    signal.throwIfAborted();
    try {
      await readSource(reading, source, sources.length > 1);
    } catch (error) {
      if (sources.length === 1 || !(error instanceof DataError)) throw error;
      throw new DataError(`${source.file.name}: ${error.message}`, error.refused);
    }
    meter.ended(source.file.size);
  }
  if (meter.rows === 0) throw new DataError(noRows(names, reading.refused), reading.refused);
  return writer.finish({
    name: nameOf(names),
    fingerprint: reading.index.fingerprint(),
    format: [...formats].join('; '),
    container: [...containers].join('; '),
  });
}

async function readSource(reading: Reading, { file, mapping }: DataSource, several: boolean): Promise<void> {
  const { host, writer, meter, signal, index, refused } = reading;
  const data = blobFile(file, file.name);
  const options = mapping === undefined ? {} : { mapping };
  const { format, container } = titles(await previewData(data, options));
  if (format !== null) reading.formats.add(format);
  reading.containers.add(container);
  const told = (rows: readonly RefusedRow[]) =>
    several ? rows.map((row) => ({ ...row, file: file.name })) : rows;
  let looked = 0;
  for await (const batch of readData(data, { ...options, signal, index })) {
    signal.throwIfAborted();
    await writer.addRows('rows', batch.rows);
    await writer.addRefused('refused', told(batch.refused));
    await writer.addRefused('duplicates', told(batch.duplicates));
    if (refused.length < SHOWN) refused.push(...batch.refused.slice(0, SHOWN));
    meter.update(file.name, batch);
    if (batch.bytes - looked < LOOK_EVERY) continue;
    looked = batch.bytes;
    await checkRoom(host, (file.size - batch.bytes) * shareOf(file.name));
  }
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

function nameOf([first = 'data', ...others]: readonly string[]): string {
  if (others.length === 0) return visible(first);
  return `${visible(first)} and ${others.length} more`;
}

function noRows(names: readonly string[], refused: readonly RefusedRow[]): string {
  const where = nameOf(names);
  if (refused.length === 0) return `${where} has no rows`;
  const told = refused.map(({ line, reason }) => `line ${line}: ${reason}`);
  return `${where} has no usable row; ${told.slice(0, SHOWN).join('; ')}`;
}

const shareOf = (name: string): number =>
  /\.(gz|parquet)$/i.test(name) ? STORED_SHARE.packed : STORED_SHARE.plain;

function checkRoom({ estimate }: DataServiceHost, need: number): Promise<void> {
  return checkSpace(
    need,
    (bytes, left) =>
      new StorageError(
        'quota',
        `Storing this takes about ${bytes}, and the browser gives this page only ${left} more. ` +
          'Delete runs you no longer need, or use a part of the file.',
      ),
    estimate,
  );
}
