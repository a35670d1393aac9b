/** Rows of sampling: in which order they are begun, and what has been drawn of each so far. */
import { MOST_UNIFORM } from '../model/draw-token.ts';
import { NonFiniteError } from '../model/non-finite.ts';
import { stream } from '../model/random.ts';
import type { Drawn } from './row-decoder.ts';
import type { SampleRequest, SampleSettings } from './types.ts';

/** @throws Error naming the setting or the prompt that can't be sampled with */
export function checkSampling(
  requests: readonly SampleRequest[],
  settings: SampleSettings,
  contextLength: number,
): void {
  const bad = (what: string) => {
    throw new Error(`sampling: ${what}`);
  };
  if (!(settings.temperature >= 0)) bad(`temperature ${settings.temperature} is not 0 or more`);
  if (!(settings.topP > 0 && settings.topP <= 1)) bad(`top-p ${settings.topP} is not above 0 and at most 1`);
  if (!Number.isInteger(settings.topK) || settings.topK < 0)
    bad(`top-k ${settings.topK} is not a whole number from 0`);
  if (!Number.isInteger(settings.maxTokens) || settings.maxTokens < 1)
    bad(`max tokens ${settings.maxTokens} is not a whole number from 1`);
  requests.forEach(({ promptIds, n, maxTokens = 1 }, i) => {
    if (promptIds.length === 0) bad(`prompt ${i} has no tokens`);
    if (promptIds.length >= contextLength)
      bad(`prompt ${i} has ${promptIds.length} tokens; the context is ${contextLength}`);
    if (!Number.isInteger(n) || n < 1) bad(`prompt ${i} asks for ${n} samples`);
    if (!Number.isInteger(maxTokens) || maxTokens < 1) bad(`prompt ${i} asks for ${maxTokens} tokens`);
  });
}

/** Sample `index` of a request. */
export interface RowPlace {
  readonly request: number;
  readonly index: number;
}

/** A row under way. */
export interface OpenRow extends RowPlace {
  /** Tokens it may take: maxTokens, or what the context leaves. */
  readonly limit: number;
  readonly draw: () => number;
  readonly sample: { readonly tokenIds: number[]; readonly logps: number[]; stopped: boolean };
  ended: boolean;
}

/** The longest prompts first, so that what all rows have room for shrinks towards the end. */
const byLength = (requests: readonly SampleRequest[]) => (a: number, b: number) =>
  (requests[b]?.promptIds.length ?? 0) - (requests[a]?.promptIds.length ?? 0) || a - b;

/**
 * Requests that are sampled as one, by number: of those not finished, or where rows depend on those beside them,
 * windows of about so many rows that are the same whatever was finished before, and left out as a whole.
 */
export function planWindows(
  requests: readonly SampleRequest[],
  rows: number | null,
  finished: ReadonlySet<number> = new Set(),
): number[][] {
  const order = requests.map((_, i) => i).sort(byLength(requests));
  if (rows === null) return [order.filter((i) => !finished.has(i))];
  const windows: number[][] = [];
  let room = 0;
  for (const request of order) {
    const { n } = requests[request] ?? { n: 0 };
    if (room < n) {
      windows.push([]);
      room = rows;
    }
    windows.at(-1)?.push(request);
    room -= n;
  }
  return windows.filter((window) => !window.every((i) => finished.has(i)));
}

/** The rows of some requests in the order in which they begin; it costs the same however many wait. */
export class RowQueue {
  /** Place of the request whose rows begin next, and how many of them have begun. */
  private at = 0;
  private begun = 0;
  private readonly places: ReadonlyMap<number, number>;

  constructor(
    private readonly requests: readonly SampleRequest[],
    private readonly window: readonly number[],
  ) {
    this.places = new Map(window.map((request, place) => [request, place]));
  }

  next(): RowPlace | null {
    const request = this.window[this.at];
    if (request === undefined) return null;
    const place = { request, index: this.begun };
    this.begun++;
    if (this.begun >= (this.requests[request]?.n ?? 0)) {
      this.at++;
      this.begun = 0;
    }
    return place;
  }

  /** Whether rows of a request are still to begin. */
  holds(request: number): boolean {
    return (this.places.get(request) ?? -1) >= this.at;
  }

  /** The next so many requests with rows to begin. */
  ahead(count: number): readonly number[] {
    return this.window.slice(this.at, this.at + count);
  }
}

export function openRow(
  { request, index }: RowPlace,
  { seed, promptIds, maxTokens }: SampleRequest,
  settings: SampleSettings,
  contextLength: number,
): OpenRow {
  return {
    request,
    index,
    limit: Math.min(settings.maxTokens, maxTokens ?? settings.maxTokens, contextLength - promptIds.length),
    draw: stream(seed, 'sample', index),
    sample: { tokenIds: [], logps: [], stopped: false },
    ended: false,
  };
}

/** [rounds, rows]: each row's own stream; 0 where there is none. */
export function uniforms(slots: readonly (OpenRow | null)[], rounds: number): Float32Array {
  const u = new Float32Array(rounds * slots.length);
  for (let i = 0; i < u.length; i++) {
    const row = slots[i % slots.length];
    u[i] = row ? Math.min(row.draw(), MOST_UNIFORM) : 0;
  }
  return u;
}

/** Appends drawn tokens to the rows that still want them; how many those were. */
export function take(
  slots: readonly (OpenRow | null)[],
  stopIds: readonly number[],
  { tokens, logps }: Drawn,
): number {
  let taken = 0;
  slots.forEach((row, i) => {
    if (!row) return;
    for (let at = i; at < tokens.length && !row.ended; at += slots.length) {
      const id = tokens[at] ?? 0;
      const logp = logps[at] ?? Number.NaN;
      if (!Number.isFinite(logp)) throw new NonFiniteError({ what: 'log-probabilities', place: null });
      row.sample.tokenIds.push(id);
      row.sample.logps.push(logp);
      taken++;
      row.sample.stopped = stopIds.includes(id);
      row.ended = row.sample.stopped || row.sample.tokenIds.length >= row.limit;
    }
  });
  return taken;
}
