/** Records as they come out of a container, before anyone asks what they mean. */
import { excerpt } from '../../model/text.ts';

/** One record of a file, or why it can't be read. */
export type RawRecord =
  | { readonly line: number; readonly value: unknown }
  | { readonly line: number; readonly reason: string; readonly text?: string };

export interface RecordChunk {
  readonly records: readonly RawRecord[];
  /** Bytes of the file behind these records and all before them. */
  readonly bytes: number;
}

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A record's own value of that name; null counts as absent. */
export function own(record: JsonRecord, key: string): unknown {
  return Object.hasOwn(record, key) ? (record[key] ?? undefined) : undefined;
}

const SHOWN = 60;
/** Letters of a refused row that are kept with it. */
const KEPT = 500;

/** A value for a message, cut to a few words. */
export function show(value: unknown): string {
  return shorten(typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN + 1)) : json(value));
}

/** A text for a message, cut to a few words. */
export function shorten(text: string): string {
  return copied(excerpt(text, SHOWN));
}

/** A refused record as it stood in the file, cut. */
export function kept(value: unknown): string {
  const text = typeof value === 'string' ? value : json(value);
  return copied(text.length > KEPT ? `${text.slice(0, KEPT)}...` : text);
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // What was read from JSON can fail in one way only.
    return 'a value that is nested too deeply';
  }
}

/** Letter by letter: what is cut from a text keeps all of it in memory. */
function copied(text: string): string {
  return Array.from(text).join('');
}
