/** What a file is, told by its first bytes and only then by its name, and its records. */
import type { CsvDialect } from './containers/csv.ts';
import { type JsonPlace, readJson } from './containers/json.ts';
import { readJsonLines } from './containers/lines.ts';
import { concat } from './containers/open-bytes.ts';
import { DataError } from './errors.ts';
import { bytesFile } from './file.ts';
import { jsonPlace } from './json-place.ts';
import { HEAD, inMegabytes, MAX_PACKED_PARQUET } from './limits.ts';
import type { RawRecord, RecordChunk } from './record.ts';
import type { Container, DataFile } from './types.ts';

/** A file that is known for what it is. */
export interface Source {
  readonly container: Container;
  readonly gzip: boolean;
  /** Top-level columns where the file names them; null where only its records do. */
  readonly columns: readonly string[] | null;
  /** @param wanted columns that are needed; others may be left out. @param most records that are needed */
  records(wanted: (column: string) => boolean, most?: number): AsyncGenerator<RecordChunk>;
}

// Libraries are loaded by the files that need them: most are JSON Lines, and the page opens sooner.
const csv = () => import('./containers/csv.ts');
const gzipped = () => import('./containers/gzip.ts');
const parquetFiles = () => import('./containers/parquet.ts');

/** @throws DataError for what is no text, and no Parquet */
export async function openSource(file: DataFile): Promise<Source> {
  const gzip = startsWith(await file.slice(0, Math.min(file.size, 4)), [0x1f, 0x8b]);
  const head = await readHead(file, gzip);
  if (startsWith(head, MAGIC.parquet)) {
    const { openParquet } = await parquetFiles();
    const parquet = await openParquet(gzip ? await unpacked(file) : file);
    return { container: 'parquet', gzip, ...parquet };
  }
  checkText(head, file.name);
  const text = new TextDecoder('utf-8').decode(withoutMark(head));
  const kind = await tellText(text, extension(file.name), head.length < HEAD);
  return {
    container: kind.container,
    gzip,
    columns: null,
    async *records() {
      let bytes = 0;
      async function* counted() {
        for await (const piece of file.stream()) {
          bytes += piece.length;
          yield piece;
        }
      }
      const pieces = unmarked(gzip ? (await gzipped()).gunzip(counted()) : counted());
      for await (const records of await readText(pieces, kind)) yield { records, bytes };
    },
  };
}

type TextKind =
  | { readonly container: 'jsonl' }
  | { readonly container: 'json'; readonly place: JsonPlace }
  | { readonly container: 'csv' | 'tsv'; readonly dialect: CsvDialect };

async function readText(
  pieces: AsyncIterable<Uint8Array>,
  kind: TextKind,
): Promise<AsyncGenerator<RawRecord[]>> {
  switch (kind.container) {
    case 'jsonl':
      return readJsonLines(pieces);
    case 'json':
      return readJson(pieces, kind.place);
    case 'csv':
    case 'tsv':
      return (await csv()).readCsv(pieces, kind.dialect);
  }
}

/** @param whole whether `head` is all there is */
async function tellText(head: string, ending: string, whole: boolean): Promise<TextKind> {
  const first = head.trimStart()[0];
  const isJsonName = /^(jsonl|ndjson|json)$/.test(ending);
  if (first === undefined) return { container: 'jsonl' };
  if (first === '{' || first === '[') {
    const place = jsonPlace(head, whole);
    if (place !== null) return { container: 'json', place };
    // A table whose first column's name begins with a bracket is still one by its name.
    const isTable = /^(csv|tsv|tab)$/.test(ending) && !isJson(head.trimStart().split(/[\r\n]/)[0] ?? '');
    if (!isTable) return { container: 'jsonl' };
  }
  if (isJsonName) return { container: 'jsonl' };
  const dialect = (await csv()).sniffDialect(head);
  return { container: dialect.delimiter === '\t' ? 'tsv' : 'csv', dialect };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const MAGIC = {
  parquet: [0x50, 0x41, 0x52, 0x31],
  mark: [0xef, 0xbb, 0xbf],
};

/** Files that are often tried, and what to do instead. */
const OTHERS: readonly { readonly bytes: readonly number[]; readonly advice: string }[] = [
  { bytes: [0xff, 0xfe], advice: 'it is UTF-16 text; save it as UTF-8' },
  { bytes: [0xfe, 0xff], advice: 'it is UTF-16 text; save it as UTF-8' },
  {
    bytes: [0x50, 0x4b, 3, 4],
    advice:
      'it is a zip archive or an Excel workbook; unpack it, or save the table as CSV (runs exported from this page are imported on the page of all runs)',
  },
  {
    bytes: [0x28, 0xb5, 0x2f, 0xfd],
    advice: 'it is packed with zstd; unpack it first (of packed files, .gz is read)',
  },
  {
    bytes: [0x42, 0x5a, 0x68],
    advice: 'it is packed with bzip2; unpack it first (of packed files, .gz is read)',
  },
  {
    bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
    advice: 'it is packed with xz; unpack it first (of packed files, .gz is read)',
  },
  { bytes: [0x1f, 0x8b], advice: 'it is packed twice; unpack it once' },
  {
    bytes: [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31],
    advice: 'it is an Arrow file; save it as Parquet or JSON Lines',
  },
  { bytes: [0x50, 0x41, 0x52, 0x45], advice: 'it is an encrypted Parquet file, which is not read' },
  { bytes: [0x25, 0x50, 0x44, 0x46], advice: 'it is a PDF; save its prompts as text, e.g. JSON Lines' },
];

function checkText(head: Uint8Array, name: string): void {
  const other = OTHERS.find(({ bytes }) => startsWith(head, bytes));
  const nul = head.subarray(0, 4096).indexOf(0);
  // Latin text in UTF-16 has a zero in every other byte.
  const advice =
    other?.advice ??
    (nul < 0
      ? undefined
      : nul < 2 && head[nul + 2] === 0
        ? 'it is UTF-16 text; save it as UTF-8'
        : 'it is not text; prompts are read from JSON Lines, JSON, CSV, TSV and Parquet');
  if (advice !== undefined) throw new DataError(`${name} can't be read: ${advice}`);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte);
}

async function readHead(file: DataFile, gzip: boolean): Promise<Uint8Array> {
  if (!gzip) return await file.slice(0, Math.min(file.size, HEAD));
  const parts: Uint8Array[] = [];
  let length = 0;
  const { gunzip } = await gzipped();
  for await (const part of gunzip(file.stream())) {
    parts.push(part.subarray(0, HEAD - length));
    length += part.length;
    if (length >= HEAD) break;
  }
  return concat(parts);
}

async function unpacked(file: DataFile): Promise<DataFile> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const { gunzip } = await gzipped();
  for await (const part of gunzip(file.stream())) {
    length += part.length;
    if (length > MAX_PACKED_PARQUET) {
      throw new DataError(
        `${file.name} holds more than ${inMegabytes(MAX_PACKED_PARQUET)} of Parquet; unpack it first, then it need not be in memory`,
      );
    }
    parts.push(part);
  }
  return bytesFile(concat(parts), file.name);
}

function withoutMark(bytes: Uint8Array): Uint8Array {
  return startsWith(bytes, MAGIC.mark) ? bytes.subarray(MAGIC.mark.length) : bytes;
}

/** The pieces without the byte order mark that may begin them, be it in one piece or in three. */
async function* unmarked(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let start: Uint8Array | null = new Uint8Array(0);
  for await (const piece of pieces) {
    if (start === null) {
      yield piece;
      continue;
    }
    start = concat([start, piece]);
    if (start.length < MAGIC.mark.length) continue;
    yield withoutMark(start);
    start = null;
  }
  if (start !== null) yield start;
}

/** Of the name without .gz, in lower case: 'csv'. */
function extension(name: string): string {
  return /\.([a-z0-9]+)$/.exec(name.toLowerCase().replace(/\.gz$/, ''))?.[1] ?? '';
}

declare const TextDecoder: new (encoding: string) => { decode(bytes: Uint8Array): string };
