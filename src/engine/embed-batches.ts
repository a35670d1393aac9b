/**
 * How texts are put together for the embedding model. A text's place depends on its own length alone, and every run of
 * one length has the same shape: so a vector is the same bits whatever else is embedded, and few shapes are met.
 */

/** Tokens a run, padding included. */
const TOKENS = 512;
/** Lengths that texts are padded to. */
const LENGTHS = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
/** Longer texts are padded to multiples of this. */
const STEP = 256;

export interface EmbedBatch {
  /** Tokens that every row has, padding included. */
  readonly length: number;
  /** Rows of the run; those behind the members' are empty. */
  readonly rows: number;
  /** Indices of texts. */
  readonly members: readonly number[];
}

/** @param most tokens that the model takes; a text's own length is never above it */
export function paddedLength(tokens: number, most: number): number {
  const length = LENGTHS.find((step) => step >= tokens) ?? Math.ceil(tokens / STEP) * STEP;
  return Math.max(1, tokens, Math.min(length, most));
}

/** @param lengths of the texts, in tokens */
export function embedBatches(lengths: readonly number[], most: number): EmbedBatch[] {
  const byLength = new Map<number, number[]>();
  lengths.forEach((tokens, i) => {
    const length = paddedLength(tokens, most);
    const members = byLength.get(length);
    if (members) members.push(i);
    else byLength.set(length, [i]);
  });
  return [...byLength].flatMap(([length, members]) => {
    const rows = Math.max(1, Math.floor(TOKENS / length));
    return Array.from({ length: Math.ceil(members.length / rows) }, (_, i) => ({
      length,
      rows,
      members: members.slice(i * rows, (i + 1) * rows),
    }));
  });
}
