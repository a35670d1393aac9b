/** CRC-32 as zip and gzip use it (polynomial 0xEDB88320, reflected), eight bytes a turn by tables. */

const TABLES = tables();

export class Crc32 {
  private state = 0xffffffff;

  update(bytes: Uint8Array): this {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
    const { length } = bytes;
    let crc = this.state;
    let i = 0;
    const at = (table: Uint32Array, index: number) => table[index & 255] ?? 0;
    for (; i + 8 <= length; i += 8) {
      const low = crc ^ word(bytes, i);
      const high = word(bytes, i + 4);
      crc =
        at(t7, low) ^
        at(t6, low >>> 8) ^
        at(t5, low >>> 16) ^
        at(t4, low >>> 24) ^
        at(t3, high) ^
        at(t2, high >>> 8) ^
        at(t1, high >>> 16) ^
        at(t0, high >>> 24);
    }
    for (; i < length; i++) crc = at(t0, crc ^ (bytes[i] ?? 0)) ^ (crc >>> 8);
    this.state = crc;
    return this;
  }

  /** Of everything so far, as an unsigned number. */
  get value(): number {
    return (this.state ^ 0xffffffff) >>> 0;
  }
}

/** Four bytes as a little-endian number. */
const word = (bytes: Uint8Array, i: number): number =>
  (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24);

type Eight<T> = readonly [T, T, T, T, T, T, T, T];

function tables(): Eight<Uint32Array> {
  const first = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    first[n] = c;
  }
  const next = (table: Uint32Array) => table.map((c) => (first[c & 255] ?? 0) ^ (c >>> 8));
  const t1 = next(first);
  const t2 = next(t1);
  const t3 = next(t2);
  const t4 = next(t3);
  const t5 = next(t4);
  const t6 = next(t5);
  return [first, t1, t2, t3, t4, t5, t6, next(t6)];
}
