/** Forward and backward passes of one micro-batch: embedding, segments of layers, head, and back. */
import type { Tensor } from 'onnxruntime-web';
import type { MicroBatch } from '../model/batch.ts';
import { type Geometry, geometryKey, responseTotal, rowTotal } from '../model/block.ts';
import type { LayerKind, ModelConfig } from '../model/config.ts';
import {
  embeddingBackwardGraph,
  embeddingGraph,
  frozenHeadGraph,
  headTable,
  seedGraph,
  trainedHeadGraphs,
} from '../model/end-graphs.ts';
import { FLOAT32, type Numbers, weightParts } from '../model/matrix.ts';
import {
  EMBEDDING,
  FINAL_NORM,
  layerName,
  layerWeights,
  layoutKey,
  type ParameterShape,
  type TrainingMode,
} from '../model/parameters.ts';
import {
  frozenInput,
  gradientSum,
  kindsKey,
  renameSaved,
  scoringGraph,
  segmentGraphs,
  thetaInput,
} from '../model/training-graphs.ts';
import { BatchInputs, type Bound } from './batch-inputs.ts';
import { type Device, dispose, pick, type Tensors } from './device.ts';
import type { TrainedUnits, UnitState } from './trained-units.ts';
import type { Group } from './types.ts';

export interface PassOptions {
  readonly config: ModelConfig;
  readonly mode: TrainingMode;
  /** Frozen weights on the device, by Hugging Face name (LoRA training); none in full training. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Layers in one graph. */
  readonly segment: number;
  /** Keep matrix products for the backward pass (more memory) or compute them again. */
  readonly keep: boolean;
}

/** What the forward pass leaves for the backward pass. */
interface Trace {
  /** Inputs of every segment, and what it wants kept. */
  readonly segments: { x: Tensor; saved: Tensors }[];
  readonly top: Tensor;
}

export class Passes {
  private readonly layout: string;
  private readonly inputs: BatchInputs;

  constructor(
    private readonly device: Device,
    private readonly options: PassOptions,
    private readonly units: TrainedUnits,
  ) {
    this.layout = layoutKey(options.config, options.mode);
    this.inputs = new BatchInputs(device, options.config);
  }

  bind(groups: readonly Group[], batch: MicroBatch): Bound {
    return this.inputs.bind(groups, batch);
  }

  dispose(): void {
    this.inputs.dispose();
  }

  private get full(): boolean {
    return this.options.mode.kind === 'full';
  }

  /** State of the embedding's unit, in full training. */
  private get embeddingUnit(): UnitState {
    return this.units.at(this.options.config.layers);
  }

  private weight(name: string): Tensor {
    const tensor = this.options.weights.get(name);
    if (!tensor) throw new Error(`internal: weight ${name} is not on the device`);
    return tensor;
  }

  private get numbers(): Numbers {
    const { mode } = this.options;
    return (mode.kind === 'lora' && mode.numbers) || FLOAT32;
  }

  /** The parts that a frozen weight is kept in, by the names of a graph's inputs. */
  private frozen(weight: ParameterShape, prefix = '', stored = (name: string) => name): Tensors {
    const parts = weightParts(this.numbers.precision, weight);
    return Object.fromEntries(parts.map(({ name }) => [prefix + name, this.weight(stored(name))]));
  }

  async embed({ batch, ids }: Bound): Promise<Tensor> {
    const { config } = this.options;
    const rows = rowTotal(batch.geometry);
    const program = await this.device.program(`embed ${this.layout} ${rows}`, () =>
      embeddingGraph(config, rows, this.full, this.numbers),
    );
    const table: Tensors = this.full
      ? { theta: this.embeddingUnit.parameters }
      : this.frozen({ name: EMBEDDING, shape: [config.vocabSize, config.hiddenSize] });
    return pick(await program.run({ ids, ...table }), 'x');
  }

  private get segmentStarts(): number[] {
    const { config, segment } = this.options;
    return Array.from({ length: Math.ceil(config.layers / segment) }, (_, i) => i * segment);
  }

  private layersFrom(start: number): number {
    return this.kindsFrom(start).length;
  }

  /** Kinds of a segment's layers; segments of the same kinds share their programs. */
  private kindsFrom(start: number): readonly LayerKind[] {
    return this.options.config.layerKinds.slice(start, start + this.options.segment);
  }

  private layerInputs(start: number): Tensors {
    const { config, mode } = this.options;
    const inputs: Tensors = {};
    for (let slot = 0; slot < this.layersFrom(start); slot++) {
      inputs[thetaInput(slot)] = this.units.at(start + slot).parameters;
      if (mode.kind === 'full') continue;
      for (const weight of layerWeights(config))
        Object.assign(
          inputs,
          this.frozen(weight, frozenInput(slot, ''), (name) => layerName(start + slot, name)),
        );
    }
    return inputs;
  }

  private async segment(s: Geometry, start: number) {
    const { config, mode, keep } = this.options;
    const kinds = this.kindsFrom(start);
    const wantDx = start > 0 || this.full;
    const key = `${this.layout} ${geometryKey(s)} ${kindsKey(kinds)} ${keep ? 'keep' : 'again'} ${wantDx ? 'dx' : ''}`;
    // Both graphs come from one derivation, done only where either is not compiled yet.
    let made: ReturnType<typeof segmentGraphs> | undefined;
    const make = () => {
      made ??= segmentGraphs(config, mode, s, kinds, { keep, wantDx });
      return made;
    };
    const forward = await this.device.program(`forward ${key}`, () => make().forward);
    const backward = await this.device.program(`backward ${key}`, () => make().backward);
    return { forward, backward };
  }

  async forward(bound: Bound, input: Tensor, training: boolean): Promise<Trace> {
    const s = bound.batch.geometry;
    const segments: Trace['segments'] = [];
    let x = input;
    for (const start of this.segmentStarts) {
      if (training) {
        const { forward } = await this.segment(s, start);
        const { y, ...saved } = await forward.run({ x, ...bound.positions, ...this.layerInputs(start) });
        if (!y) throw new Error('internal: no output y');
        segments.push({ x, saved: renameSaved(saved) });
        x = y;
      } else {
        const y = await this.score(bound, x, start);
        dispose(x);
        x = y;
      }
    }
    return { segments, top: x };
  }

  /** Frees what a forward pass left, where no backward pass follows. */
  drop({ segments, top }: Trace): void {
    dispose(top, ...segments.flatMap(({ x, saved }) => [x, ...Object.values(saved)]));
  }

  /** Where a forward pass, layer by layer, first gives a number that is not finite; see the trainer's. */
  async brokenAt(bound: Bound): Promise<string | null> {
    if (this.options.segment > 1)
      return new Passes(this.device, { ...this.options, segment: 1 }, this.units).brokenAt(bound);
    const finite = async (x: Tensor) => (await this.device.readFloats(x)).every(Number.isFinite);
    let x = await this.embed(bound);
    try {
      if (!(await finite(x))) return 'the embedding';
      for (const layer of this.segmentStarts) {
        const y = await this.score(bound, x, layer);
        dispose(x);
        x = y;
        if (!(await finite(x))) return `layer ${layer}`;
      }
      const { logps } = await this.head(bound, x, false);
      return logps.every(Number.isFinite) ? null : 'the head';
    } finally {
      dispose(x);
    }
  }

  /** The layers from `start`, forward only. */
  private async score(bound: Bound, x: Tensor, start: number): Promise<Tensor> {
    const { config, mode } = this.options;
    const s = bound.batch.geometry;
    const kinds = this.kindsFrom(start);
    const program = await this.device.program(
      `score ${this.layout} ${geometryKey(s)} ${kindsKey(kinds)}`,
      () => scoringGraph(config, mode, s, kinds),
    );
    return pick(await program.run({ x, ...bound.positions, ...this.layerInputs(start) }), 'y');
  }

  async head(
    { batch, labels }: Bound,
    x: Tensor,
    training: boolean,
  ): Promise<{ logps: Float32Array; unit: Tensor | null }> {
    const { config } = this.options;
    const s = batch.geometry;
    let out: Tensors;
    if (this.full) {
      const program = await this.device.program(
        `head ${this.layout} ${geometryKey(s)}`,
        () => trainedHeadGraphs(config, s).forward,
      );
      out = await program.run({ x, labels, ...this.headParameters() });
    } else {
      const program = await this.device.program(`head ${this.layout} ${geometryKey(s)} ${training}`, () =>
        frozenHeadGraph(config, s, training, this.numbers),
      );
      out = await program.run({
        x,
        labels,
        norm: this.weight(FINAL_NORM),
        ...this.frozen(headTable(config)),
      });
    }
    const logps = pick(out, 'logps');
    const data = (await this.device.readFloats(logps)).slice();
    dispose(logps);
    return { logps: data, unit: out.unit ?? null };
  }

  private headParameters(): Tensors {
    const { config } = this.options;
    const theta = this.embeddingUnit.parameters;
    return config.tiedEmbeddings ? { theta } : { theta, head: this.units.at(config.layers + 1).parameters };
  }

  async back(bound: Bound, trace: Trace, coefficients: Float32Array, unit: Tensor | null): Promise<void> {
    const s = bound.batch.geometry;
    let dy = await this.headBack(bound, trace.top, coefficients, unit);
    dispose(trace.top);
    for (const start of this.segmentStarts.toReversed()) {
      const { backward } = await this.segment(s, start);
      const kept = trace.segments.pop();
      if (!kept) throw new Error('internal: no trace');
      const sums: Tensors = {};
      const count = this.layersFrom(start);
      for (let slot = 0; slot < count; slot++)
        sums[gradientSum(slot)] = this.units.at(start + slot).sum ?? this.units.at(start + slot).zero;
      const out = await backward.run({
        x: kept.x,
        dy,
        ...bound.positions,
        ...this.layerInputs(start),
        ...kept.saved,
        ...sums,
      });
      for (const tensor of [kept.x, dy, ...Object.values(kept.saved)]) dispose(tensor);
      for (let slot = 0; slot < count; slot++)
        this.units.replaceSum(this.units.at(start + slot), pick(out, `${gradientSum(slot)}_out`));
      if (out.dx) dy = out.dx;
    }
    if (this.full) {
      const { config } = this.options;
      const rows = rowTotal(s);
      const program = await this.device.program(`unembed ${this.layout} ${rows}`, () =>
        embeddingBackwardGraph(config, rows),
      );
      const sum = this.embeddingUnit.sum ?? this.embeddingUnit.zero;
      const out = await program.run({ ids: bound.ids, dx: dy, sum });
      this.units.replaceSum(this.embeddingUnit, pick(out, 'sum_out'));
      dispose(dy);
    }
  }

  private async headBack(
    { batch, labels }: Bound,
    x: Tensor,
    coefficients: Float32Array,
    unit: Tensor | null,
  ): Promise<Tensor> {
    const { config } = this.options;
    const s = batch.geometry;
    const rows = responseTotal(s);
    if (unit) {
      const program = await this.device.program(`seed ${this.layout} ${geometryKey(s)}`, () =>
        seedGraph(config, s),
      );
      const out = await program.run({
        unit,
        coefficients: this.inputs.put('coefficients', coefficients, [rows, 1]),
      });
      dispose(unit);
      return pick(out, 'dx');
    }
    const program = await this.device.program(
      `headback ${this.layout} ${geometryKey(s)}`,
      () => trainedHeadGraphs(config, s).backward,
    );
    const embedding = this.embeddingUnit;
    const head = config.tiedEmbeddings ? null : this.units.at(config.layers + 1);
    const out = await program.run({
      x,
      labels,
      coefficients: this.inputs.put('coefficients', coefficients, [rows]),
      ...this.headParameters(),
      sum: embedding.sum ?? embedding.zero,
      ...(head ? { head_sum: head.sum ?? head.zero } : {}),
    });
    this.units.replaceSum(embedding, pick(out, 'sum_out'));
    if (head) this.units.replaceSum(head, pick(out, 'head_sum_out'));
    return pick(out, 'dx');
  }
}
