/** What rows have come to between two slices, and what a slice is given of it. */
import { rotaryTable } from '../model/batch.ts';
import { MASKED } from '../model/block.ts';
import { type LayerKind, windowsOf } from '../model/config.ts';
import {
  maskInput,
  pastKey,
  pastValue,
  recentKey,
  recentValue,
  sizesByRound,
  stateNames,
} from '../model/decode-round.ts';
import { elements } from '../model/parameters.ts';
import { cosInput, sinInput } from '../model/training-graphs.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import { type Device, pick, type Tensors } from './device.ts';
import { HostPrompt, PastCache } from './past-cache.ts';
import type { Prefill } from './prefill.ts';
import type { DecoderShape, PromptCache } from './row-decoder.ts';

/** Rows of a slice at least. */
const FEWEST_ROWS = 4;

/**
 * Slots in use lie packed in rows, of which there are a power of two (or as many as slots): where few rows are left, a
 * round computes few.
 */
export class SliceState {
  private readonly device: Device;
  private readonly weights: DecoderWeights;
  private readonly shape: DecoderShape;
  private readonly past: PastCache;
  private readonly rowOf = new Map<number, number>();
  private ids = new Int32Array(0);

  constructor(device: Device, weights: DecoderWeights, shape: DecoderShape) {
    this.device = device;
    this.weights = weights;
    this.shape = shape;
    this.past = new PastCache(weights.config, shape.slice);
  }

  /** Rows of the next slice. */
  get rows(): number {
    return this.past.rows;
  }

  /** Rows begin, and those that are wanted no more give up their place. */
  begin(begin: ReadonlyMap<number, PromptCache>, live: readonly boolean[]): void {
    for (const slot of [...this.rowOf.keys()]) if (!live[slot] || begin.has(slot)) this.rowOf.delete(slot);
    const wanted = live.filter(Boolean).length;
    const rows = Math.min(this.shape.rows, Math.max(FEWEST_ROWS, 2 ** Math.ceil(Math.log2(wanted))));
    if (rows !== this.rows) this.arrange(rows);
    const used = new Set(this.rowOf.values());
    const free = Array.from({ length: rows }, (_, row) => row).filter((row) => !used.has(row));
    for (const row of free) this.past.lengths[row] = 0;
    const places = [...begin].map(([slot, prompt]) => {
      const row = free.shift();
      if (row === undefined) throw new Error(`internal: no row for slot ${slot}`);
      if (!(prompt instanceof HostPrompt)) throw new Error('internal: a prompt of another decoder');
      this.rowOf.set(slot, row);
      this.ids[row] = prompt.promptIds.at(-1) ?? 0;
      this.past.lengths[row] = prompt.promptIds.length - 1;
      return { row, prompt };
    });
    this.past.reserve(Math.max(...this.past.lengths));
    for (const { row, prompt } of places) this.past.begin(row, prompt);
  }

  /** Other rows, the slots in use first. */
  private arrange(rows: number): void {
    const slots = [...this.rowOf];
    const from = slots.map(([, row]) => row);
    this.past.arrange(rows, from);
    const ids = new Int32Array(rows);
    from.forEach((row, i) => {
      ids[i] = this.ids[row] ?? 0;
    });
    this.ids = ids;
    slots.forEach(([slot], i) => {
      this.rowOf.set(slot, i);
    });
  }

  /** Of numbers by slot [rounds, slots], those by row [rounds, rows]. */
  packed(bySlot: Float32Array): Float32Array {
    const slots = this.shape.rows;
    const byRow = new Float32Array((bySlot.length / slots) * this.rows);
    for (const [slot, row] of this.rowOf)
      for (let i = 0; i * slots < bySlot.length; i++)
        byRow[i * this.rows + row] = bySlot[i * slots + slot] ?? 0;
    return byRow;
  }

  /** The opposite; slots without a row get nothing. */
  unpacked<T extends Int32Array | Float32Array>(byRow: T, bySlot: T): T {
    const slots = this.shape.rows;
    for (const [slot, row] of this.rowOf)
      for (let i = 0; i * slots < bySlot.length; i++)
        bySlot[i * slots + slot] = byRow[i * this.rows + row] ?? 0;
    return bySlot;
  }

  /** Inputs of a slice: the past, the state it begins from, and masks by round. */
  inputs(rounds: number, kinds: readonly LayerKind[]): Tensors {
    const { config } = this.weights;
    const { slice } = this.shape;
    const { past, device, rows } = this;
    const { kvHeads: KV, headDim: D } = config;
    const result: Tensors = { ids: device.host(this.ids.slice(), [rows]) };
    past.keys.forEach((keys, l) => {
      result[pastKey(l)] = device.host(keys, [rows, KV, D, past.size]);
    });
    past.values.forEach((values, l) => {
      result[pastValue(l)] = device.host(values, [rows, KV, past.size, D]);
    });
    for (const name of stateNames(config))
      result[name] ??= device.host(new Float32Array(0), [rows, KV, 0, D]);
    for (const window of windowsOf(kinds)) {
      const shape = [...(window === null ? [] : [rounds]), rows, 1, 1, past.size];
      result[maskInput(window)] = device.host(past.mask(window, rounds), shape);
    }
    const masked = [rows, KV, config.heads / KV, slice];
    const { sizes, room } = sizesByRound(rounds, slice, past.size);
    return {
      ...result,
      masked: device.host(new Float32Array(elements(masked)).fill(MASKED), masked),
      sizes: device.host(sizes, [rounds, 3]),
      room: device.host(room, [rounds, 2]),
    };
  }

  /** Where each row stands in each round: [rounds, rows]. */
  positions(rounds: number): Int32Array {
    const { rows } = this;
    const { lengths } = this.past;
    return Int32Array.from(
      { length: rounds * rows },
      (_, i) => (lengths[i % rows] ?? 0) + Math.floor(i / rows),
    );
  }

  /** Rotary tables by place, [...shape, headDim / 2] each. */
  rotations(positions: ArrayLike<number>, shape: readonly number[]): Tensors {
    const { config } = this.weights;
    const result: Tensors = {};
    config.rope.forEach((rope, i) => {
      const { cos, sin } = rotaryTable(rope, config.headDim, positions);
      result[cosInput(i)] = this.device.host(cos, [...shape, config.headDim / 2]);
      result[sinInput(i)] = this.device.host(sin, [...shape, config.headDim / 2]);
    });
    return result;
  }

  /** Takes in what a slice made: the state as `..._out`, and the tokens [rounds, rows]. */
  async absorb(out: Tensors, tokens: Int32Array): Promise<void> {
    const { rows, past } = this;
    const rounds = tokens.length / rows;
    const used = [...this.rowOf.values()];
    this.ids.set(tokens.subarray((rounds - 1) * rows));
    past.reserve(Math.max(...used.map((row) => past.lengths[row] ?? 0)) + rounds);
    for (let l = 0; l < this.weights.config.layers; l++) {
      const keys = await this.device.readFloats(pick(out, `${recentKey(l)}_out`));
      const values = await this.device.readFloats(pick(out, `${recentValue(l)}_out`));
      past.fold(l, used, rounds, keys, values);
    }
    past.grow(used, rounds);
  }
}

/** Prompts read into host memory. */
export async function hostPrompts(
  device: Device,
  { config }: DecoderWeights,
  prefill: Prefill,
  prompts: readonly (readonly number[])[],
): Promise<HostPrompt[]> {
  const result = prompts.map((ids) => new HostPrompt(ids, 0, [], []));
  for await (const { prompts: members, length, out } of prefill.read(prompts)) {
    const read: Record<string, Float32Array> = {};
    for (const [name, tensor] of Object.entries(out)) read[name] = await device.readFloats(tensor);
    members.forEach((index, i) => {
      result[index] = HostPrompt.of(config, prompts[index] ?? [], length, read, i);
    });
  }
  return result;
}
