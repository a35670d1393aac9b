/** Parquet, one stretch of rows and only the wanted columns at a time. */
import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DataError } from '../errors.ts';
import { inMegabytes, MAX_PARQUET_PAGE, PARQUET_STEP } from '../limits.ts';
import type { RecordChunk } from '../record.ts';
import type { DataFile } from '../types.ts';
import { checkFooter, checkPages, columnsIn, extent } from './parquet-check.ts';

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
    checkFooter(metadata);
    return parquetSchema(metadata).children.map(({ element }) => element.name);
  });
  return {
    columns,
    async *records(wanted, most = Number.POSITIVE_INFINITY) {
      const read = columns.filter(wanted);
      if (read.length === 0) return;
      let first = 0;
      for (const group of metadata.row_groups) {
        if (first >= most) return;
        const rows = Number(group.num_rows);
        await readable(file, () => checkPages(file, group, read));
        const extents = columnsIn(group, read).map(extent);
        const unpacked = extents.reduce((sum, column) => sum + column.unpacked, 0);
        const end = Math.max(0, ...extents.map((column) => column.end));
        const step = Math.max(1, Math.min(rows, Math.floor((rows * PARQUET_STEP) / Math.max(unpacked, 1))));
        for (let at = 0; at < rows && first + at < most; at += step) {
          const rowEnd = Math.min(first + at + step, first + rows, most);
          const records = await readable(file, async () => {
            const objects = await parquetReadObjects({
              file: buffer,
              metadata,
              columns: read,
              rowStart: first + at,
              rowEnd,
              compressors: COMPRESSORS,
              geoparquet: false,
              useOffsetIndex: true,
            });
            return objects.map((row, i) => ({ line: first + at + i + 1, value: plain(row) }));
          });
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
