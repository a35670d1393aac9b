/** What makes two rows, and two data sets, the same: hashes of the rows alone, wherever they come from. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { DataRow } from '../types.ts';

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
const encoder = new TextEncoder();

/** SHA-256 of a row: all that training and evaluation use, keys in one order, its line left out. */
export function rowDigest({ prompt, history, target, rejected, grader, split }: DataRow): Uint8Array {
  const turns = (history ?? []).map(({ role, content }) => [role, content]);
  const canonical = [prompt, turns, target ?? null, rejected ?? [], grader ?? null];
  // Only where there is one: other rows keep the fingerprints that they always had.
  if (split !== undefined) canonical.push(split);
  return sha256(encoder.encode(JSON.stringify(canonical)));
}

/** The fingerprint of a data set, taken row by row: the same rows in the same order give the same one. */
export class Fingerprint {
  private readonly rows = sha256.create();
  private readonly heldOut = sha256.create();
  private counts = { rows: 0, heldOut: 0 };

  /** @param digest of the row, by rowDigest */
  add(digest: Uint8Array): void {
    this.rows.update(digest);
    this.counts.rows++;
  }

  /** A row that the data set itself holds out. */
  addHeldOut(digest: Uint8Array): void {
    this.heldOut.update(digest);
    this.counts.heldOut++;
  }

  /** 64 hex digits; rows may still be added afterwards. */
  hex(): string {
    const parts = [
      this.counts,
      bytesToHex(this.rows.clone().digest()),
      bytesToHex(this.heldOut.clone().digest()),
    ];
    return bytesToHex(sha256(encoder.encode(JSON.stringify(parts))));
  }
}

/**
 * The rows of one import, over all its files: finds exact duplicates and takes the fingerprint, with one hash a
 * row. It keeps 64 bits of a row's hash and where the row was, never the row: about 50 bytes.
 */
export class RowIndex {
  private readonly seen = new Map<bigint, { readonly file: number; readonly line: number }>();
  private readonly print = new Fingerprint();
  private readonly files: string[] = [];

  /** Begins a file; the rows added next are its. */
  open(name: string): void {
    this.files.push(name);
  }

  /** null for a new row, which then counts; else what it repeats, 'the same as line 3'. */
  add(row: DataRow, line: number): string | null {
    const digest = rowDigest(row);
    const key = new DataView(digest.buffer, digest.byteOffset).getBigUint64(0);
    const first = this.seen.get(key);
    const file = this.files.length - 1;
    if (first !== undefined) {
      const where = first.file === file ? '' : ` of ${this.files[first.file] ?? 'another file'}`;
      return `the same as line ${first.line}${where}`;
    }
    this.seen.set(key, { file, line });
    this.print.add(digest);
    return null;
  }

  /** Of all rows that counted, in order. */
  fingerprint(): string {
    return this.print.hex();
  }
}
