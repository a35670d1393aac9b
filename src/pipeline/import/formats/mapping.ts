/** Rows of a file that no format knows: the user says which column is what. */
import type { ChatMessage } from '../../../engine/types.ts';
import type { DataRow } from '../../types.ts';
import { isRecord, type JsonRecord, own } from '../record.ts';
import type { Mapping } from '../types.ts';
import { readAnswer, readAnswers } from './answers.ts';
import { askedBy, isTurn, readTurns, rowOfTurns } from './conversation.ts';
import type { Format } from './format.ts';
import { asList, asText, ownGrader, rejectedTexts } from './values.ts';

/** How deep and how many columns are offered. */
const DEPTH = 4;
const OFFERED = 200;

export function mappedFormat(mapping: Mapping): Format {
  const paths = [mapping.prompt, mapping.target, mapping.rejected, mapping.system];
  return {
    name: 'mapping',
    title: 'columns chosen by hand',
    // A path may be a column with dots in its name, or lead into the column before its first dot.
    columns: [
      ...paths.flatMap((path) => (path === undefined ? [] : [path, path.split('.')[0] ?? path])),
      'grader',
    ],
    matches: (record) => at(record, mapping.prompt) !== undefined,
    read: (record) => mappedRow(record, mapping),
  };
}

function mappedRow(record: JsonRecord, mapping: Mapping): DataRow {
  const value = (path: string | undefined) => (path === undefined ? undefined : printed(at(record, path)));
  const system = value(mapping.system);
  const before: ChatMessage[] =
    system === undefined ? [] : [{ role: 'system', content: asText(system, mapping.system ?? '') }];
  const asked = value(mapping.prompt);
  const list = asList(asked);
  const turns: ChatMessage[] =
    list !== null && list.length > 0 && list.every(isTurn)
      ? [...before, ...readTurns(list)]
      : [...before, { role: 'user', content: asText(asked, mapping.prompt) }];
  const answer = value(mapping.target);
  // A conversation in the prompt's column brings its own answer, unless another column is the target.
  const row =
    mapping.target === undefined
      ? rowOfTurns(turns)
      : {
          ...askedBy(turns),
          ...(answer !== undefined && { target: readAnswer(answer, mapping.target).text }),
        };
  const rejected = readAnswers(value(mapping.rejected), mapping.rejected ?? '').map(({ text }) => text);
  return { ...row, ...rejectedTexts(rejected, row.target ?? ''), ...ownGrader(record) };
}

/** Numbers and truth values are texts where the user says that the column is one. */
function printed(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

/** The value at a dotted path; a column of that very name comes first. */
export function at(record: JsonRecord, path: string): unknown {
  if (Object.hasOwn(record, path)) return own(record, path);
  let value: unknown = record;
  for (const part of path.split('.')) {
    if (Array.isArray(value)) value = /^\d+$/.test(part) ? value[Number(part)] : undefined;
    else value = isRecord(value) ? own(value, part) : undefined;
    if (value === undefined || value === null) return undefined;
  }
  return value;
}

/** Columns that a mapping can name, in the order they are met; of a list its first item. */
export function columnsOf(records: readonly unknown[]): string[] {
  const columns = new Set<string>();
  for (const record of records) if (isRecord(record)) collect(record, '', 1, columns);
  return [...columns].slice(0, OFFERED);
}

const PROMPT = /^(prompt|question|query|instruction|input|user|ask|text)/i;
const TARGET = /^(target|answer|response|completion|output|reply|chosen|assistant|label)/i;

/**
 * A first guess at which column is what, for a person to mend: by names that are often used, else the first two
 * columns that hold sentences.
 */
export function guessMapping(columns: readonly string[], records: readonly unknown[]): Mapping {
  const last = (column: string) => column.split('.').at(-1) ?? column;
  const sentences = columns.filter((column) => holdsSentences(column, records));
  const prompt = columns.find((column) => PROMPT.test(last(column))) ?? sentences[0] ?? columns[0] ?? '';
  const others = (list: readonly string[]) => list.filter((column) => column !== prompt);
  const target = others(columns).find((column) => TARGET.test(last(column))) ?? others(sentences)[0];
  return { prompt, ...(target !== undefined && { target }) };
}

function holdsSentences(column: string, records: readonly unknown[]): boolean {
  const texts = records.filter((record) => {
    const value = isRecord(record) ? at(record, column) : undefined;
    return typeof value === 'string' && value.trim().includes(' ');
  });
  return texts.length > records.length / 2;
}

function collect(record: JsonRecord, prefix: string, depth: number, columns: Set<string>): void {
  for (const [key, value] of Object.entries(record)) {
    if (columns.size >= OFFERED) return;
    const path = prefix + key;
    const inner: unknown = Array.isArray(value) ? value[0] : value;
    columns.add(path);
    const step = Array.isArray(value) ? `${path}.0` : path;
    if (Array.isArray(value) && inner !== undefined && !isRecord(inner)) columns.add(step);
    if (isRecord(inner) && depth < DEPTH) collect(inner, `${step}.`, depth + 1, columns);
  }
}
