/** From a file to rows: container, then format, then refusals and duplicates. */
import type { DataRow, RefusedRow } from '../types.ts';
import { DataError, UnknownFormatError } from './errors.ts';
import { columnsOf, FORMATS, type Format, mappedFormat, readRecord, recognise } from './formats/index.ts';
import { RowIndex } from './identity.ts';
import { isRecord, kept, type RawRecord } from './record.ts';
import { openSource, type Source } from './source.ts';
import type { DataFile, DataPreview, ImportBatch, Mapping, PreviewOptions, ReadOptions } from './types.ts';

/** Records that a preview shows, and that tell the format of a file. */
const PREVIEWED = 20;
/** A batch ends at so many rows, or where so many letters are in it. */
const BATCH_ROWS = 1000;
const BATCH_LETTERS = 2 ** 20;
/** ... or, so that progress is told, after so many bytes. */
const PROGRESS_BYTES = 2 ** 20;

/**
 * Reads the first records, so that a user can see what the whole file would give.
 *
 * @throws DataError where the file can't be read at all, or has no column that the mapping names
 */
export async function previewData(file: DataFile, options: PreviewOptions = {}): Promise<DataPreview> {
  const source = await openSource(file);
  const first = await firstRecords(source, () => true);
  const values = first.flatMap((record) => ('value' in record ? [record.value] : []));
  const columns = allColumns(source, values);
  const format = formatOf(options.mapping, values, columns);
  const rows: DataRow[] = [];
  const refused: RefusedRow[] = [];
  for (const record of first) {
    const read = rowsOf(record, format);
    if (typeof read === 'string') refused.push(refusal(record, read));
    else rows.push(...read);
  }
  const { container, gzip } = source;
  const found = { container, gzip, columns, records: values, refused };
  if (format === null && values.some(isRecord))
    return { ...found, format: null, rows: [], refused: [], notes: [] };
  return { ...found, format: format?.name ?? null, rows, notes: notesOn(format, rows) };
}

/**
 * All rows of a file, as they stream in. Exact duplicates are left out: a row that is there twice would only
 * weigh double.
 *
 * @throws DataError where the file can't be read at all, or with onBadRow 'stop' at a bad row;
 *   UnknownFormatError where a mapping is needed
 */
export async function* readData(file: DataFile, options: ReadOptions = {}): AsyncGenerator<ImportBatch> {
  const { signal, onBadRow = 'skip', index = new RowIndex(), mapping } = options;
  const source = await openSource(file);
  index.open(file.name);
  const format = await fileFormat(source, mapping);
  const batch = new Batch(index, onBadRow);
  let [last, told] = [0, 0];
  for await (const { records, bytes } of source.records(wantedBy(format))) {
    signal?.throwIfAborted();
    for (const record of records) {
      batch.add(record, rowsOf(record, format));
      // Of the piece that is being read nothing counts before all of it has been.
      if (batch.full) yield batch.take(last);
    }
    last = Math.min(bytes, file.size);
    if (last - told < PROGRESS_BYTES) continue;
    told = last;
    yield batch.take(last);
  }
  signal?.throwIfAborted();
  yield batch.take(file.size);
}

/** The format by which a file's records are read; null where no record says, because none can be read. */
async function fileFormat(source: Source, mapping: Mapping | undefined): Promise<Format | null> {
  const wanted = wantedBy(mapping === undefined ? null : mappedFormat(mapping));
  const first = await firstRecords(source, wanted);
  const values = first.flatMap((record) => ('value' in record ? [record.value] : []));
  const columns = allColumns(source, values);
  const format = formatOf(mapping, values, columns);
  // Of a table's columns only those that some format knows were read: perhaps none.
  const hasRecords = values.some(isRecord) || (source.columns ?? []).length > 0;
  if (format === null && hasRecords) throw new UnknownFormatError(columns);
  return format;
}

async function firstRecords(
  source: Source,
  wanted: (column: string) => boolean,
): Promise<readonly RawRecord[]> {
  const first: RawRecord[] = [];
  for await (const { records } of source.records(wanted, PREVIEWED)) {
    first.push(...records.slice(0, PREVIEWED - first.length));
    if (first.length >= PREVIEWED) break;
  }
  return first;
}

function allColumns(source: Source, values: readonly unknown[]): string[] {
  return [...new Set([...columnsOf(values), ...(source.columns ?? [])])];
}

/** The mapping's format, or the one that fits most of the first records. */
function formatOf(
  mapping: Mapping | undefined,
  values: readonly unknown[],
  columns: readonly string[],
): Format | null {
  if (mapping !== undefined) {
    const format = mappedFormat(mapping);
    if (values.some(isRecord) && !values.some((value) => isRecord(value) && format.matches(value))) {
      throw new DataError(
        `no record has anything in "${mapping.prompt}", the column of the prompt; the columns are ${columns.join(', ')}`,
      );
    }
    return format;
  }
  const votes = new Map<Format, number>();
  for (const value of values) {
    const format = recognise(value);
    if (format !== null) votes.set(format, (votes.get(format) ?? 0) + 1);
  }
  return [...votes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** Columns of a table that are looked at: a mapping's own, or those of any format. */
function wantedBy(format: Format | null): (column: string) => boolean {
  const formats = format?.name === 'mapping' ? [format] : FORMATS;
  const columns = new Set(formats.flatMap((each) => each.columns));
  return (column) => columns.has(column);
}

function rowsOf(record: RawRecord, format: Format | null): readonly DataRow[] | string {
  if ('reason' in record) return record.reason;
  const rows = readRecord(record.value, format);
  return typeof rows === 'string' ? rows : rows.map((row) => ({ ...row, line: record.line }));
}

function refusal(record: RawRecord, reason: string): RefusedRow {
  const text = 'value' in record ? kept(record.value) : record.text;
  return { line: record.line, reason, ...(text !== undefined && { text }) };
}

function notesOn(format: Format | null, rows: readonly DataRow[]): string[] {
  const notes = format?.note === undefined ? [] : [format.note];
  if (rows.length > 0 && rows.every(({ target }) => target === undefined)) {
    notes.push(
      'These rows only ask: they have no target answer, so they are used for evaluation, not for training. ' +
        'If a column holds the answers, say which one.',
    );
  }
  return notes;
}

/** Rows that are gathered until there are enough to hand on. */
class Batch {
  private rows: DataRow[] = [];
  private refused: RefusedRow[] = [];
  private duplicates: RefusedRow[] = [];
  private letters = 0;

  constructor(
    private readonly index: RowIndex,
    private readonly onBadRow: 'skip' | 'stop',
  ) {}

  get full(): boolean {
    return this.size >= BATCH_ROWS || this.letters >= BATCH_LETTERS;
  }

  private get size(): number {
    return this.rows.length + this.refused.length + this.duplicates.length;
  }

  add(record: RawRecord, read: readonly DataRow[] | string): void {
    const { line } = record;
    if (typeof read === 'string') {
      const row = refusal(record, read);
      if (this.onBadRow === 'stop') throw new DataError(`line ${line}: ${read}`, [row]);
      this.refused.push(row);
      return;
    }
    for (const row of read) {
      const same = this.index.add(row, line);
      if (same === null) this.rows.push(row);
      else this.duplicates.push({ line, reason: same });
      this.letters += lettersOf(row);
    }
  }

  take(bytes: number): ImportBatch {
    const { rows, refused, duplicates } = this;
    this.rows = [];
    this.refused = [];
    this.duplicates = [];
    this.letters = 0;
    return { rows, refused, duplicates, bytes };
  }
}

function lettersOf({ prompt, history = [], target = '', rejected = [] }: DataRow): number {
  const texts = [prompt, target, ...rejected, ...history.map(({ content }) => content)];
  return texts.reduce((sum, text) => sum + text.length, 0);
}
