import type { DataRow } from '../../types.ts';
import type { JsonRecord } from '../record.ts';
import type { FormatName } from '../types.ts';

/** A way that data sets are written: how it is told from the others, and how its rows are read. */
export interface Format {
  readonly name: FormatName;
  /** For people: the name it is known by, and its columns. */
  readonly title: string;
  /** Top-level columns that `matches` or `read` look at. */
  readonly columns: readonly string[];
  /** What a user should know before using it. */
  readonly note?: string;
  matches(record: JsonRecord): boolean;
  /** @throws Refused */
  read(record: JsonRecord): DataRow | readonly DataRow[];
}

/** Names of the prompt; the first is the project's own. */
export const PROMPTS = ['prompt', 'question', 'query'];
/** Names of the answer to train on. */
export const TARGETS = ['target', 'completion', 'response', 'answer', 'output'];
/** What an instruction is about. */
export const INPUTS = ['input', 'context'];
/** Columns that any format may bring. */
export const COMMON = ['system', 'system_prompt', 'history', 'grader', 'rejected'];
