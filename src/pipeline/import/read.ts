/** From a file to rows: container, then format, then refusals and duplicates. */
import type { DataRow, RefusedRow } from '../types.ts';
import { readJsonLines } from './containers/lines.ts';
import { DataError } from './errors.ts';
import { recognise } from './formats/index.ts';
import { RowIndex } from './identity.ts';
import { isRecord, type RawRecord, type RecordChunk, show } from './record.ts';
import type { DataFile, DataPreview, ImportBatch, PreviewOptions, ReadOptions } from './types.ts';

const PREVIEWED = 20;

/** @throws DataError where the file can't be read at all */
export async function previewData(file: DataFile, _options: PreviewOptions = {}): Promise<DataPreview> {
  const found: RawRecord[] = [];
  for await (const { records } of openRecords(file)) {
    found.push(...records);
    if (found.length >= PREVIEWED) break;
  }
  const first = found.slice(0, PREVIEWED);
  const values = first.flatMap((record) => ('value' in record ? [record.value] : []));
  const rows: DataRow[] = [];
  const refused: RefusedRow[] = [];
  for (const record of first) {
    const row = readRecord(record);
    if (typeof row === 'string') refused.push({ line: record.line, reason: row });
    else rows.push(...row);
  }
  return {
    container: 'jsonl',
    gzip: false,
    format: values.map(recognise).find((format) => format !== null)?.name ?? null,
    columns: [...new Set(values.flatMap((value) => (isRecord(value) ? Object.keys(value) : [])))],
    records: values,
    rows,
    refused,
    notes: [],
  };
}

/**
 * @throws DataError where the file can't be read at all, or with onBadRow 'stop' at a bad row;
 *   UnknownFormatError where a mapping is needed
 */
export async function* readData(file: DataFile, options: ReadOptions = {}): AsyncGenerator<ImportBatch> {
  const { signal, onBadRow = 'skip', index = new RowIndex() } = options;
  index.open(file.name);
  for await (const { records, bytes } of openRecords(file)) {
    signal?.throwIfAborted();
    const batch = { rows: [] as DataRow[], refused: [] as RefusedRow[], duplicates: [] as RefusedRow[] };
    for (const record of records) {
      const read = readRecord(record);
      if (typeof read === 'string') {
        const row = { line: record.line, reason: read };
        if (onBadRow === 'stop') throw new DataError(`line ${row.line}: ${row.reason}`, [row]);
        batch.refused.push(row);
        continue;
      }
      for (const row of read) {
        const same = index.add(row, record.line);
        if (same === null) batch.rows.push(row);
        else batch.duplicates.push({ line: record.line, reason: same });
      }
    }
    yield { ...batch, bytes };
  }
}

function openRecords(file: DataFile): AsyncGenerator<RecordChunk> {
  let bytes = 0;
  async function* counted() {
    for await (const piece of file.stream()) {
      bytes += piece.length;
      yield piece;
    }
  }
  return readJsonLines(counted(), () => bytes);
}

function readRecord(record: RawRecord): DataRow[] | string {
  if ('reason' in record) return record.reason;
  const format = recognise(record.value);
  if (format === null || !isRecord(record.value))
    return `expected an object with prompt and target, found ${show(record.value)}`;
  const read = format.read(record.value);
  if (typeof read === 'string') return read;
  return (Array.isArray(read) ? read : [read]).map((row) => ({ ...row, line: record.line }));
}
