/** Unpacking .gz as it streams in, in memory that does not depend on what comes out. */
import { Gunzip } from 'fflate';
import { DataError } from '../errors.ts';
import { GZIP_STEP } from '../limits.ts';

/** Bytes of CRC-32 and length that end each member of a gzip file. */
const TRAILER = 8;
/** Read bytes that are kept to look up a member's trailer once the next member has begun. */
const KEPT = 64 * 1024;

/** @throws DataError where the file is cut off or damaged */
export async function* gunzip(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const check = new MemberCheck();
  let out: Uint8Array[] = [];
  const unpacker = new Gunzip((bytes) => {
    check.add(bytes);
    if (bytes.length > 0) out.push(bytes);
  });
  unpacker.onmember = (start) => check.endMember(start);
  const push = (bytes: Uint8Array, final: boolean) => {
    check.read(bytes);
    try {
      unpacker.push(bytes, final);
    } catch (error) {
      throw damaged(error instanceof Error ? error.message : String(error));
    }
    const unpacked = out;
    out = [];
    return unpacked;
  };
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += GZIP_STEP) {
      yield* push(piece.slice(at, at + GZIP_STEP), false);
    }
  }
  yield* push(new Uint8Array(0), true);
  check.endMember(check.position);
}

function damaged(why: string): DataError {
  return new DataError(`the .gz file is cut off or damaged (${why}); download it again`);
}

/** Holds each member's bytes to the checksum and length that end it: fflate leaves both unread. */
class MemberCheck {
  /** Bytes read so far. */
  position = 0;
  private recent = new Uint8Array(0);
  private crc = 0xffffffff;
  private length = 0;

  read(bytes: Uint8Array): void {
    const kept = this.recent.subarray(Math.max(0, this.recent.length - KEPT));
    const recent = new Uint8Array(kept.length + bytes.length);
    recent.set(kept);
    recent.set(bytes, kept.length);
    this.recent = recent;
    this.position += bytes.length;
  }

  add(bytes: Uint8Array): void {
    let crc = this.crc;
    for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
    this.crc = crc;
    this.length += bytes.length;
  }

  /** @param end where the member's trailer ends, in bytes read */
  endMember(end: number): void {
    const at = this.recent.length - (this.position - end) - TRAILER;
    if (at < 0) throw damaged('it ends within its first bytes');
    const trailer = new DataView(this.recent.buffer, at, TRAILER);
    if (trailer.getUint32(0, true) !== (this.crc ^ 0xffffffff) >>> 0) throw damaged('its checksum is wrong');
    if (trailer.getUint32(4, true) !== this.length % 2 ** 32) throw damaged('its length is wrong');
    this.crc = 0xffffffff;
    this.length = 0;
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
