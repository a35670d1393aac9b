/** Long vectors shortened so that products between them stay the same but for a little noise. */
import { stream } from '../../model/random.ts';

const BUCKETS = 131072;

/**
 * A count sketch (Charikar, Chen, Farach-Colton 2002): every number is added, with a random sign, to a random one of
 * 131,072 places. Products of two sketches are those of the vectors on average, within about |a| |b| / 250 at one standard
 * deviation. Vectors that are no longer than that are kept as they are.
 */
export class Sketch {
  private places: Int32Array | null = null;

  /** @param vectors one after the other as one long vector; always of the same lengths */
  of(vectors: readonly Float32Array[]): Float32Array {
    const length = vectors.reduce((sum, v) => sum + v.length, 0);
    const long = length > BUCKETS;
    const short = new Float32Array(long ? BUCKETS : length);
    const places = long ? this.placesFor(length) : null;
    let at = 0;
    for (const vector of vectors) {
      if (!places) short.set(vector, at);
      else {
        for (let i = 0; i < vector.length; i++) {
          const place = places[at + i] ?? 0;
          const bucket = place >> 1;
          short[bucket] = (short[bucket] ?? 0) + (place & 1 ? -1 : 1) * (vector[i] ?? 0);
        }
      }
      at += vector.length;
    }
    return short;
  }

  /** Twice the bucket, and one more for a minus. */
  private placesFor(length: number): Int32Array {
    if (this.places?.length === length) return this.places;
    const random = stream(0, 'sketch', length);
    this.places = Int32Array.from({ length }, () => Math.floor(random() * 2 * BUCKETS));
    return this.places;
  }
}

/** Product of two vectors of one length, summed in double precision. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
