/** The formats that are recognised by themselves, the most telling first. */
import { parseGrader } from '../../grade.ts';
import type { DataRow } from '../../types.ts';
import { isRecord, type JsonRecord, own, show } from '../record.ts';
import type { FormatName } from '../types.ts';

export interface Format {
  readonly name: FormatName;
  matches(record: JsonRecord): boolean;
  /** A row, or why there is none. */
  read(record: JsonRecord): DataRow | DataRow[] | string;
}

const PROMPT_KEYS = ['prompt', 'question'];
const TARGET_KEYS = ['target', 'completion', 'response', 'answer'];

const pair: Format = {
  name: 'prompt-target',
  matches: (record) => PROMPT_KEYS.some((key) => typeof own(record, key) === 'string'),
  read(record) {
    const prompt = PROMPT_KEYS.map((key) => own(record, key)).find((value) => value !== undefined);
    const target = TARGET_KEYS.map((key) => own(record, key)).find((value) => value !== undefined);
    if (typeof prompt !== 'string') return `no prompt, found ${show(record)}`;
    const grader = own(record, 'grader');
    return {
      prompt,
      ...(typeof target === 'string' && { target }),
      ...(grader !== undefined && { grader: parseGrader(grader) }),
    };
  },
};

export const FORMATS: readonly Format[] = [pair];

/** The first format that fits. */
export function recognise(value: unknown): Format | null {
  return isRecord(value) ? (FORMATS.find((format) => format.matches(value)) ?? null) : null;
}
