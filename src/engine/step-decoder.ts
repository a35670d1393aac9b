/** Decoding on WebGPU: one run a round, what it made stays on the device until the slice ends. */
import { kindsWithin, type LayerKind } from '../model/config.ts';
import { stateNames } from '../model/decode-round.ts';
import { stepGraph } from '../model/step-graph.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import { type Device, dispose, type Program, pick, type Tensors } from './device.ts';
import type { Prefill } from './prefill.ts';
import type { DecoderShape, Drawn, PromptCache, RowDecoder } from './row-decoder.ts';
import { hostPrompts, SliceState } from './slice-state.ts';

/** Inputs that hold all rounds of a slice, of which each step takes its own. */
const BY_ROUND = /^(cos|sin|mask)\d*$/;

export class StepDecoder implements RowDecoder {
  readonly shape: DecoderShape;
  readonly exact = false;
  private readonly device: Device;
  private readonly weights: DecoderWeights;
  private readonly reader: Prefill;
  private readonly state: SliceState;
  private readonly kinds: readonly LayerKind[];
  private compiled: Promise<Program> | null = null;

  constructor(device: Device, weights: DecoderWeights, reader: Prefill, shape: DecoderShape) {
    this.device = device;
    this.weights = weights;
    this.reader = reader;
    this.shape = shape;
    this.state = new SliceState(device, weights, shape);
    this.kinds = kindsWithin(weights.config.layerKinds, shape.room);
  }

  async prefill(prompts: readonly (readonly number[])[]): Promise<PromptCache[]> {
    return hostPrompts(this.device, this.weights, this.reader, prompts);
  }

  async decode(
    begin: ReadonlyMap<number, PromptCache>,
    live: readonly boolean[],
    u: Float32Array,
  ): Promise<Drawn> {
    const { device, state } = this;
    const { rows } = this.shape;
    const rounds = u.length / rows;
    const program = await this.program();
    state.begin(begin, live);
    const names = [...stateNames(this.weights.config), 'tokens', 'logps'];
    const { fixed, byRound } = this.uploaded({
      ...state.inputs(rounds, this.kinds),
      ...state.rotations(state.positions(rounds), [rounds, rows, 1]),
    });
    let current: Tensors = {
      tokens: device.host(new Int32Array(0), [0, rows]),
      logps: device.host(new Float32Array(0), [0, rows]),
    };
    try {
      for (let round = 0; round < rounds; round++) {
        const out = await program.run({
          ...this.weights.bound,
          ...fixed,
          ...byRound(round),
          u: device.host(u.slice(round * rows, (round + 1) * rows), [rows]),
          ...current,
        });
        dispose(...Object.values(current));
        current = Object.fromEntries(names.map((name) => [name, pick(out, `${name}_out`)]));
      }
      const drawn = {
        tokens: await device.readInts(pick(current, 'tokens')),
        logps: await device.readFloats(pick(current, 'logps')),
      };
      const out = Object.fromEntries(Object.entries(current).map(([name, t]) => [`${name}_out`, t]));
      await state.absorb(out, drawn, live);
      return drawn;
    } finally {
      dispose(...Object.values(current), ...Object.values(fixed));
    }
  }

  /** What all rounds share goes to the device once. */
  private uploaded(inputs: Tensors): { fixed: Tensors; byRound: (round: number) => Tensors } {
    const fixed: Tensors = {};
    const rounds: Tensors = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      if (BY_ROUND.test(name)) rounds[name] = tensor;
      else if (tensor.data instanceof Float32Array || tensor.data instanceof Int32Array)
        fixed[name] = this.device.upload(tensor.data, tensor.dims);
    }
    const byRound = (round: number): Tensors =>
      Object.fromEntries(
        Object.entries(rounds).map(([name, { data, dims }]) => {
          if (!(data instanceof Float32Array)) throw new Error(`internal: ${name} is not float32`);
          const [, ...shape] = dims;
          const size = shape.reduce((a, b) => a * b, 1);
          return [name, this.device.host(data.slice(round * size, (round + 1) * size), shape)];
        }),
      );
    return { fixed, byRound };
  }

  private program(): Promise<Program> {
    const { config } = this.weights;
    const { slice, rule } = this.shape;
    if (!this.compiled) {
      const shape = { slice, kinds: this.kinds };
      const program = this.device.compile(stepGraph(config, shape, rule, (g) => this.weights.inputs(g)));
      program.catch(() => {
        this.compiled = null;
      });
      this.compiled = program;
    }
    return this.compiled;
  }

  async dispose(): Promise<void> {
    await (await this.compiled)?.release();
    this.compiled = null;
  }
}
