/** Decoding on WASM: a slice of rounds is one run of a loop, with the weights built in. */
import { kindsWithin, type LayerKind } from '../model/config.ts';
import { sliceWithin } from '../model/decode-round.ts';
import { loopGraph, POSITIONS } from '../model/loop-graph.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import { type Device, type Program, pick, type Tensors } from './device.ts';
import type { Prefill } from './prefill.ts';
import type { DecoderShape, Drawn, PromptCache, RowDecoder } from './row-decoder.ts';
import { hostPrompts, SliceState } from './slice-state.ts';

export class LoopDecoder implements RowDecoder {
  readonly shape: DecoderShape;
  readonly exact = true;
  private readonly device: Device;
  private readonly weights: DecoderWeights;
  private readonly reader: Prefill;
  private readonly state: SliceState;
  private readonly kinds: readonly LayerKind[];
  /** Rotary tables of all places. */
  private readonly tables: Tensors;
  private compiled: Promise<Program> | null = null;

  constructor(device: Device, weights: DecoderWeights, reader: Prefill, given: DecoderShape) {
    this.device = device;
    this.weights = weights;
    this.reader = reader;
    this.kinds = kindsWithin(weights.config.layerKinds, given.room);
    const shape = { ...given, slice: sliceWithin(given.slice, this.kinds) };
    this.shape = shape;
    this.state = new SliceState(device, weights, shape);
    const places = Int32Array.from({ length: shape.room + shape.slice }, (_, i) => i);
    this.tables = this.state.rotations(places, [places.length]);
  }

  prefill(prompts: readonly (readonly number[])[]): Promise<PromptCache[]> {
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
    const out = await program.run({
      ...this.weights.bound,
      ...state.inputs(rounds, this.kinds),
      ...this.tables,
      [POSITIONS]: device.host(BigInt64Array.from(state.positions(rounds), BigInt), [rounds, rows, 1]),
      u: device.host(u, [rounds, rows]),
      trips: device.host(BigInt64Array.of(BigInt(rounds)), []),
      go_on: device.host(Uint8Array.of(1), []),
    });
    const drawn = {
      tokens: await device.readInts(pick(out, 'tokens')),
      logps: await device.readFloats(pick(out, 'logps')),
    };
    await state.absorb(out, drawn, live);
    return drawn;
  }

  private program(): Promise<Program> {
    const { config } = this.weights;
    const { slice, rule } = this.shape;
    if (!this.compiled) {
      const shape = { slice, kinds: this.kinds };
      const program = this.device.compile(loopGraph(config, shape, rule, (g) => this.weights.fused(g)));
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
