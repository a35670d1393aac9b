/**
 * Decoding on a GPU: one run a round, keys and values in buffers that stay. What the rounds of a slice need is written
 * before the first, the token drawn in one is handed to the next where it lies, and what was drawn is read when the
 * slice is over: within it nothing is made, nothing is read and nothing waits.
 */
import type { Tensor } from 'onnxruntime-web';
import { rotaryTable } from '../model/batch.ts';
import { kindsWithin } from '../model/config.ts';
import { keyName, valueName } from '../model/prefill-graph.ts';
import { joinAdapter } from '../model/step-adapter.ts';
import {
  cachedDim,
  cachedKey,
  cachedValue,
  cacheShape,
  type StepShape,
  stepGraph,
  written,
} from '../model/step-graph.ts';
import { cosInput, sinInput } from '../model/training-graphs.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import { type Device, dispose, type Program, pick, type Tensors } from './device.ts';
import type { Copied, GpuMemory, Reader } from './gpu-memory.ts';
import type { Prefill, Read } from './prefill.ts';
import type { DecoderShape, Drawn, PromptCache, RowDecoder } from './row-decoder.ts';

/** Tensors of one round of a slice. */
interface Round {
  readonly u: Tensor;
  readonly before: Tensor;
  readonly positions: Tensor;
  /** What the round draws. */
  readonly ids: Tensor;
  readonly logps: Tensor;
}

/** What the next round of a slot goes on from. */
interface Slot {
  id: number;
  /** Tokens before it. */
  before: number;
}

/** Keys and values of prompts that were read together, kept until the last of them is let go. */
class GpuPrompt implements PromptCache {
  private held = true;

  constructor(
    readonly promptIds: readonly number[],
    readonly read: Read | null,
    /** Which of those read together. */
    readonly index: number,
    private readonly letGo: () => void,
  ) {}

  dispose(): void {
    if (this.held) this.letGo();
    this.held = false;
  }
}

export class StepDecoder implements RowDecoder {
  readonly shape: DecoderShape;
  /** Prompts read together may change one another's last bits. */
  readonly exact = false;
  private readonly device: Device;
  private readonly memory: GpuMemory;
  private readonly weights: DecoderWeights;
  private readonly prompts: Prefill;
  private readonly step: StepShape;
  private readonly rounds: readonly Round[];
  /** The tokens that a slice goes on from. */
  private readonly first: Tensor;
  /** Keys and values under their inputs' names. */
  private readonly caches: Tensors = {};
  /** The adapter and the rotary tables. */
  private readonly own: Tensors = {};
  private readonly drawn: Reader;
  private readonly slots: readonly Slot[];
  private compiled: Promise<Program> | null = null;

  constructor(device: Device, weights: DecoderWeights, prompts: Prefill, shape: DecoderShape) {
    const { memory } = device;
    if (!memory) throw new Error('internal: no GPU to decode on');
    const { config, lora, adapter } = weights;
    const { rows, room, slice } = shape;
    this.device = device;
    this.memory = memory;
    this.weights = weights;
    this.prompts = prompts;
    this.shape = shape;
    this.step = { rows, room, kinds: kindsWithin(config.layerKinds, room) };
    this.slots = Array.from({ length: rows }, () => ({ id: 0, before: 0 }));
    for (const { name, data, shape: size } of adapter ? joinAdapter(config, lora, adapter) : [])
      this.own[name] = memory.upload(data, size);
    const places = Int32Array.from({ length: room }, (_, i) => i);
    config.rope.forEach((rope, i) => {
      const { cos, sin } = rotaryTable(rope, config.headDim, places);
      this.own[cosInput(i)] = memory.upload(cos, [room, config.headDim / 2]);
      this.own[sinInput(i)] = memory.upload(sin, [room, config.headDim / 2]);
    });
    for (let layer = 0; layer < config.layers; layer++) {
      for (const name of [cachedKey(layer), cachedValue(layer)])
        this.caches[name] = memory.zeros('float32', cacheShape(config, this.step));
    }
    this.first = memory.zeros('int32', [rows]);
    this.rounds = Array.from({ length: slice }, () => ({
      u: memory.zeros('float32', [rows]),
      before: memory.zeros('int32', [rows]),
      positions: memory.zeros('int64', [rows, 1]),
      ids: memory.zeros('int32', [rows]),
      logps: memory.zeros('float32', [rows]),
    }));
    this.drawn = memory.reader(this.rounds.flatMap(({ ids, logps }) => [ids, logps]));
  }

  async prefill(prompts: readonly (readonly number[])[]): Promise<PromptCache[]> {
    const caches = prompts.map((ids) => new GpuPrompt(ids, null, 0, () => {}));
    for await (const read of this.prompts.read(prompts)) {
      let held = read.prompts.length;
      const letGo = () => {
        held--;
        if (held === 0) dispose(...Object.values(read.out));
      };
      read.prompts.forEach((prompt, index) => {
        caches[prompt] = new GpuPrompt(prompts[prompt] ?? [], read, index, letGo);
      });
    }
    return caches;
  }

  async decode(
    begin: ReadonlyMap<number, PromptCache>,
    live: readonly boolean[],
    u: Float32Array,
  ): Promise<Drawn> {
    const { rows } = this.shape;
    const count = u.length / rows;
    const program = await this.program();
    this.begin(begin);
    this.write(live, u);
    const inputs: Tensors = { ...this.weights.bound, ...this.own, ...this.caches };
    const caches = Object.fromEntries(
      Object.entries(this.caches).map(([name, tensor]) => [written(name), tensor] as const),
    );
    let ids = this.first;
    for (const round of this.rounds.slice(0, count)) {
      const { u: uniform, before, positions } = round;
      await program.run(
        { ...inputs, ids, before, positions, u: uniform },
        { ...caches, [written('ids')]: round.ids, logps: round.logps },
      );
      ids = round.ids;
    }
    const bytes = await this.device.exclusive(() => this.drawn.read(2 * count));
    const drawn = { tokens: new Int32Array(count * rows), logps: new Float32Array(count * rows) };
    for (let round = 0; round < count; round++) {
      drawn.tokens.set(new Int32Array(bytes, 8 * round * rows, rows), round * rows);
      drawn.logps.set(new Float32Array(bytes, (8 * round + 4) * rows, rows), round * rows);
    }
    this.slots.forEach((slot, i) => {
      if (!live[i]) return;
      slot.id = drawn.tokens[(count - 1) * rows + i] ?? 0;
      slot.before += count;
    });
    return drawn;
  }

  /** Puts prompts into slots: their last token to go on from, and what the ones before it left. */
  private begin(begin: ReadonlyMap<number, PromptCache>): void {
    const pieces: Copied[] = [];
    for (const [at, cache] of begin) {
      if (!(cache instanceof GpuPrompt)) throw new Error('internal: a prompt that was read elsewhere');
      const slot = this.slots[at];
      if (!slot) throw new Error(`internal: no slot ${at}`);
      slot.before = cache.promptIds.length - 1;
      slot.id = cache.promptIds[slot.before] ?? 0;
      if (cache.read) pieces.push(...this.copies(at, cache.index, slot.before, cache.read));
    }
    this.memory.copy(pieces);
  }

  private copies(slot: number, prompt: number, tokens: number, { out, length }: Read): Copied[] {
    const { config } = this.weights;
    const { kvHeads, headDim } = config;
    const { room } = this.step;
    const wide = cachedDim(config);
    const pairs = Array.from({ length: config.layers }, (_, layer): [string, string][] => [
      [keyName(layer), cachedKey(layer)],
      [valueName(layer), cachedValue(layer)],
    ]).flat();
    // Where heads are widened, each token of a head stands by itself.
    const runs = wide === headDim ? 1 : tokens;
    return pairs.flatMap(([read, cached]) =>
      Array.from({ length: kvHeads * runs }, (_, i) => {
        const [head, run] = [Math.floor(i / runs), i % runs];
        return {
          from: pick(out, read),
          fromAt: ((prompt * kvHeads + head) * length + run) * headDim,
          to: pick(this.caches, cached),
          toAt: ((slot * kvHeads + head) * room + run) * wide,
          count: (tokens / runs) * headDim,
        };
      }),
    );
  }

  /** What the rounds of a slice need of the host. Rows that are done stay where they are. */
  private write(live: readonly boolean[], u: Float32Array): void {
    const { memory, slots } = this;
    const { rows, room } = this.shape;
    memory.write(
      this.first,
      0,
      Int32Array.from(slots, ({ id }) => id),
    );
    this.rounds.slice(0, u.length / rows).forEach((round, i) => {
      const before = Int32Array.from(slots, (slot, row) =>
        Math.min(slot.before + (live[row] ? i : 0), room - 1),
      );
      memory.write(round.u, 0, u.subarray(i * rows, (i + 1) * rows));
      memory.write(round.before, 0, before);
      memory.write(round.positions, 0, BigInt64Array.from(before, BigInt));
    });
  }

  private program(): Promise<Program> {
    const { config, lora, adapter } = this.weights;
    if (!this.compiled) {
      const graph = stepGraph(config, this.step, this.shape.rule, adapter ? lora : null, (g) =>
        this.weights.baseInputs(g),
      );
      const program = this.device.compile(graph);
      program.catch(() => {
        this.compiled = null;
      });
      this.compiled = program;
    }
    return this.compiled;
  }

  async dispose(): Promise<void> {
    const { compiled } = this;
    this.compiled = null;
    for (const { u, before, positions, ids, logps } of this.rounds) dispose(u, before, positions, ids, logps);
    dispose(this.first, ...Object.values(this.caches), ...Object.values(this.own));
    this.drawn.dispose();
    await (await compiled)?.release();
  }
}
