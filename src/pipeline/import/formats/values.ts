/** Reading texts out of records; whatever does not fit is refused in words. */
import { type Grader, parseGrader } from '../../grade.ts';
import { isRecord, type JsonRecord, own, show } from '../record.ts';

/** Thrown for a record that can't be a row; the message says why, and what to do. */
export class Refused extends Error {
  override name = 'Refused';
}

/** The first of the names that the record has a value for. */
export function firstKey(record: JsonRecord, keys: readonly string[]): string | undefined {
  return keys.find((key) => own(record, key) !== undefined);
}

/** @param name how a message calls the value */
export function asText(value: unknown, name: string): string {
  const text = Array.isArray(value) && value.length > 0 ? joinParts(value, name) : value;
  if (text === undefined || text === null) throw new Refused(`${name}: there is no text`);
  if (typeof text !== 'string') throw new Refused(`${name}: expected text, found ${show(text)}`);
  if (text.trim() === '') throw new Refused(`${name}: the text is empty`);
  return text;
}

/** Typed content parts as one text; anything but text is told by its type. */
function joinParts(parts: readonly unknown[], name: string): string {
  return parts.map((part) => partText(part, name)).join('');
}

function partText(part: unknown, name: string): string {
  const type = isRecord(part) ? own(part, 'type') : undefined;
  if (!isRecord(part) || type === undefined) {
    throw new Refused(`${name}: expected text, found a list with ${show(part)}`);
  }
  if (typeof type !== 'string' || !TEXT_PARTS.has(type)) {
    throw new Refused(
      `${name} holds a part of type ${show(type)}, which a text model can't read; leave that part or the row out`,
    );
  }
  const text = own(part, 'text') ?? own(part, 'value') ?? own(part, 'content');
  if (typeof text !== 'string') throw new Refused(`${name}: expected text, found ${show(part)}`);
  return text;
}

const TEXT_PARTS = new Set(['text', 'input_text', 'output_text']);

/** A list, also one that a table keeps as JSON text in a cell; null where the value is no list. */
export function asList(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  const parsed = typeof value === 'string' && /^\s*\[/.test(value) ? parseJson(value) : null;
  return Array.isArray(parsed) ? parsed : null;
}

/** An object, also as JSON text; null where the value is none. */
export function asRecord(value: unknown): JsonRecord | null {
  if (isRecord(value)) return value;
  const parsed = typeof value === 'string' && /^\s*\{/.test(value) ? parseJson(value) : null;
  return isRecord(parsed) ? parsed : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The record's own grader, if it brings one. */
export function ownGrader(record: JsonRecord): { grader?: Grader } {
  const value = own(record, 'grader');
  if (value === undefined) return {};
  try {
    return { grader: parseGrader(asRecord(value) ?? value) };
  } catch (error) {
    throw new Refused(error instanceof Error ? error.message : String(error));
  }
}

/** A grader for an answer that is one number, as ground truths are; none for anything else. */
export function numberGrader(answer: unknown): { grader?: Grader } {
  const text = typeof answer === 'number' ? String(answer) : typeof answer === 'string' ? answer.trim() : '';
  if (!/^[-+]?\d[\d,]*(\.\d+)?$/.test(text)) return {};
  return { grader: { kind: 'number', value: Number(text.replaceAll(',', '')) } };
}

/** Worse answers without blank ones, repeats and the target itself. */
export function rejectedTexts(texts: readonly string[], target: string): { rejected?: string[] } {
  const rejected = [...new Set(texts)].filter((text) => text.trim() !== '' && text !== target);
  return rejected.length > 0 ? { rejected } : {};
}
