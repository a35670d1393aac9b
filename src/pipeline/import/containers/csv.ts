/** CSV and TSV: the first row names the columns. */
import Papa from 'papaparse';
import { DataError } from '../errors.ts';
import { inMegabytes, MAX_RECORD } from '../limits.ts';
import { kept, type RawRecord } from '../record.ts';
import { streamDecoder } from '../text.ts';

export interface CsvDialect {
  readonly delimiter: string;
  /** What ends a row: LF, CRLF or CR. */
  readonly newline: Newline;
}

type Newline = '\n' | '\r\n' | '\r';

/** Delimiter of a file with a single column, whose texts may well hold commas. */
const NEVER = '\u001f';

/** Tells the delimiter and the line ends from a file's first text. */
export function sniffDialect(head: string): CsvDialect {
  const newline = rowEnd(head);
  const guess = Papa.parse(head, { delimitersToGuess: [',', '\t', ';', '|'], newline, preview: 20 });
  const { delimiter } = guess.meta;
  const names: ParseResult = new Papa.Parser({ delimiter, newline }).parse(head.trimStart(), 0, false);
  return { delimiter: names.data[0]?.length === 1 ? NEVER : delimiter, newline };
}

/** The first line end outside quotes. */
function rowEnd(head: string): Newline {
  let quoted = false;
  for (let i = 0; i < head.length; i++) {
    if (head[i] === '"') quoted = !quoted;
    else if (!quoted && head[i] === '\n') return '\n';
    else if (!quoted && head[i] === '\r') return head[i + 1] === '\n' ? '\r\n' : '\r';
  }
  return '\n';
}

/** Records with the columns of the first row; an empty cell is null. Blank lines are skipped. */
export async function* readCsv(
  pieces: AsyncIterable<Uint8Array>,
  dialect: CsvDialect,
): AsyncGenerator<RawRecord[]> {
  const table = new Table();
  for await (const { rows, faults } of parseRows(pieces, dialect, () => table.line)) {
    yield rows.flatMap((cells, i) => table.record(cells, faults.get(i)) ?? []);
  }
}

/** Columns and place in the file. */
class Table {
  line = 1;
  private columns: readonly string[] | null = null;

  /** The row's record; null for the row of names and for blank lines. */
  record(read: readonly string[], fault: string | undefined): RawRecord | null {
    const line = this.line;
    // Files that were put together may end some rows in LF and some in CRLF.
    const cells = [...read.slice(0, -1), (read.at(-1) ?? '').replace(/\r$/, '')];
    this.line += 1 + cells.reduce((sum, cell) => sum + lineBreaks(cell), 0);
    if (cells.length === 1 && cells[0]?.trim() === '') return null;
    const { columns } = this;
    if (columns === null) {
      this.columns = nameColumns(cells);
      return null;
    }
    if (fault !== undefined) return { line, reason: fault, text: kept(cells) };
    if (cells.length !== columns.length) {
      const reason = `${cells.length} cells where the first row names ${columns.length} columns; a text with a delimiter or a line break in it needs quotes`;
      return { line, reason, text: kept(cells) };
    }
    // Object.fromEntries makes even __proto__ a plain column.
    return { line, value: Object.fromEntries(columns.map((name, i) => [name, cells[i] || null])) };
  }
}

function lineBreaks(cell: string): number {
  return cell.match(/\r\n|\n|\r/g)?.length ?? 0;
}

function nameColumns(cells: readonly string[]): string[] {
  const names = cells.map((cell, i) => cell.trim() || `column ${i + 1}`);
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) {
    throw new DataError(`two columns are called "${twice}" in the first row; give each its own name`);
  }
  return names;
}

/** What papaparse's parser gives for a text. */
interface ParseResult {
  readonly data: readonly (readonly string[])[];
  /** `row` is a place in `data`. */
  readonly errors: readonly { readonly code: string; readonly row?: number }[];
  /** `cursor` is where the first row begins that was not parsed. */
  readonly meta: { readonly cursor: number };
}

interface Rows {
  readonly rows: readonly (readonly string[])[];
  /** What is wrong with a row, by its place in `rows`. */
  readonly faults: ReadonlyMap<number, string>;
}

async function* parseRows(
  pieces: AsyncIterable<Uint8Array>,
  dialect: CsvDialect,
  line: () => number,
): AsyncGenerator<Rows> {
  const decode = streamDecoder();
  const parser = new Papa.Parser(dialect);
  const parse = (text: string, more: boolean): Rows & { rest: string } => {
    const { data, errors, meta }: ParseResult = parser.parse(text, 0, more);
    return { rows: data, faults: faultsOf(errors), rest: more ? text.slice(meta.cursor) : '' };
  };
  let text = '';
  let enough = 0;
  const add = (piece: Uint8Array, last: boolean) => {
    try {
      text += decode(piece, last);
    } catch {
      throw new DataError(
        `the file is not UTF-8 text (after line ${line()}); save it as UTF-8, in Excel as "CSV UTF-8"`,
      );
    }
    if (text.length > MAX_RECORD) {
      throw new DataError(
        `line ${line()}: the row is longer than ${inMegabytes(MAX_RECORD)}; is a quote not closed?`,
      );
    }
  };
  for await (const piece of pieces) {
    add(piece, false);
    // A row that goes on is parsed again only when twice as much of it is there, or a long one would take forever.
    if (text.length < enough) continue;
    const { rest, ...rows } = parse(text, true);
    text = rest;
    enough = 2 * rest.length;
    yield rows;
  }
  add(new Uint8Array(0), true);
  if (text !== '') yield parse(text, false);
}

function faultsOf(errors: readonly { code: string; row?: number }[]): Map<number, string> {
  return new Map(
    errors.map(({ code, row = 0 }) => [
      row,
      code === 'MissingQuotes'
        ? 'a quote that opens here is never closed, so the rest of the file was taken for its text'
        : 'a quote within a quoted text; inside quotes write "" for "',
    ]),
  );
}
