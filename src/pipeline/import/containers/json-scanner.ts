/** Cuts a stream of JSON bytes into the values it holds, without reading them. */
import { MAX_RECORD } from '../limits.ts';
import { OpenBytes } from './open-bytes.ts';

export interface JsonPiece {
  /** Where the value begins, from 1. */
  readonly line: number;
  /** null: longer than is read. */
  readonly bytes: Uint8Array | null;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);
const CLOSE_LIST = 0x5d;
const isSpace = (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

/** What the scanner is within: between values, in an object or list, in a text, or in a number or word. */
type Within = 'nothing' | 'nested' | 'text' | 'word';

/**
 * Values of a list (after its opening bracket) or values one after the other. Brackets are only counted: whether
 * a value is JSON is for the reader of its bytes to say.
 */
export class JsonScanner {
  /** Line of the byte that comes next. */
  line: number;
  /** The list's closing bracket has come. */
  ended = false;
  /** Something but space came after it. */
  followed = false;
  private within: Within = 'nothing';
  private depth = 0;
  private inString = false;
  private escaped = false;
  private began = 0;
  private readonly open = new OpenBytes(MAX_RECORD);

  /** @param isList whether a closing bracket ends the values */
  constructor(
    private readonly isList: boolean,
    line: number,
  ) {
    this.line = line;
  }

  /** The line on which the value begins that has not ended yet, or null. */
  get unfinished(): number | null {
    return this.within === 'nothing' ? null : this.began;
  }

  /** Values that end in this piece. */
  scan(piece: Uint8Array): JsonPiece[] {
    const found: JsonPiece[] = [];
    let start = 0;
    const end = (at: number) => {
      found.push({ line: this.began, bytes: this.open.close(piece.subarray(start, at)) });
      this.within = 'nothing';
    };
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i] ?? 0;
      if (byte === NEWLINE) this.line++;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) {
          this.inString = false;
          if (this.within === 'text') end(i + 1);
        }
      } else if (this.within === 'nested') {
        if (byte === QUOTE) this.inString = true;
        else if (OPENING.has(byte)) this.depth++;
        else if (CLOSING.has(byte) && --this.depth === 0) end(i + 1);
      } else if (this.ended) {
        if (!isSpace(byte)) this.followed = true;
      } else {
        const stops = isSpace(byte) || byte === COMMA || (this.isList && byte === CLOSE_LIST);
        if (this.within === 'word' && stops) end(i);
        if (this.isList && byte === CLOSE_LIST) this.ended = true;
        else if (!stops && this.within === 'nothing') {
          this.begin(byte);
          start = i;
        }
      }
    }
    if (this.within !== 'nothing') this.open.push(piece.subarray(start));
    return found;
  }

  /** The last value, where the bytes end without a closing bracket. */
  finish(): JsonPiece | null {
    if (this.within !== 'word') return null;
    this.within = 'nothing';
    return { line: this.began, bytes: this.open.close(new Uint8Array(0)) };
  }

  private begin(byte: number): void {
    this.began = this.line;
    this.inString = byte === QUOTE;
    if (this.inString) this.within = 'text';
    else if (OPENING.has(byte)) {
      this.within = 'nested';
      this.depth = 1;
    } else this.within = 'word';
  }
}
