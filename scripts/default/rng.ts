/** A small seeded generator (splitmix32): the same seed gives the same corpus on every machine. */
export class Rng {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  }

  /** Uniform in 0 .. n - 1. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  pick<T>(list: readonly T[]): T {
    return at(list, this.below(list.length));
  }

  /** n different entries, in random order. */
  take<T>(list: readonly T[], n: number): T[] {
    const rest = [...list];
    const taken: T[] = [];
    while (taken.length < n) taken.push(...rest.splice(this.below(rest.length), rest.length > 0 ? 1 : 0));
    return taken;
  }

  shuffle<T>(list: readonly T[]): T[] {
    return this.take(list, list.length);
  }
}

/** list[i], which must exist. */
export function at<T>(list: readonly T[], i: number): T {
  if (i < 0 || i >= list.length) throw new Error(`internal: index ${i} of a list of ${list.length}`);
  return list[i] as T;
}

/** 32-bit FNV-1a. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}
