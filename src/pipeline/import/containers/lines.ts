/** JSON Lines: a record a line. */
import { inMegabytes, MAX_RECORD } from '../limits.ts';
import type { RawRecord } from '../record.ts';
import { decodeUtf8, NOT_UTF8, parseRecord } from '../text.ts';
import { OpenBytes } from './open-bytes.ts';

const NEWLINE = 10;

/** Records of JSON Lines, those of one piece at a time; blank lines are skipped. */
export async function* readJsonLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<RawRecord[]> {
  let line = 0;
  for await (const lines of splitLines(pieces)) {
    const records: RawRecord[] = [];
    for (const bytes of lines) {
      const text = bytes === null ? null : decodeUtf8(bytes);
      if (text === null) {
        const reason = bytes === null ? `the line is longer than ${inMegabytes(MAX_RECORD)}` : NOT_UTF8;
        records.push({ line: ++line, reason });
        continue;
      }
      // JSON has no bare carriage return within a record: where one is left, it ends a line as on old Macs.
      for (const part of text.replace(/\r$/, '').split('\r')) {
        line++;
        if (part.trim() !== '') records.push(parseRecord(part, line));
      }
    }
    yield records;
  }
}

/** Lines without their newline, those that end in a piece at a time; null is one that is too long. */
async function* splitLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<(Uint8Array | null)[]> {
  const open = new OpenBytes(MAX_RECORD);
  for await (const piece of pieces) {
    const lines: (Uint8Array | null)[] = [];
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      lines.push(open.close(piece.subarray(start, end)));
      start = end + 1;
    }
    open.push(piece.subarray(start));
    yield lines;
  }
  if (open.length > 0) yield [open.close(new Uint8Array(0))];
}
