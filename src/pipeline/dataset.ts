/** Prompt data sets: reading rows, refusing bad ones with a reason, splitting, and turning them into tokens. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Tokenizer } from '../engine/types.ts';
import { sampleWithoutReplacement, shuffle, stream } from '../model/random.ts';
import type { RunConfig } from './config.ts';
import { parseGrader } from './grade.ts';
import type { DataRow, Dataset, PreparedData, RefusedRow, TokenizedRow } from './types.ts';

/** A data set that can't be used: what was wrong, on which line, and what to do. */
export class DatasetError extends Error {
  override name = 'DatasetError';
}

/** Columns under which a prompt and its target are found, first match wins. */
const COLUMNS = [
  ['prompt', 'target'],
  ['prompt', 'completion'],
  ['prompt', 'response'],
  ['question', 'answer'],
] as const;

/**
 * Reads JSONL: one object a line with prompt and target (or prompt/completion, prompt/response,
 * question/answer) and, where answers can be graded, `grader`.
 *
 * Lines that can't be used are refused one by one; see `requireRows` for what is too many.
 */
export function readDataset(name: string, text: string): Dataset {
  const rows: DataRow[] = [];
  const refused: RefusedRow[] = [];
  // A byte order mark is no part of the first row.
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    try {
      rows.push(readRow(line));
    } catch (error) {
      refused.push({ line: i + 1, reason: error instanceof Error ? error.message : String(error) });
    }
  });
  const fingerprint = fingerprintOf(rows);
  return { id: fingerprint.slice(0, 16), name, rows, refused, fingerprint };
}

/** SHA-256 over the rows, hex. */
export function fingerprintOf(rows: readonly DataRow[]): string {
  return bytesToHex(sha256(utf8ToBytes(rows.map((row) => JSON.stringify(row)).join('\n'))));
}

function readRow(line: string): DataRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new DatasetError(`not valid JSON (${error instanceof Error ? error.message : error})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DatasetError('not a JSON object');
  }
  const record: Record<string, unknown> = { ...value };
  const columns = COLUMNS.find(([prompt, target]) => prompt in record && target in record);
  if (!columns) {
    const wanted = COLUMNS.map((pair) => pair.join('/')).join(', ');
    throw new DatasetError(`no prompt with a target: expected one of ${wanted}, found ${Object.keys(record).join(', ') || 'nothing'}`);
  }
  const [promptKey, targetKey] = columns;
  const read = (key: string): string => {
    const text = record[key];
    if (typeof text !== 'string') throw new DatasetError(`"${key}" is not a text`);
    if (text.trim() === '') throw new DatasetError(`"${key}" is empty`);
    return text;
  };
  const row = { prompt: read(promptKey), target: read(targetKey) };
  return record.grader === undefined || record.grader === null ? row : { ...row, grader: parseGrader(record.grader) };
}

/**
 * @throws DatasetError where nothing is usable, or where a row was refused and the settings say to stop
 */
export function requireRows(dataset: Dataset, onBadRow: RunConfig['data']['onBadRow']): void {
  const [bad] = dataset.refused;
  if (bad && onBadRow === 'stop') throw new DatasetError(`${dataset.name}, line ${bad.line}: ${bad.reason}`);
  if (dataset.rows.length === 0) {
    const example = bad ? ` (line ${bad.line}: ${bad.reason})` : '';
    throw new DatasetError(`${dataset.name}: no usable row${example}. Each line needs a prompt and a target.`);
  }
}

/**
 * Splits off held-out prompts (the same prompt never on both sides) and tokenises. Rows beyond the context are
 * refused.
 *
 * @param reserve tokens that a sampled answer may need after the prompt
 * @throws DatasetError where nothing is left to train on
 */
export function prepareData(dataset: Dataset, config: RunConfig, tokenizer: Tokenizer, contextLength: number): PreparedData {
  requireRows(dataset, config.data.onBadRow);
  const { train, heldOut } = split(dataset, config);
  const refused: RefusedRow[] = [...dataset.refused];
  const tokenize = (row: DataRow, line: number): TokenizedRow[] => {
    const promptIds = tokenizer.renderPrompt([{ role: 'user', content: row.prompt }]).ids;
    const targetIds = tokenizer.encodeTarget(row.target);
    const refuse = (reason: string): TokenizedRow[] => {
      if (config.data.onBadRow === 'stop') throw new DatasetError(`${dataset.name}, row ${line}: ${reason}`);
      refused.push({ line, reason });
      return [];
    };
    if (promptIds.length === 0) return refuse('the prompt has no tokens');
    const length = promptIds.length + targetIds.length;
    if (length > contextLength) {
      return refuse(`prompt and target are ${promptIds.length} + ${targetIds.length} tokens; the model's context is ${contextLength}`);
    }
    return [{ ...row, promptIds, targetIds }];
  };
  const lines = new Map(dataset.rows.map((row, i) => [row, i + 1]));
  const prepared = {
    train: train.flatMap((row) => tokenize(row, lines.get(row) ?? 0)),
    heldOut: heldOut.flatMap((row) => tokenize(row, lines.get(row) ?? 0)),
  };
  if (prepared.train.length === 0) {
    const [bad] = refused;
    throw new DatasetError(`${dataset.name}: no training prompt is left${bad ? ` (row ${bad.line}: ${bad.reason})` : ''}.`);
  }
  return { ...prepared, refused };
}

function split(dataset: Dataset, config: RunConfig): { train: DataRow[]; heldOut: DataRow[] } {
  const { heldOut, limit } = config.data;
  const limited = <T extends NonNullable<unknown>>(rows: readonly T[]): T[] =>
    limit > 0 && rows.length > limit ? sampleWithoutReplacement(rows, limit, stream(config.seed, 'limit')) : [...rows];
  if (heldOut === 0) return { train: limited(dataset.rows), heldOut: [] };
  if (dataset.heldOut && dataset.heldOut.length > 0) {
    const most = heldOut < 1 ? dataset.heldOut.length : Math.min(heldOut, dataset.heldOut.length);
    return { train: limited(dataset.rows), heldOut: dataset.heldOut.slice(0, most) };
  }
  const prompts = [...new Set(dataset.rows.map((row) => row.prompt))];
  const wanted = heldOut < 1 ? Math.round(heldOut * prompts.length) : Math.min(heldOut, prompts.length - 1);
  const chosen = new Set(shuffle(prompts, stream(config.seed, 'held-out')).slice(0, wanted));
  return {
    train: limited(dataset.rows.filter((row) => !chosen.has(row.prompt))),
    heldOut: dataset.rows.filter((row) => chosen.has(row.prompt)),
  };
}
