/** Holds the numbers in a Parquet file to each other before anything is made as large as they say. */
import type { FileMetaData, PageHeader, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { inMegabytes, MAX_PARQUET_PAGE } from '../limits.ts';
import type { DataFile } from '../types.ts';

/** Rows that a row group may claim, and values in one of its columns: more could not be anybody's prompts. */
const MAX_ROWS = 10_000_000;
const MAX_VALUES = 50_000_000;

type ColumnMeta = NonNullable<RowGroup['columns'][number]['meta_data']>;

/** Where a column's bytes lie in the file, and how many they are unpacked. */
export function extent(column: ColumnMeta): { start: number; end: number; unpacked: number } {
  // As in the format's other readers, an offset of 0 is none.
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  return {
    start,
    end: start + Number(column.total_compressed_size),
    unpacked: Number(column.total_uncompressed_size),
  };
}

/** Metadata of the columns that are read. */
export function columnsIn(group: RowGroup, read: readonly string[]): ColumnMeta[] {
  return group.columns.flatMap(({ meta_data: column }) =>
    column !== undefined && read.includes(column.path_in_schema[0] ?? '') ? [column] : [],
  );
}

/** @throws Error where the footer claims what can't be */
export function checkFooter(metadata: FileMetaData): void {
  for (const [i, { num_rows, columns }] of metadata.row_groups.entries()) {
    if (num_rows < 0 || num_rows > MAX_ROWS) throw new Error(`row group ${i + 1} claims ${num_rows} rows`);
    for (const { meta_data: column } of columns) {
      if (column === undefined) continue;
      const { num_values, total_compressed_size, total_uncompressed_size } = column;
      if (
        num_values < 0 ||
        num_values > MAX_VALUES ||
        total_compressed_size < 0 ||
        total_uncompressed_size < 0
      ) {
        throw new Error(`column ${column.path_in_schema.join('.')} claims ${num_values} values`);
      }
    }
  }
}

/**
 * Walks the pages of the columns that are about to be read: each must lie within its column, and together they
 * may hold no more values than the footer says.
 */
export async function checkPages(file: DataFile, group: RowGroup, read: readonly string[]): Promise<void> {
  for (const column of columnsIn(group, read)) {
    const { start, end } = extent(column);
    const bytes = await file.slice(start, end);
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
    const name = column.path_in_schema.join('.');
    let values = Number(column.num_values);
    // Like the reader itself: a last stray byte is no page.
    while (values > 0 && reader.offset < bytes.length - 1) {
      const { type, compressed_page_size, uncompressed_page_size, ...page } = parquetHeader(reader);
      const counted = valuesIn(page);
      const isData = type === 'DATA_PAGE' || type === 'DATA_PAGE_V2';
      if (counted === null || counted > (isData ? values : MAX_VALUES)) {
        throw new Error(
          `column ${name} has a page of ${counted ?? 'unknown'} values where ${values} are left`,
        );
      }
      if (!(uncompressed_page_size >= 0 && uncompressed_page_size <= MAX_PARQUET_PAGE)) {
        throw new Error(
          `column ${name} has a page of ${inMegabytes(uncompressed_page_size)}, more than is read`,
        );
      }
      if (isData) values -= counted;
      reader.offset += compressed_page_size;
      if (!(compressed_page_size >= 0 && reader.offset <= bytes.length)) {
        throw new Error(`a page of column ${name} is longer than the column`);
      }
    }
  }
}

/** Values in a page; null where its header lacks one of the numbers that the reader counts with. */
function valuesIn(
  page: Pick<PageHeader, 'data_page_header' | 'data_page_header_v2' | 'dictionary_page_header'>,
) {
  const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = page;
  const header = v1 ?? v2 ?? dictionary;
  const counts = [header?.num_values];
  if (v2 !== undefined) {
    counts.push(
      v2.num_nulls,
      v2.num_rows,
      v2.definition_levels_byte_length,
      v2.repetition_levels_byte_length,
    );
  }
  // A damaged header has fields of any type, or none, whatever the types say.
  return header !== undefined && counts.every((count) => Number.isInteger(count) && Number(count) >= 0)
    ? header.num_values
    : null;
}
