/** Reading a data set: JSON Lines with a prompt, a target answer and perhaps a grader in each row. */
import { sha256 } from './fingerprint.ts';
import { type Grader, parseGrader } from './grade.ts';
import type { DataRow, Dataset, RefusedRow } from './types.ts';

/** A data set that can't be used at all; the message names the line where one is to blame. */
export class DataError extends Error {
  override name = 'DataError';
  constructor(
    message: string,
    readonly refused: readonly RefusedRow[] = [],
  ) {
    super(message);
  }
}

/** Names of the two texts, the first being the project's own; each row may use any pair. */
const PROMPT_KEYS = ['prompt', 'question'];
const TARGET_KEYS = ['target', 'completion', 'response', 'answer'];

/** Refusals told in the message of an error; all are in its `refused`. */
const TOLD = 3;

export interface ReadOptions {
  /** 'stop' throws at the first row that can't be used; the default leaves it out and lists it. */
  readonly onBadRow?: 'skip' | 'stop';
  /** JSON Lines of rows that are never trained on, where the data set brings them. */
  readonly heldOut?: string | Uint8Array;
}

/**
 * @param name shown to the user, e.g. the file's name
 * @param data JSON Lines in UTF-8; a byte order mark, CRLF and blank lines are fine
 * @throws DataError where the text is not UTF-8 or no row can be used, and with onBadRow 'stop' at a bad row
 */
export async function readDataset(
  name: string,
  data: string | Uint8Array,
  options: ReadOptions = {},
): Promise<Dataset> {
  const main = readRows(data, options.onBadRow);
  const held = options.heldOut === undefined ? undefined : readRows(options.heldOut, options.onBadRow);
  const refused = [
    ...main.refused,
    ...(held?.refused ?? []).map((row) => ({ ...row, reason: `held-out data: ${row.reason}` })),
  ];
  return await makeDataset(name, main.rows, refused, held?.rows);
}

/** A data set of rows that were read from elsewhere (CSV, Parquet). Throws DataError where there are none. */
export async function makeDataset(
  name: string,
  rows: readonly DataRow[],
  refused: readonly RefusedRow[] = [],
  heldOut?: readonly DataRow[],
): Promise<Dataset> {
  if (rows.length === 0) throw new DataError(noRows(refused), refused);
  const fingerprint = await sha256(JSON.stringify([rows.map(canonical), heldOut?.map(canonical) ?? null]));
  // The rows are the identity: the same file opened twice is one data set.
  return { id: fingerprint.slice(0, 32), name, rows, refused, fingerprint, ...(heldOut && { heldOut }) };
}

/** Rows of JSON Lines; see readDataset. */
export function readRows(
  data: string | Uint8Array,
  onBadRow: 'skip' | 'stop' = 'skip',
): { rows: DataRow[]; refused: RefusedRow[] } {
  const rows: DataRow[] = [];
  const refused: RefusedRow[] = [];
  const lines = decode(data).split(/\r\n|\n|\r/);
  lines.forEach((text, i) => {
    if (text.trim() === '') return;
    const result = readLine(text);
    if (typeof result !== 'string') {
      rows.push(result);
      return;
    }
    const row = { line: i + 1, reason: result };
    if (onBadRow === 'stop') throw new DataError(`line ${row.line}: ${row.reason}`, [row]);
    refused.push(row);
  });
  return { rows, refused };
}

/** The row, or why there is none. */
function readLine(text: string): DataRow | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `not JSON: ${shorten(text)}`;
  }
  return readRow(value);
}

/** A row from any value, e.g. a record of a CSV file; a text is the reason why it is refused. */
export function readRow(value: unknown): DataRow | string {
  if (!isRecord(value))
    return `expected an object with prompt and target, found ${shorten(JSON.stringify(value))}`;
  const prompt = readText(value, PROMPT_KEYS);
  if ('reason' in prompt) return prompt.reason;
  const target = readText(value, TARGET_KEYS);
  if ('reason' in target) return target.reason;
  if (value.grader === undefined || value.grader === null)
    return { prompt: prompt.text, target: target.text };
  let grader: Grader;
  try {
    grader = parseGrader(value.grader);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return { prompt: prompt.text, target: target.text, grader };
}

function readText(
  row: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): { text: string } | { reason: string } {
  const key = keys.find((name) => row[name] !== undefined && row[name] !== null);
  if (key === undefined) return { reason: `no ${keys[0]} (also accepted: ${keys.slice(1).join(', ')})` };
  const text = row[key];
  if (typeof text !== 'string')
    return { reason: `${key}: expected text, found ${shorten(JSON.stringify(text))}` };
  if (text.trim() === '') return { reason: `${key}: the text is empty` };
  return { text };
}

function decode(data: string | Uint8Array): string {
  let text = data;
  if (typeof text !== 'string') {
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(text);
    } catch (error) {
      throw new DataError('the file is not UTF-8 text', [{ line: 1, reason: String(error) }]);
    }
  }
  return text.replace(/^\uFEFF/, '');
}

declare const TextDecoder: new (
  encoding: string,
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string };

function noRows(refused: readonly RefusedRow[]): string {
  if (refused.length === 0) return 'there are no rows';
  const told = refused.slice(0, TOLD).map(({ line, reason }) => `line ${line}: ${reason}`);
  const more = refused.length > TOLD ? `; and ${refused.length - TOLD} more` : '';
  return `no usable row; ${told.join('; ')}${more}`;
}

/** What a fingerprint is taken of: keys in one order. */
function canonical({ prompt, target, grader }: DataRow): unknown[] {
  return [prompt, target, grader ?? null];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
