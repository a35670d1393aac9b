/**
 * Seeded randomness. Every use has a stream of its own, named by labels, so that no result depends on what
 * else was drawn before: `stream(seed, 'order', epoch)` is the same today, after a reload, and on any machine.
 *
 * A stream is an sfc32 generator (Chris Doty-Humphrey, PractRand, public domain) whose 128 bits of state come
 * from hashing the seed and the labels with four lanes of MurmurHash3's finaliser (Austin Appleby, public
 * domain).
 */
export type Random = () => number;

type Label = string | number;

/** Uniform numbers in [0, 1) with 53 bits. */
export function stream(seed: number, ...labels: readonly Label[]): Random {
  const next = words(seed, labels);
  return () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
}

/** One seed of 32 bits for a part of the work that makes its own random numbers, e.g. sampling one prompt. */
export function seedOf(seed: number, ...labels: readonly Label[]): number {
  return words(seed, labels)();
}

/** A new array in random order (Fisher-Yates). */
export function shuffle<T extends NonNullable<unknown>>(items: readonly T[], random: Random): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) swap(order, i, Math.floor(random() * (i + 1)));
  return order;
}

/**
 * `count` different items, in their original order.
 *
 * @throws RangeError where there are fewer items
 */
export function sampleWithoutReplacement<T>(items: readonly T[], count: number, random: Random): T[] {
  if (count > items.length) throw new RangeError(`can't draw ${count} of ${items.length} items`);
  const order = items.map((_, i) => i);
  for (let i = 0; i < count; i++) swap(order, i, i + Math.floor(random() * (order.length - i)));
  const drawn = new Set(order.slice(0, count));
  return items.filter((_, i) => drawn.has(i));
}

function swap<T extends NonNullable<unknown>>(items: T[], i: number, j: number): void {
  const [a, b] = [items[i], items[j]];
  if (a === undefined || b === undefined) return;
  items[i] = b;
  items[j] = a;
}

/** Unsigned 32-bit words. */
function words(seed: number, labels: readonly Label[]): () => number {
  let [a, b, c, counter] = hash(JSON.stringify([seed, ...labels]));
  const next = () => {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + out;
    c |= 0;
    return out >>> 0;
  };
  // The state is hashed already; a few rounds mix its four words with each other.
  for (let i = 0; i < 12; i++) next();
  return next;
}

function hash(text: string): [number, number, number, number] {
  const lane = (start: number) => {
    let h = start;
    for (let i = 0; i < text.length; i++) {
      h = Math.imul(h ^ text.charCodeAt(i), 0x9e3779b1);
      h ^= h >>> 15;
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) | 0;
  };
  return [lane(0x243f6a88), lane(0x85a308d3), lane(0x13198a2e), lane(0x03707344)];
}
