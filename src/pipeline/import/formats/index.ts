/** The formats that are recognised by themselves. */
import type { DataRow } from '../../types.ts';
import { isRecord, show } from '../record.ts';
import type { FormatName } from '../types.ts';
import { messages, sharegpt, ultrachat, verl } from './chat.ts';
import type { Format } from './format.ts';
import { alpaca, gsm8k, mtBench, promptTarget, selfInstruct } from './plain.ts';
import { hhRlhf, modelAnswers, nectar, preference, preferenceMessages } from './preference.ts';
import { Refused } from './values.ts';

export type { Format } from './format.ts';
export { columnsOf, mappedFormat } from './mapping.ts';

/** The most telling first. */
export const FORMATS: readonly Format[] = [
  preferenceMessages,
  hhRlhf,
  preference,
  nectar,
  modelAnswers,
  verl,
  messages,
  sharegpt,
  ultrachat,
  selfInstruct,
  mtBench,
  alpaca,
  gsm8k,
  promptTarget,
];

/** A format's name and columns for people. */
export function formatTitle(name: FormatName): string {
  return FORMATS.find((format) => format.name === name)?.title ?? 'columns chosen by hand';
}

/** The first format that fits; null for a value that is no record, or that none knows. */
export function recognise(value: unknown): Format | null {
  return isRecord(value) ? (FORMATS.find((format) => format.matches(value)) ?? null) : null;
}

/**
 * The rows of one record, or why there are none.
 *
 * @param usual the file's format: the user's mapping, which always counts, or what a record that no format fits
 *   was probably meant to be
 */
export function readRecord(value: unknown, usual: Format | null): readonly DataRow[] | string {
  if (!isRecord(value)) return `expected an object with prompt and target, found ${show(value)}`;
  const format = usual?.name === 'mapping' ? usual : (recognise(value) ?? usual ?? promptTarget);
  try {
    const read = format.read(value);
    return 'prompt' in read ? [read] : read;
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}
