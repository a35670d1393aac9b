/** Where values lie on an axis, and which of them are written beside it. Pure. */

export interface Scale {
  /** 0 at the axis' start, 1 at its end. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Round steps: 1, 2, 2.5 or 5 times a power of ten. */
function step(span: number, most: number): number {
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10;
  return nice * power;
}

/**
 * A linear axis from the lowest to the highest of the finite values, its ends moved out to round numbers.
 *
 * @param most ticks, about
 */
export function linear(values: readonly number[], most = 5): Scale {
  const known = values.filter(Number.isFinite);
  let low = known.length > 0 ? Math.min(...known) : 0;
  let high = known.length > 0 ? Math.max(...known) : 1;
  if (low === high) {
    const room = Math.abs(low) / 10 || 1;
    low -= room;
    high += room;
  }
  const size = step(high - low, most);
  const first = Math.floor(low / size + 1e-9);
  const last = Math.ceil(high / size - 1e-9);
  // Multiples of the step rather than sums of it, which would gather rounding errors.
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => clean((first + i) * size));
  const [from, to] = [first * size, last * size];
  return { at: (value) => (value - from) / (to - from), ticks };
}

const clean = (value: number): number => Number(value.toPrecision(12));

/** Room at both ends of an axis of points, so that none lies on the frame. */
const PAD = 0.07;

/**
 * The axis of a curve's points, with a tick for each: by the logarithm where all are powers of two (k = 1, 2, 4 ...),
 * else linear.
 */
export function points(xs: readonly number[]): Scale {
  const powers = xs.length > 1 && xs.every((x) => x > 0 && Number.isInteger(Math.log2(x)));
  const place = powers ? Math.log2 : (x: number) => x;
  const places = xs.map(place);
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const at = (x: number) => (high > low ? PAD + ((place(x) - low) / (high - low)) * (1 - 2 * PAD) : 0.5);
  return { at, ticks: [...new Set(xs)].sort((a, b) => a - b) };
}

/** Digits that tell ticks apart: '0.2', '55', '−10'. */
export function tickText(value: number, ticks: readonly number[]): string {
  const gap = ticks.length > 1 ? Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0)) : Math.abs(value);
  // 2.5 needs one digit more than its size says.
  const digits = [0, 1, 2, 3, 4].find((d) => Math.abs(gap - Number(gap.toFixed(d))) < gap * 1e-6) ?? 4;
  return value.toFixed(digits).replace('-', '−');
}
