/** Bytes to text and text to records, strictly. */
import { kept, type RawRecord, shorten } from './record.ts';

declare const TextDecoder: new (
  encoding: string,
  options: { fatal: boolean; ignoreBOM?: boolean },
) => { decode(bytes?: Uint8Array, options?: { stream: boolean }): string };

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const NOT_UTF8 = 'not UTF-8 text; save the file as UTF-8';

/** The text, or null where the bytes are not UTF-8. A byte order mark stays in it. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/** Decodes pieces that may end within a letter; throws at bytes that are not UTF-8. */
export function streamDecoder(): (piece: Uint8Array, last: boolean) => string {
  const streaming = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return (piece, last) => streaming.decode(piece, { stream: !last });
}

/** One record from its JSON. */
export function parseRecord(text: string, line: number): RawRecord {
  try {
    const value: unknown = JSON.parse(text);
    return { line, value };
  } catch {
    return { line, reason: `not JSON: ${shorten(text.trim())}${hint(text)}`, text: kept(text) };
  }
}

/** What is often the matter with JSON that other programs wrote. */
function hint(text: string): string {
  if (/[:,[]\s*-?(NaN|Infinity)\b/.test(text)) return ' (NaN and Infinity are not JSON; use null)';
  if (/^\s*\{\s*'/.test(text)) return " (JSON needs double quotes, not '...')";
  if (/,\s*[}\]]\s*$/.test(text)) return ' (there is a comma before the end)';
  return '';
}
