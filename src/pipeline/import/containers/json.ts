/** JSON files: a list of records, perhaps within an object, or records one after the other. */
import { inMegabytes, MAX_RECORD } from '../limits.ts';
import type { RawRecord } from '../record.ts';
import { decodeUtf8, NOT_UTF8, parseRecord } from '../text.ts';
import { type JsonPiece, JsonScanner } from './json-scanner.ts';

/** Where a JSON file's records lie. */
export interface JsonPlace {
  /** Bytes to skip: up to and including the opening bracket of a list. */
  readonly skip: number;
  /** Records of a list, or records one after the other. */
  readonly isList: boolean;
  /** The list is a member of an object, so that other members may follow it. */
  readonly wrapped: boolean;
}

export async function* readJson(
  pieces: AsyncIterable<Uint8Array>,
  place: JsonPlace,
): AsyncGenerator<RawRecord[]> {
  let skip = place.skip;
  let line = 1;
  let scanner: JsonScanner | null = null;
  for await (const piece of pieces) {
    const skipped = piece.subarray(0, skip);
    skip -= skipped.length;
    for (const byte of skipped) if (byte === 10) line++;
    if (skip > 0) continue;
    scanner ??= new JsonScanner(place.isList, line);
    yield scanner.scan(piece.subarray(skipped.length)).map(recordOf);
    if (scanner.ended && place.wrapped) return;
  }
  const last = scanner?.finish() ?? null;
  if (last !== null) yield [recordOf(last)];
  yield faults(scanner, place);
}

/** What is wrong with the file as a whole, told as refused rows so that the good ones stay. */
function faults(scanner: JsonScanner | null, { isList }: JsonPlace): RawRecord[] {
  if (scanner === null) return [];
  const { unfinished, line } = scanner;
  if (unfinished !== null) {
    return [{ line: unfinished, reason: 'the file ends within this record; it may be cut off' }];
  }
  if (isList && !scanner.ended)
    return [{ line, reason: 'the file ends before its list does; it may be cut off' }];
  if (scanner.followed) return [{ line, reason: 'something follows the end of the list; it was not read' }];
  return [];
}

function recordOf({ line, bytes }: JsonPiece): RawRecord {
  if (bytes === null) return { line, reason: `the record is longer than ${inMegabytes(MAX_RECORD)}` };
  const text = decodeUtf8(bytes);
  return text === null ? { line, reason: NOT_UTF8 } : parseRecord(text, line);
}
