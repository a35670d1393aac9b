/** Byte-level BPE training on word counts. Ties go to the earlier pair in code-unit order: no randomness. */

/** Byte to printable character, the usual byte-level table: printable Latin-1 stays, the rest moves above 255. */
export const byteChars: readonly string[] = (() => {
  const keep = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(keep(b) ? b : next++));
})();

/** The split that `ByteLevel` pre-tokenizers use: a word keeps the space before it. */
export const wordPattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

const encoder = new TextEncoder();

export function byteLevel(word: string): string[] {
  return Array.from(encoder.encode(word), (byte) => byteChars[byte] ?? '');
}

interface Word {
  pieces: string[];
  readonly count: number;
}

/** The merges, in order; stops early when no pair is seen `least` times. */
export function trainBpe(
  counts: ReadonlyMap<string, number>,
  merges: number,
  least = 20,
): [string, string][] {
  const words: Word[] = [...counts].map(([word, count]) => ({ pieces: byteLevel(word), count }));
  const result: [string, string][] = [];
  while (result.length < merges) {
    const best = mostFrequentPair(words, least);
    if (!best) break;
    result.push(best);
    for (const word of words) word.pieces = merge(word.pieces, best);
  }
  return result;
}

function mostFrequentPair(words: readonly Word[], least: number): [string, string] | undefined {
  const pairs = new Map<string, number>();
  for (const { pieces, count } of words) {
    for (let i = 1; i < pieces.length; i++) {
      const pair = `${pieces[i - 1]} ${pieces[i]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  let most = least - 1;
  for (const [pair, count] of pairs) {
    if (count > most || (count === most && best !== undefined && pair < best)) [best, most] = [pair, count];
  }
  return best?.split(' ') as [string, string] | undefined;
}

function merge(pieces: string[], [left, right]: readonly [string, string]): string[] {
  if (pieces.length < 2) return pieces;
  const merged: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i] ?? '';
    if (piece === left && pieces[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else merged.push(piece);
  }
  return merged;
}
