/** Seeded random numbers as streams: a stream depends on its seed and labels alone, never on what ran before. */

function mix(x: number): number {
  let z = x >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** 32 bits out of a seed and labels. */
export function hash(seed: number, ...labels: readonly (number | string)[]): number {
  let state = mix(seed ^ 0x9e3779b9);
  for (const label of labels) {
    if (typeof label === 'number') state = mix(state ^ mix(label + 0x85ebca6b));
    else for (const char of label) state = mix(state ^ mix((char.codePointAt(0) ?? 0) + 0xc2b2ae35));
  }
  return state;
}

/** Uniform numbers in [0, 1) with 24 bits each, so that they are exact in float32 too. */
export function stream(seed: number, ...labels: readonly (number | string)[]): () => number {
  const start = hash(seed, ...labels);
  let counter = 0;
  return () => {
    counter = (counter + 1) >>> 0;
    return (mix(start ^ mix(counter + 0x27d4eb2f)) >>> 8) / 2 ** 24;
  };
}

/** A seeded permutation (Fisher-Yates) of the items. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [result[i], result[j]];
    if (a !== undefined && b !== undefined) {
      result[i] = b;
      result[j] = a;
    }
  }
  return result;
}
