/** Keys and values of what rows have seen, in host memory: written between slices, read by them. */
import { MASKED } from '../model/block.ts';
import type { ModelConfig } from '../model/config.ts';
import { keyName, valueName } from '../model/prefill-graph.ts';
import type { PromptCache } from './row-decoder.ts';

/** Sums over what a row sees are made by vectors of up to so many numbers. */
const VECTOR = 16;

/** Sizes go up by steps, the larger the longer: every step copies the whole cache. */
const stepAt = (tokens: number): number => VECTOR * (tokens <= 128 ? 1 : tokens <= 512 ? 2 : 4);

/** Of one prompt, by layer: keys [KV, D, padded] and values [KV, padded, D]. */
export class HostPrompt implements PromptCache {
  readonly promptIds: readonly number[];
  readonly padded: number;
  keys: readonly Float32Array[];
  values: readonly Float32Array[];

  constructor(promptIds: readonly number[], padded: number, keys: Float32Array[], values: Float32Array[]) {
    this.promptIds = promptIds;
    this.padded = padded;
    this.keys = keys;
    this.values = values;
  }

  /** One of the prompts that a prefill read. */
  static of(
    c: ModelConfig,
    promptIds: readonly number[],
    padded: number,
    read: Readonly<Record<string, Float32Array>>,
    index: number,
  ): HostPrompt {
    const size = c.kvHeads * c.headDim * padded;
    const part = (name: string) => {
      const data = read[name];
      if (!data) throw new Error(`internal: no ${name} was read`);
      return data.subarray(index * size, (index + 1) * size);
    };
    const layers = [...Array(c.layers).keys()];
    return new HostPrompt(
      promptIds,
      padded,
      layers.map((l) => part(keyName(l))),
      layers.map((l) => part(valueName(l))),
    );
  }

  dispose(): void {
    this.keys = [];
    this.values = [];
  }
}

/** All rows' past, left-aligned: keys [rows, KV, D, size] and values [rows, KV, size, D] a layer. */
export class PastCache {
  /** Tokens of each row. */
  lengths = new Int32Array(0);
  keys: Float32Array[] = [];
  values: Float32Array[] = [];
  rows = 0;
  size = 0;
  private readonly config: ModelConfig;
  private readonly slice: number;

  constructor(config: ModelConfig, slice: number) {
    this.config = config;
    this.slice = slice;
  }

  /** Other rows: first those of the old ones, the others empty. */
  arrange(rows: number, from: readonly number[]): void {
    const { kvHeads: KV, headDim: D, layers } = this.config;
    const width = KV * D * this.size;
    const lengths = new Int32Array(rows);
    const rearranged = (all: readonly Float32Array[]) =>
      Array.from({ length: layers }, (_, l) => {
        const fresh = new Float32Array(rows * width);
        from.forEach((row, i) => {
          const old = all[l]?.subarray(row * width, (row + 1) * width);
          if (old) fresh.set(old, i * width);
        });
        return fresh;
      });
    from.forEach((row, i) => {
      lengths[i] = this.lengths[row] ?? 0;
    });
    this.keys = rearranged(this.keys);
    this.values = rearranged(this.values);
    this.lengths = lengths;
    this.rows = rows;
  }

  /**
   * Room for as many tokens a row. What a row sees is a multiple of VECTOR numbers, the last of which are masked: sums
   * over more of them come out the same, to the last bit.
   */
  reserve(tokens: number): void {
    const all = this.slice + Math.max(1, tokens);
    const wanted = Math.ceil(all / stepAt(all)) * stepAt(all) - this.slice;
    if (wanted === this.size) return;
    const { kvHeads: KV, headDim: D, layers } = this.config;
    const kept = Math.min(this.size, wanted);
    const total = this.rows * KV * D;
    const [keys, values] = [this.keys, this.values];
    const fresh = () => Array.from({ length: layers }, () => new Float32Array(total * wanted));
    this.keys = fresh();
    this.values = fresh();
    for (let l = 0; l < layers; l++) {
      copyRows(keys[l], this.size, this.keys[l], wanted, total, kept);
      copyRows(values[l], this.size * D, this.values[l], wanted * D, this.rows * KV, kept * D);
    }
    this.size = wanted;
  }

  /** A row begins with a prompt's tokens, all but the last. */
  begin(row: number, prompt: HostPrompt): void {
    const { kvHeads: KV, headDim: D } = this.config;
    const tokens = prompt.promptIds.length - 1;
    this.lengths[row] = tokens;
    prompt.keys.forEach((keys, l) => {
      const to = this.keys[l]?.subarray(row * KV * D * this.size);
      copyRows(keys, prompt.padded, to, this.size, KV * D, tokens);
    });
    prompt.values.forEach((values, l) => {
      const to = this.values[l]?.subarray(row * KV * D * this.size);
      copyRows(values, prompt.padded * D, to, this.size * D, KV, tokens * D);
    });
  }

  /**
   * Takes a layer's recent tokens in: keys and values [rows, KV, rounds, D], for the rows in
   * use. Lengths grow by `grow`, once all layers are in.
   */
  fold(
    layer: number,
    used: readonly number[],
    rounds: number,
    keys: Float32Array,
    values: Float32Array,
  ): void {
    const { kvHeads: KV, headDim: D } = this.config;
    const { size } = this;
    const [pastKeys, pastValues] = [this.keys[layer], this.values[layer]];
    if (!pastKeys || !pastValues) throw new Error(`internal: no layer ${layer}`);
    for (const row of used) {
      const length = this.lengths[row] ?? 0;
      for (let h = row * KV; h < (row + 1) * KV; h++) {
        const from = h * rounds * D;
        pastValues.set(values.subarray(from, from + rounds * D), (h * size + length) * D);
        for (let d = 0; d < D; d++) {
          const to = (h * D + d) * size + length;
          for (let t = 0; t < rounds; t++) pastKeys[to + t] = keys[from + t * D + d] ?? 0;
        }
      }
    }
  }

  grow(used: readonly number[], rounds: number): void {
    for (const row of used) this.lengths[row] = (this.lengths[row] ?? 0) + rounds;
  }

  /** What rows see of their past, 0 or MASKED: [rows, 1, 1, size], with a window [rounds, rows, 1, 1, size]. */
  mask(window: number | null, rounds: number): Float32Array {
    const { rows, size } = this;
    const times = window === null ? 1 : rounds;
    const mask = new Float32Array(times * rows * size).fill(MASKED);
    for (let round = 0; round < times; round++) {
      for (let row = 0; row < rows; row++) {
        const at = (round * rows + row) * size;
        const length = this.lengths[row] ?? 0;
        const first = window === null ? 0 : Math.max(0, length + round - window + 1);
        if (first < length) mask.fill(0, at + first, at + length);
      }
    }
    return mask;
  }
}

/** The first `count` elements of each of `rows` rows, from rows of one width to rows of another. */
function copyRows(
  from: Float32Array | undefined,
  fromWidth: number,
  to: Float32Array | undefined,
  toWidth: number,
  rows: number,
  count: number,
): void {
  if (!from || !to || count === 0) return;
  for (let i = 0; i < rows; i++) to.set(from.subarray(i * fromWidth, i * fromWidth + count), i * toWidth);
}
