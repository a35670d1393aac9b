/** Similarity of every answer to its target: while others are still sampled, and what is left of it afterwards. */
import type { TextEmbedder } from '../engine/types.ts';
import type { Context } from './context.ts';
import { sameEmbedder } from './identity.ts';
import { responseSlices, responsesOf } from './slices.ts';
import type { PreparedData, PromptResponses } from './types.ts';

/** Prompts whose texts are embedded, and stored, together. What is together changes no bit of a vector. */
export const SLICE = 32;

/** Cosine of two vectors of length 1, or 0 where one has no direction. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Embeds each distinct text once. */
export async function embedDistinct(
  embedder: TextEmbedder,
  texts: Iterable<string>,
  signal: AbortSignal,
): Promise<(text: string) => Float32Array> {
  const distinct = [...new Set(texts)];
  const embedded = await embedder.embed(distinct, signal);
  const vectors = new Map(distinct.map((text, i) => [text, embedded[i] ?? new Float32Array(0)] as const));
  return (text) => vectors.get(text) ?? new Float32Array(0);
}

/** The records with every response's similarity to its target. */
export async function compare(
  embedder: TextEmbedder,
  data: PreparedData,
  slice: readonly PromptResponses[],
  signal: AbortSignal,
): Promise<PromptResponses[]> {
  const target = (index: number) => data.train[index]?.target.trim() ?? '';
  const texts = slice.flatMap(({ index, responses }) => [target(index), ...responses.map((r) => r.text)]);
  const vector = await embedDistinct(embedder, texts, signal);
  return slice.map((record) => {
    const wanted = vector(target(record.index));
    const responses = record.responses.map((r) => ({ ...r, similarity: cosine(vector(r.text), wanted) }));
    return { ...record, responses };
  });
}

export const isCompared = ({ responses }: PromptResponses): boolean =>
  responses.every((r) => r.similarity !== undefined);

const forgotten = (record: PromptResponses): PromptResponses => ({
  ...record,
  responses: record.responses.map(({ similarity: _similarity, kept: _kept, ...rest }) => rest),
});

/** The run's embedder, for similarities; those of another one are removed where nothing was made of them yet. */
export function comparingEmbedder({ store, ...context }: Context): Promise<TextEmbedder> {
  return sameEmbedder({ store, ...context }, async () => {
    for await (const slice of responseSlices(store, SLICE)) await store.saveResponses(slice.map(forgotten));
  });
}

/**
 * Compares finished prompts while others are sampled. It only ever adds what the filter would have to compute: when it
 * fails or is stopped, the filter does the rest, and tells of what is wrong.
 */
export class Comparing {
  /** Prompts compared and stored, those of earlier sittings included. */
  compared = 0;
  /** By prompt index: the answers themselves would fill the memory where comparing is slower than sampling. */
  private readonly waiting: number[] = [];
  private under: Promise<void> | null = null;
  /** A write to the store under way: the run must not end before it. */
  private writing: Promise<unknown> = Promise.resolve();
  private over = false;

  constructor(
    private readonly context: Context,
    private readonly data: PreparedData,
  ) {}

  /** Takes what is sampled already. */
  async begin(): Promise<void> {
    for await (const slice of responseSlices(this.context.store, SLICE)) {
      for (const record of slice) {
        if (isCompared(record)) this.compared++;
        else this.waiting.push(record.index);
      }
    }
  }

  /** A prompt that is sampled and stored. */
  add(index: number): void {
    if (this.over) return;
    this.waiting.push(index);
    if (this.waiting.length < SLICE) return;
    this.under ??= this.work()
      .catch(() => {
        this.over = true;
      })
      .finally(() => {
        this.under = null;
      });
  }

  /** Takes nothing more. What is under way is waited for, unless the run is stopped: then it is given up. */
  async end(): Promise<void> {
    if (!this.context.signal.aborted) await this.under;
    this.over = true;
    await this.writing.catch(() => undefined);
  }

  private async work(): Promise<void> {
    const { context, data } = this;
    // Opened before anything is written, and it may take long.
    await context.embedder();
    if (this.over) return;
    const opening = comparingEmbedder(context);
    this.writing = opening;
    const embedder = await opening;
    while (this.waiting.length >= SLICE && !this.over) {
      const sampled = await responsesOf(context.store, this.waiting.splice(0, SLICE));
      const slice = await compare(embedder, data, sampled, context.signal);
      if (this.over) return;
      this.writing = context.store.saveResponses(slice);
      await this.writing;
      this.compared += slice.length;
    }
  }
}
