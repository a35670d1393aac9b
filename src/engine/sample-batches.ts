/** Which rows are sampled together, and what has been drawn of them so far. */
import { padLength } from '../model/batch.ts';
import { kindsWithin, type ModelConfig } from '../model/config.ts';
import { NonFiniteError } from '../model/non-finite.ts';
import { stream } from '../model/random.ts';
import type { SamplingShape } from '../model/sampling-graphs.ts';
import type { SampleRequest, SampleSettings } from './types.ts';

/** Some rows of one request, decoded in one batch. */
export interface Part {
  readonly request: number;
  readonly first: number;
  readonly count: number;
}

/** One batch of parts under way. */
export interface Batch {
  readonly shape: SamplingShape;
  readonly parts: readonly Part[];
  readonly draws: (() => number)[];
  /** Tokens each row may still take: maxTokens, or what the context leaves. */
  readonly limits: readonly number[];
  readonly rows: { tokenIds: number[]; logps: number[]; stopped: boolean }[];
}

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
  requests.forEach(({ promptIds, n }, i) => {
    if (promptIds.length === 0) bad(`prompt ${i} has no tokens`);
    if (promptIds.length >= contextLength)
      bad(`prompt ${i} has ${promptIds.length} tokens; the context is ${contextLength}`);
    if (!Number.isInteger(n) || n < 1) bad(`prompt ${i} asks for ${n} samples`);
  });
}

/** Batches of parts with equal row counts and prompts of like length. */
export function planBatches(requests: readonly SampleRequest[], rows: number): Part[][] {
  const length = (part: Part) => padLength(Math.max(1, (requests[part.request]?.promptIds.length ?? 1) - 1));
  const parts = requests.flatMap(({ n }, request) =>
    Array.from({ length: Math.ceil(n / rows) }, (_, i) => ({
      request,
      first: i * rows,
      count: Math.min(rows, n - i * rows),
    })),
  );
  parts.sort((a, b) => a.count - b.count || length(a) - length(b) || a.request - b.request);
  const batches: Part[][] = [];
  for (const part of parts) {
    const open = batches.at(-1);
    const [first] = open ?? [];
    if (
      open &&
      first &&
      first.count === part.count &&
      (open.length + 1) * part.count <= rows &&
      length(first) === length(part)
    ) {
      open.push(part);
    } else batches.push([part]);
  }
  return batches;
}

/** A batch of these parts with nothing drawn yet; `most` rows at most. */
export function beginBatch(
  config: ModelConfig,
  requests: readonly SampleRequest[],
  parts: readonly Part[],
  settings: SampleSettings,
  most: number,
): Batch {
  const n = parts[0]?.count ?? 1;
  const prompts = parts.map((p) => requests[p.request]?.promptIds ?? []);
  const promptRows = padLength(Math.max(1, ...prompts.map((p) => p.length - 1)));
  const shape = {
    // Short batches are padded to a power of two, so that the last ones do not each compile a graph.
    prompts: Math.min(2 ** Math.ceil(Math.log2(parts.length)), Math.max(1, Math.floor(most / n))),
    n,
    promptRows,
    kinds: kindsWithin(config.layerKinds, promptRows + 1 + settings.maxTokens),
  };
  const rows = parts.flatMap((part) => Array.from({ length: n }, (_, j) => ({ part, j })));
  return {
    shape,
    parts,
    draws: rows.map(({ part, j }) => stream(requests[part.request]?.seed ?? 0, 'sample', part.first + j)),
    limits: rows.map(({ part }) => {
      const used = requests[part.request]?.promptIds.length ?? 0;
      return Math.min(settings.maxTokens, config.contextLength - used);
    }),
    rows: rows.map(() => ({ tokenIds: [], logps: [], stopped: false })),
  };
}

/** Appends drawn tokens to the rows that still want them. tokens, logps: [rounds, B]. */
export function collect(
  { rows, limits, shape }: Batch,
  stopIds: readonly number[],
  tokens: Int32Array,
  logps: Float32Array,
): void {
  const B = shape.prompts * shape.n;
  rows.forEach((row, i) => {
    for (let at = i; at < tokens.length; at += B) {
      if (row.stopped || row.tokenIds.length >= (limits[i] ?? 0)) break;
      const id = tokens[at] ?? 0;
      const logp = logps[at] ?? Number.NaN;
      if (!Number.isFinite(logp)) throw new NonFiniteError({ what: 'log-probabilities', place: null });
      row.tokenIds.push(id);
      row.logps.push(logp);
      row.stopped = stopIds.includes(id);
    }
  });
}
