/** Records as they come out of a container, before anyone asks what they mean. */

/** One record of a file, or why it can't be read. */
export type RawRecord =
  | { readonly line: number; readonly value: unknown }
  | { readonly line: number; readonly reason: string };

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

/** A value for a message, cut to a few words. */
export function show(value: unknown): string {
  return shorten(typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN + 1)) : preview(value));
}

/** Copied letter by letter: a mere slice would keep the whole text it is cut from in memory. */
export function shorten(text: string): string {
  return Array.from(text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text).join('');
}

/** JSON of the value's first parts; a record can be megabytes long. */
function preview(value: unknown): string {
  if (Array.isArray(value) && value.length > 3) return `a list of ${value.length}`;
  return JSON.stringify(value) ?? String(value);
}
