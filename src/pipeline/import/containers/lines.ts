/** JSON Lines: a record a line. */

import { type RawRecord, type RecordChunk, shorten } from '../record.ts';
import { decodeUtf8 } from '../text.ts';

/** Longest line that is read; longer ones are skipped and refused without being kept. */
export const MAX_RECORD_BYTES = 64 * 2 ** 20;

const NEWLINE = 10;

/** Records of JSON Lines; blank lines are skipped, a byte order mark must already be off. */
export async function* readJsonLines(
  pieces: AsyncIterable<Uint8Array>,
  consumed: () => number,
): AsyncGenerator<RecordChunk> {
  let line = 0;
  for await (const { lines, tooLong } of splitLines(pieces)) {
    const records: RawRecord[] = [];
    for (const bytes of lines) {
      if (bytes === null) {
        records.push({ line: ++line, reason: tooLong });
        continue;
      }
      const text = decodeUtf8(bytes);
      if (text === null) {
        records.push({ line: ++line, reason: 'not UTF-8 text; save the file as UTF-8' });
        continue;
      }
      // JSON has no bare carriage return within a record: where one is left, it ends a line as on old Macs.
      for (const part of text.replace(/\r$/, '').split('\r')) {
        line++;
        if (part.trim() !== '') records.push(parseRecord(part, line));
      }
    }
    yield { records, bytes: consumed() };
  }
}

/** One record from its JSON. */
export function parseRecord(text: string, line: number): RawRecord {
  try {
    const value: unknown = JSON.parse(text);
    return { line, value };
  } catch {
    return { line, reason: `not JSON: ${shorten(text.trim())}${hint(text)}` };
  }
}

/** What is often the matter with JSON that other programs wrote. */
function hint(text: string): string {
  if (/[:,[]\s*-?(NaN|Infinity)\b/.test(text)) return ' (NaN and Infinity are not JSON; use null)';
  if (/^\s*\{\s*'/.test(text)) return " (JSON needs double quotes, not '...')";
  if (/,\s*[}\]]\s*$/.test(text)) return ' (there is a comma before the end)';
  return '';
}

/** Lines without their newline, in the pieces they end in; null is a line over the limit. */
async function* splitLines(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ lines: (Uint8Array | null)[]; tooLong: string }> {
  const tooLong = `the line is longer than ${MAX_RECORD_BYTES / 2 ** 20} MB`;
  const open = new OpenLine();
  for await (const piece of pieces) {
    const lines: (Uint8Array | null)[] = [];
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      lines.push(open.close(piece.subarray(start, end)));
      start = end + 1;
    }
    open.push(piece.subarray(start));
    yield { lines, tooLong };
  }
  if (open.length > 0) yield { lines: [open.close(new Uint8Array(0))], tooLong };
}

/** The line that has begun but not ended: its parts, or only its length once it is over the limit. */
class OpenLine {
  length = 0;
  private parts: Uint8Array[] = [];

  push(part: Uint8Array): void {
    this.length += part.length;
    if (this.length > MAX_RECORD_BYTES) this.parts = [];
    else if (part.length > 0) this.parts.push(part.slice());
  }

  close(last: Uint8Array): Uint8Array | null {
    const length = this.length + last.length;
    const [parts, fits] = [this.parts, length <= MAX_RECORD_BYTES];
    this.length = 0;
    this.parts = [];
    if (!fits) return null;
    return parts.length === 0 ? last : concat([...parts, last], length);
  }
}

export function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
