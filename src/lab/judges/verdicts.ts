/** Verdicts of a judge elsewhere, from a file that somebody wrote: every row is checked, none stops the others. */
import Papa from 'papaparse';
import { InputError } from '../../model/text.ts';
import { sniffDialect } from '../../pipeline/import/containers/csv.ts';
import { isRecord, kept, own, type RawRecord, show } from '../../pipeline/import/record.ts';
import { parseRecord } from '../../pipeline/import/text.ts';
import type { RefusedRow } from '../../pipeline/types.ts';
import type { Choice, ComparisonKey, Verdict } from '../types.ts';
import type { ReadVerdicts } from '../worker-api.ts';

export { duels } from './duels.ts';

/** What people and programs write for a choice, in small letters. */
const CHOICES: ReadonlyMap<unknown, Choice> = new Map<unknown, Choice>([
  ['a', 'a'],
  ['b', 'b'],
  ['tie', 'tie'],
  ['draw', 'tie'],
  ['equal', 'tie'],
  ['=', 'tie'],
]);

/** Names of the field with the choice. */
const FIELDS = ['verdict', 'choice', 'winner'] as const;

const FORM =
  'Each row needs the "id" of a question and a "verdict" of a, b or tie, as JSON Lines ({"id": "...", "verdict": "a"}) or as CSV with a first row id,verdict.';

/** Letters of a file that are looked at to tell the delimiter. */
const HEAD = 10_000;

/**
 * Reads JSON Lines, a JSON list, or CSV. Of several rows on one question the first counts; unknown ids, repeated ids
 * and choices that are none are refused, each with its line.
 *
 * @param keys of the questions that were asked
 * @param judge who the verdicts are said to be of, e.g. the file's name
 * @param at milliseconds since 1970
 * @throws InputError where the file as a whole is no file of verdicts
 */
export function readVerdicts(
  text: string,
  keys: readonly ComparisonKey[],
  judge: string,
  at: number,
): ReadVerdicts {
  const asked = new Set(keys.flatMap(({ id, same }) => (same ? [] : [id])));
  const lines = new Map<string, number>();
  const verdicts: Verdict[] = [];
  const refused: RefusedRow[] = [];
  for (const record of records(text)) {
    const read = 'reason' in record ? record.reason : verdictOf(record.value, asked, lines);
    if (typeof read === 'string') {
      const row = 'reason' in record ? record.text : kept(record.value);
      refused.push({ line: record.line, reason: read, ...(row !== undefined && { text: row }) });
    } else {
      lines.set(read.id, record.line);
      verdicts.push({ ...read, judge, at });
    }
  }
  if (verdicts.length + refused.length === 0) {
    throw new InputError(`the file of verdicts has no rows. ${FORM}`);
  }
  return { verdicts, refused };
}

/** A row's verdict, or why it is none. */
function verdictOf(
  row: unknown,
  asked: ReadonlySet<string>,
  lines: ReadonlyMap<string, number>,
): Pick<Verdict, 'id' | 'choice'> | string {
  if (!isRecord(row)) return `expected an object with id and verdict, found ${show(row)}`;
  const given = own(row, 'id');
  if (typeof given !== 'string' || given.trim() === '') {
    return given === undefined ? 'no id' : `the id should be a text, found ${show(given)}`;
  }
  const id = given.trim();
  const field = FIELDS.find((name) => own(row, name) !== undefined);
  if (field === undefined) return 'no verdict; give a, b or tie';
  const said = own(row, field);
  const choice = CHOICES.get(typeof said === 'string' ? said.trim().toLowerCase() : said);
  if (choice === undefined) return `the verdict should be a, b or tie, found ${show(said)}`;
  if (!asked.has(id)) {
    return `unknown id ${show(id)}: no question of this lab has it; were answers sampled anew since it was asked?`;
  }
  const before = lines.get(id);
  if (before !== undefined) return `the id is that of line ${before}, whose verdict counts`;
  return { id, choice };
}

function records(file: string): RawRecord[] {
  const text = file.replace(/^\ufeff/, '');
  const start = text.trimStart();
  if (start === '') return [];
  if (start.startsWith('[')) {
    const list = parseRecord(start, 1);
    if ('value' in list && Array.isArray(list.value)) {
      return list.value.map((value: unknown, i) => ({ line: i + 1, value }));
    }
    // A list a line, or one that is cut off: its lines say what is wrong with them.
    return jsonLines(text);
  }
  return start.startsWith('{') ? jsonLines(text) : csv(text);
}

const jsonLines = (text: string): RawRecord[] =>
  text.split(/\r\n|\n|\r/).flatMap((line, i) => (line.trim() === '' ? [] : [parseRecord(line, i + 1)]));

/** What is used of what papaparse's parser gives. */
interface Parsed {
  readonly data: readonly (readonly string[])[];
}

/** @throws InputError where the first row does not name the columns */
function csv(text: string): RawRecord[] {
  const parsed: Parsed = new Papa.Parser(sniffDialect(text.slice(0, HEAD))).parse(text, 0, false);
  const [names = [], ...rows] = parsed.data;
  const columns = names.map((name) => name.trim().toLowerCase());
  if (!columns.includes('id') || !FIELDS.some((field) => columns.includes(field))) {
    throw new InputError(
      `the file of verdicts begins with the row ${show(names.join(','))}, which does not name the columns. ${FORM}`,
    );
  }
  let line = 1 + breaks(names);
  return rows.flatMap((cells): RawRecord[] => {
    const at = ++line;
    line += breaks(cells);
    if (cells.every((cell) => cell.trim() === '')) return [];
    if (cells.length > columns.length) {
      const reason = `${cells.length} cells where the first row names ${columns.length} columns; is a quote missing?`;
      return [{ line: at, reason, text: kept(cells) }];
    }
    return [{ line: at, value: Object.fromEntries(columns.map((name, i) => [name, cells[i] || null])) }];
  });
}

/** Line ends within a row's cells. */
const breaks = (cells: readonly string[]): number =>
  cells.reduce((sum, cell) => sum + (cell.match(/\r\n|\n|\r/g)?.length ?? 0), 0);
