/**
 * Sampling on a device: rows of all requests wait in one queue, and take a place beside the others as one becomes
 * free. A decoder computes slices of rounds; between two slices rows end, begin, and are stopped.
 */
import type { SamplingRule } from '../model/draw-token.ts';
import { stepRoom } from '../model/step-graph.ts';
import { DecoderWeights, type WeightOptions } from './decoder-weights.ts';
import type { Device } from './device.ts';
import { LoopDecoder } from './loop-decoder.ts';
import { Prefill } from './prefill.ts';
import { ProgramShelf } from './program-shelf.ts';
import type { DecoderShape, PromptCache, RowDecoder } from './row-decoder.ts';
import {
  checkSampling,
  type OpenRow,
  openRow,
  planWindows,
  RowQueue,
  take,
  uniforms,
} from './sample-rows.ts';
import { StepDecoder } from './step-decoder.ts';
import type { Sample, SampleOptions, SampleRequest, Sampler, SampleSettings } from './types.ts';

export interface SamplerOptions extends WeightOptions {
  /** Rows decoded together. */
  readonly rows: number;
  /** Rounds between looks at the signal. */
  readonly slice: number;
}

/** What one call of `sample` works on. */
interface Work {
  readonly requests: readonly SampleRequest[];
  readonly settings: SampleSettings;
  readonly onDone: (index: number, samples: Sample[]) => void | Promise<void>;
  readonly options: SampleOptions;
}

export class DeviceSampler implements Sampler {
  private readonly device: Device;
  private readonly options: SamplerOptions;
  private readonly weights: DecoderWeights;
  private readonly prefill: Prefill;
  /** One: it has the weights built in. */
  private readonly loops: ProgramShelf;
  private decoder: { readonly key: string; readonly decoder: RowDecoder } | null = null;

  constructor(device: Device, options: SamplerOptions) {
    this.device = device;
    this.options = options;
    this.weights = new DecoderWeights(device, options);
    this.prefill = new Prefill(device, this.weights);
    this.loops = new ProgramShelf(device, 1);
  }

  async sample(
    requests: readonly SampleRequest[],
    settings: SampleSettings,
    onDone: (index: number, samples: Sample[]) => void | Promise<void>,
    options: SampleOptions = {},
  ): Promise<void> {
    const { config, rows, slice } = this.options;
    checkSampling(requests, settings, config.contextLength);
    if (requests.length === 0) return;
    const longest = requests.reduce((most, { promptIds }) => Math.max(most, promptIds.length), 0);
    const most = longest + settings.maxTokens;
    const { contextLength } = config;
    const total = requests.reduce((sum, { n }) => sum + n, 0);
    const decoder = await this.open({
      // As many rows as there will be, so that a few answers do not cost as much as many.
      rows: Math.min(rows, Math.max(FEWEST_ROWS, 2 ** Math.ceil(Math.log2(total)))),
      room: this.weights.numbers.gpu ? stepRoom(most, contextLength) : Math.min(most, contextLength),
      slice,
      rule: ruleOf(settings),
    });
    const work = { requests, settings, onDone, options };
    for (const window of planWindows(requests, decoder.exact ? null : WINDOW * rows, options.finished))
      await this.decode(decoder, work, window);
  }

  /** Tokens of prompts read so far. */
  get promptTokens(): number {
    return this.prefill.tokens;
  }

  /** Samples the rows of some requests, in the order of their prompts' lengths. */
  private async decode(decoder: RowDecoder, work: Work, window: readonly number[]): Promise<void> {
    const { requests, settings } = work;
    const { signal, onTokens } = work.options;
    const { rows, slice } = decoder.shape;
    const queue = new RowQueue(requests, window);
    const slots = new Array<OpenRow | null>(rows).fill(null);
    const prompts = new Prompts(decoder, requests);
    const done = new Map<number, Sample[]>();
    try {
      while (true) {
        signal?.throwIfAborted();
        const begun = new Map<number, OpenRow>();
        for (let slot = 0; slot < rows; slot++) {
          const next = slots[slot] ? null : queue.next();
          const request = next && requests[next.request];
          if (!next || !request) continue;
          const row = openRow(next, request, settings, this.options.config.contextLength);
          slots[slot] = row;
          begun.set(slot, row);
        }
        const open = slots.filter((row) => row !== null);
        if (open.length === 0) return;
        const begin = await prompts.of(begun, queue);
        const most = Math.max(...open.map((row) => row.limit - row.sample.tokenIds.length));
        const u = uniforms(slots, Math.min(slice, most));
        const live = slots.map((row) => row !== null);
        const drawn = await decoder.decode(begin, live, u);
        prompts.release(queue);
        const taken = take(slots, settings.stopIds, drawn);
        onTokens?.(taken);
        for (const [slot, row] of slots.entries()) {
          if (!row?.ended) continue;
          slots[slot] = null;
          const samples = done.get(row.request) ?? [];
          done.set(row.request, samples);
          samples[row.index] = row.sample;
        }
        await handOver(work, done);
      }
    } finally {
      prompts.dispose();
    }
  }

  /** The decoder of this shape. */
  private async open(shape: DecoderShape): Promise<RowDecoder> {
    const key = JSON.stringify(shape);
    if (this.decoder?.key === key) return this.decoder.decoder;
    await this.close();
    const { device, weights, prefill, loops } = this;
    const decoder = weights.numbers.gpu
      ? new StepDecoder(device, weights, prefill, shape)
      : new LoopDecoder(device, weights, prefill, shape, loops);
    this.decoder = { key, decoder };
    return decoder;
  }

  private async close(): Promise<void> {
    const open = this.decoder;
    this.decoder = null;
    await open?.decoder.dispose();
  }

  async dispose(): Promise<void> {
    await this.close();
    await this.loops.dispose();
    await this.prefill.dispose();
    this.weights.dispose();
  }
}

/** Rows of a decoder at least. */
const FEWEST_ROWS = 4;
/** Prompts read together, where so many wait. */
const AHEAD = 8;
/** Where rows depend on those beside them, so many times the rows are sampled as one, and again as one. */
const WINDOW = 8;

const ruleOf = ({ temperature, topP, topK }: SampleSettings): SamplingRule => ({ temperature, topP, topK });

/** Requests whose samples are complete, each once. */
async function handOver({ requests, onDone, options }: Work, done: Map<number, Sample[]>): Promise<void> {
  for (const [request, samples] of done) {
    if (Object.keys(samples).length < (requests[request]?.n ?? 0)) continue;
    done.delete(request);
    if (options.finished?.has(request)) continue;
    options.signal?.throwIfAborted();
    await onDone(request, samples);
  }
}

/** The prompts of rows under way: each is read once, and kept while rows of it wait. */
class Prompts {
  private readonly decoder: RowDecoder;
  private readonly requests: readonly SampleRequest[];
  private readonly caches = new Map<number, PromptCache>();

  constructor(decoder: RowDecoder, requests: readonly SampleRequest[]) {
    this.decoder = decoder;
    this.requests = requests;
  }

  /** Where one has to be read, those next in the queue are read with it: every reading hands the weights over. */
  async of(begun: ReadonlyMap<number, OpenRow>, queue: RowQueue): Promise<Map<number, PromptCache>> {
    const missing = new Set<number>();
    for (const { request } of begun.values()) if (!this.caches.has(request)) missing.add(request);
    for (const request of missing.size > 0 ? queue.ahead(AHEAD) : [])
      if (missing.size < AHEAD && !this.caches.has(request)) missing.add(request);
    await this.read([...missing]);
    const result = new Map<number, PromptCache>();
    for (const [slot, { request }] of begun) {
      const cache = this.caches.get(request);
      if (!cache) throw new Error(`internal: prompt ${request} was not read`);
      result.set(slot, cache);
    }
    return result;
  }

  private async read(missing: readonly number[]): Promise<void> {
    if (missing.length === 0) return;
    const caches = await this.decoder.prefill(missing.map((r) => this.requests[r]?.promptIds ?? []));
    missing.forEach((request, i) => {
      const cache = caches[i];
      if (cache) this.caches.set(request, cache);
    });
  }

  /** Gives back those that no row waits for. */
  release(queue: RowQueue): void {
    for (const request of this.caches.keys()) if (!queue.holds(request)) this.drop(request);
  }

  dispose(): void {
    for (const request of this.caches.keys()) this.drop(request);
  }

  private drop(request: number): void {
    this.caches.get(request)?.dispose();
    this.caches.delete(request);
  }
}
