/** Parquet, one stretch of rows and only the wanted columns at a time. */
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DataError } from '../errors.ts';
import { inMegabytes, MAX_PARQUET_PAGE, PARQUET_STEP } from '../limits.ts';
import type { RecordChunk } from '../record.ts';
import type { DataFile } from '../types.ts';

/** Rows that a row group may claim: more could not be anybody's prompts. */
const MAX_GROUP_ROWS = 10_000_000;

export interface ParquetFile {
  /** Top-level columns. */
  readonly columns: readonly string[];
  /** @param wanted columns to read; others are not looked at. @param most rows to read */
  records(wanted: (column: string) => boolean, most?: number): AsyncGenerator<RecordChunk>;
}

export async function openParquet(file: DataFile): Promise<ParquetFile> {
  const buffer = {
    byteLength: file.size,
    slice: async (start: number, end = file.size) => {
      const bytes = await file.slice(start < 0 ? file.size + start : start, end);
      return bytes.slice().buffer;
    },
  };
  const metadata = await readable(file, () => parquetMetadataAsync(buffer, { geoparquet: false }));
  const columns = await readable(file, async () => {
    checkGroups(metadata);
    return parquetSchema(metadata).children.map(({ element }) => element.name);
  });
  return {
    columns,
    async *records(wanted, most = Number.POSITIVE_INFINITY) {
      const read = columns.filter(wanted);
      if (read.length === 0) return;
      let first = 0;
      for (const group of metadata.row_groups) {
        const rows = Number(group.num_rows);
        const { unpacked, end } = measure(group, read);
        const step = Math.max(1, Math.min(rows, Math.floor((rows * PARQUET_STEP) / Math.max(unpacked, 1))));
        for (let at = 0; at < rows && first + at < most; at += step) {
          const rowEnd = Math.min(first + at + step, first + rows, most);
          const objects = await readable(file, () =>
            parquetReadObjects({
              file: buffer,
              metadata,
              columns: read,
              rowStart: first + at,
              rowEnd,
              compressors: COMPRESSORS,
              geoparquet: false,
              useOffsetIndex: true,
            }),
          );
          const records = objects.map((row, i) => ({ line: first + at + i + 1, value: plain(row) }));
          yield { records, bytes: end };
        }
        first += rows;
      }
    },
  };
}

/** Says of any fault in the file that it is one, in words. */
async function readable<T>(file: DataFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DataError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new DataError(`${file.name} can't be read as Parquet: ${why.replace(/^parquet /, '')}`);
  }
}

/** The numbers that later decide how much memory is taken. */
function checkGroups(metadata: FileMetaData): void {
  for (const [i, { num_rows, columns }] of metadata.row_groups.entries()) {
    const sizes = columns.flatMap(({ meta_data }) =>
      meta_data === undefined ? [] : [meta_data.total_compressed_size, meta_data.total_uncompressed_size],
    );
    if (num_rows < 0 || num_rows > MAX_GROUP_ROWS || sizes.some((size) => size < 0)) {
      throw new Error(
        `row group ${i + 1} claims ${num_rows} rows; the file is damaged or not meant to be read`,
      );
    }
  }
}

/** Bytes that the columns take unpacked, and where the last of them ends in the file. */
function measure(group: FileMetaData['row_groups'][number], read: readonly string[]) {
  let [unpacked, end] = [0, 0];
  for (const { meta_data: column } of group.columns) {
    if (column === undefined || !read.includes(column.path_in_schema[0] ?? '')) continue;
    unpacked += Number(column.total_uncompressed_size);
    const start = column.dictionary_page_offset ?? column.data_page_offset;
    end = Math.max(end, Number(start + column.total_compressed_size));
  }
  return { unpacked, end };
}

/** The decompressors, none of which may be talked into taking all memory. */
const COMPRESSORS: typeof compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number) => {
      if (!(length >= 0 && length <= MAX_PARQUET_PAGE)) {
        throw new Error(`a page of ${inMegabytes(length)} is more than is read`);
      }
      return decompress(input, length);
    },
  ]),
);

/** As JSON has it: what can't be text says what it is. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toJSON();
  if (value instanceof Uint8Array) return { bytes: value.length };
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) return Array.from(Object.values(value), plain);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
