/** Decoding on WASM: a slice of rounds is one run of a loop, with the weights built in. */
import { kindsWithin, type LayerKind } from '../model/config.ts';
import { sliceWithin } from '../model/decode-round.ts';
import { loopGraph, POSITIONS } from '../model/loop-graph.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import { type Device, type Program, pick, type Tensors } from './device.ts';
import type { Prefill } from './prefill.ts';
import type { ProgramShelf } from './program-shelf.ts';
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
  private readonly programs: ProgramShelf;

  /** @param programs where the compiled loop stays: it serves decoders of any room and number of rows */
  constructor(
    device: Device,
    weights: DecoderWeights,
    reader: Prefill,
    given: DecoderShape,
    programs: ProgramShelf,
  ) {
    this.programs = programs;
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
    const rounds = u.length / this.shape.rows;
    const program = await this.program();
    state.begin(begin, live);
    const { rows } = state;
    const out = await program.run({
      ...this.weights.bound,
      ...state.inputs(rounds, this.kinds),
      ...this.tables,
      [POSITIONS]: device.host(BigInt64Array.from(state.positions(rounds), BigInt), [rounds, rows, 1]),
      u: device.host(state.packed(u), [rounds, rows]),
      trips: device.host(BigInt64Array.of(BigInt(rounds)), []),
      go_on: device.host(Uint8Array.of(1), []),
    });
    const tokens = await device.readInts(pick(out, 'tokens'));
    const logps = await device.readFloats(pick(out, 'logps'));
    await state.absorb(out, tokens);
    const total = rounds * this.shape.rows;
    return {
      tokens: state.unpacked(tokens, new Int32Array(total)),
      logps: state.unpacked(logps, new Float32Array(total)),
    };
  }

  private program(): Promise<Program> {
    const { config } = this.weights;
    const { slice, rule } = this.shape;
    const key = JSON.stringify([slice, this.kinds, rule]);
    return this.programs.get(key, () =>
      loopGraph(config, { slice, kinds: this.kinds }, rule, (g) => this.weights.fused(g)),
    );
  }

  async dispose(): Promise<void> {}
}
