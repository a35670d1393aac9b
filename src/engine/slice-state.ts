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
import type { DecoderShape, Drawn, PromptCache } from './row-decoder.ts';

export class SliceState {
  private readonly device: Device;
  private readonly weights: DecoderWeights;
  private readonly shape: DecoderShape;
  private readonly past: PastCache;
  private readonly ids: Int32Array;

  constructor(device: Device, weights: DecoderWeights, shape: DecoderShape) {
    this.device = device;
    this.weights = weights;
    this.shape = shape;
    this.past = new PastCache(weights.config, shape.rows, shape.slice);
    this.ids = new Int32Array(shape.rows);
  }

  /** Rows begin, and those that are wanted no more give up their place. */
  begin(begin: ReadonlyMap<number, PromptCache>, live: readonly boolean[]): void {
    const { lengths } = this.past;
    for (const [slot, wanted] of live.entries()) {
      const prompt = begin.get(slot);
      if (prompt) lengths[slot] = prompt.promptIds.length - 1;
      else if (!wanted) lengths[slot] = 0;
    }
    this.past.reserve(Math.max(...lengths));
    for (const [slot, prompt] of begin) {
      if (!(prompt instanceof HostPrompt)) throw new Error('internal: a prompt of another decoder');
      this.past.begin(slot, prompt);
      this.ids[slot] = prompt.promptIds.at(-1) ?? 0;
    }
  }

  /** Inputs of a slice: the past, the state it begins from, and masks by round. */
  inputs(rounds: number, kinds: readonly LayerKind[]): Tensors {
    const { config } = this.weights;
    const { rows, slice } = this.shape;
    const { past, device } = this;
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
    const { rows } = this.shape;
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

  /** Takes in what a slice made: the state as `..._out`, and what it drew. */
  async absorb(out: Tensors, { tokens }: Drawn, live: readonly boolean[]): Promise<void> {
    const { config } = this.weights;
    const { rows } = this.shape;
    const rounds = tokens.length / rows;
    const slots = live.flatMap((wanted, slot) => (wanted ? [slot] : []));
    this.ids.set(tokens.subarray((rounds - 1) * rows));
    this.past.reserve(Math.max(...slots.map((slot) => this.past.lengths[slot] ?? 0)) + rounds);
    for (let l = 0; l < config.layers; l++) {
      const keys = await this.device.readFloats(pick(out, `${recentKey(l)}_out`));
      const values = await this.device.readFloats(pick(out, `${recentValue(l)}_out`));
      this.past.fold(l, slots, rounds, keys, values);
    }
    this.past.grow(slots, rounds);
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
