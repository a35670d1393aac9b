/** How much texts vary, in numbers that do not grow with their count but for distinct-n. */
import { plainWords } from '../../pipeline/grade.ts';
import { cosine } from '../../pipeline/similarity.ts';

export interface Text {
  readonly text: string;
  readonly tokens: number;
}

/** Mean over pairs of 1 - cosine. */
export function meanDistance(vectors: readonly Float32Array[]): number | null {
  let [sum, pairs] = [0, 0];
  vectors.forEach((a, i) => {
    for (const b of vectors.slice(i + 1)) {
      sum += 1 - cosine(a, b);
      pairs++;
    }
  });
  return pairs === 0 ? null : sum / pairs;
}

/** Li et al. 2016 (arXiv 1510.03055). */
export function distinctN(texts: readonly Text[], n: 1 | 2): number | null {
  const grams = texts.flatMap(({ text }) => {
    const words = plainWords(text);
    return words.slice(n - 1).map((_, i) => words.slice(i, i + n).join(' '));
  });
  return grams.length === 0 ? null : new Set(grams).size / grams.length;
}

/** Standard deviation (n - 1). */
export function deviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
}
