/** Something that begins in one piece of a stream and ends in another: its parts, joined when it ends. */
export class OpenBytes {
  /** Bytes pushed so far, also those that are not kept. */
  length = 0;
  private parts: Uint8Array[] = [];

  /** @param most beyond so many bytes nothing is kept */
  constructor(private readonly most: number) {}

  push(part: Uint8Array): void {
    this.length += part.length;
    if (this.length > this.most) this.parts = [];
    // A copy: a mere view would keep the whole piece.
    else if (part.length > 0) this.parts.push(part.slice());
  }

  /** The whole, ended by `last`; null where it is longer than what is kept. */
  close(last: Uint8Array): Uint8Array | null {
    const { length, parts } = this;
    this.length = 0;
    this.parts = [];
    if (length + last.length > this.most) return null;
    return parts.length === 0 ? last : concat([...parts, last]);
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
