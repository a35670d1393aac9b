/** Training on a device: micro-batches through segments of layers, forward and back, then AdamW. */
import type { Tensor } from 'onnxruntime-web';
import { batchTensors, type MicroBatch, planMicroBatches, responseRow } from '../model/batch.ts';
import { type Geometry, geometryKey, responseTotal, rowTotal } from '../model/block.ts';
import type { LayerKind, ModelConfig } from '../model/config.ts';
import { adamWGraph, adamWRates, squaredNormGraph } from '../model/optimizer.ts';
import {
  EMBEDDING,
  elements,
  FINAL_NORM,
  HEAD,
  layerName,
  layerWeights,
  layoutKey,
  type ParameterShape,
  type TrainingMode,
  unitSize,
  units,
} from '../model/parameters.ts';
import {
  cosInput,
  embeddingBackwardGraph,
  embeddingGraph,
  frozenHeadGraph,
  frozenInput,
  gradientSum,
  kindsKey,
  maskInput,
  renameSaved,
  scoringGraph,
  seedGraph,
  segmentGraphs,
  sinInput,
  thetaInput,
  trainedHeadGraphs,
} from '../model/training-graphs.ts';
import type { Device, Tensors } from './device.ts';
import type { Group, GroupLoss, OptimiserSettings, StepResult, Trainer, TrainerState } from './types.ts';

export interface TrainerOptions {
  readonly config: ModelConfig;
  readonly mode: TrainingMode;
  readonly optimiser: OptimiserSettings;
  /** Frozen weights on the device, by Hugging Face name (LoRA training); none in full training. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Starting values, one flat vector a unit. */
  readonly parameters: readonly Float32Array[];
  /** Padded tokens a micro-batch at most. */
  readonly maxRows: number;
  /** Layers in one graph. */
  readonly segment: number;
  /** Keep matrix products for the backward pass (more memory) or compute them again. */
  readonly keep: boolean;
}

interface UnitState {
  parameters: Tensor;
  m: Tensor;
  v: Tensor;
  /** Sum of the gradients of this step; null before the first micro-batch. */
  sum: Tensor | null;
  readonly zero: Tensor;
  readonly decayed: Tensor;
  readonly size: number;
}

/** What the forward pass leaves for the backward pass. */
interface Trace {
  /** Inputs of every segment, and what it wants kept. */
  readonly segments: { x: Tensor; saved: Tensors }[];
  readonly top: Tensor;
}

interface Bound {
  readonly batch: MicroBatch;
  readonly ids: Tensor;
  readonly labels: Tensor;
  readonly positions: Tensors;
}

export interface GradientResult extends StepResult {
  /** One flat vector a unit. */
  readonly gradients: Float32Array[];
}

/** A trainer and, for tests, its raw gradients. */
export class DeviceTrainer implements Trainer {
  private readonly units: UnitState[];
  private readonly shapes: ParameterShape[][];
  private readonly layout: string;
  private step_ = 0;

  private readonly device: Device;
  private readonly options: TrainerOptions;

  constructor(device: Device, options: TrainerOptions) {
    this.device = device;
    this.options = options;
    const { config, mode, parameters } = options;
    this.shapes = units(config, mode);
    this.layout = layoutKey(config, mode);
    if (parameters.length !== this.shapes.length) {
      throw new Error(`${parameters.length} parameter vectors for ${this.shapes.length} units`);
    }
    this.units = this.shapes.map((shape, i) => this.makeUnit(shape, parameters[i] ?? new Float32Array(0)));
  }

  private makeUnit(shape: readonly ParameterShape[], parameters: Float32Array): UnitState {
    const size = unitSize(shape);
    const zeros = () => this.device.upload(new Float32Array(size), [size]);
    return {
      parameters: this.device.upload(parameters.slice(), [size]),
      m: zeros(),
      v: zeros(),
      zero: zeros(),
      sum: null,
      decayed: this.device.upload(decayedMask(shape), [size]),
      size,
    };
  }

  async logps(groups: readonly Group[], signal?: AbortSignal): Promise<Float32Array[][]> {
    const result: Float32Array[][] = groups.map(() => []);
    for (const batch of this.plan(groups)) {
      signal?.throwIfAborted();
      const bound = this.bind(groups, batch);
      const x = await this.embed(bound);
      const trace = await this.forward(bound, x, false);
      const { logps } = await this.head(bound, trace.top, false);
      dispose(trace.top);
      this.split(groups, batch, logps, result);
    }
    return result;
  }

  async step(
    groups: readonly Group[],
    loss: GroupLoss,
    learningRate: number,
    signal?: AbortSignal,
  ): Promise<StepResult> {
    try {
      const { loss: value, metrics, tokens } = await this.accumulate(groups, loss, signal);
      const gradNorm = await this.update(learningRate);
      return { loss: value, gradNorm, metrics, tokens };
    } finally {
      this.dropSums();
    }
  }

  /** Loss and gradients of a step, without taking it. */
  async gradients(groups: readonly Group[], loss: GroupLoss): Promise<GradientResult> {
    const result = await this.accumulate(groups, loss);
    const gradients: Float32Array[] = [];
    for (const unit of this.units)
      gradients.push((await this.device.readFloats(unit.sum ?? unit.zero)).slice());
    this.dropSums();
    return {
      ...result,
      gradNorm: Math.sqrt(gradients.flatMap((d) => [...d]).reduce((a, x) => a + x * x, 0)),
      gradients,
    };
  }

  private async accumulate(groups: readonly Group[], loss: GroupLoss, signal?: AbortSignal) {
    let value = 0;
    let tokens = 0;
    const metrics: Record<string, number> = {};
    this.dropSums();
    for (const batch of this.plan(groups)) {
      signal?.throwIfAborted();
      const bound = this.bind(groups, batch);
      const trace = await this.forward(bound, await this.embed(bound), true);
      const { logps, unit } = await this.head(bound, trace.top, true);
      const rows: Float32Array[][] = groups.map(() => []);
      this.split(groups, batch, logps, rows);
      const coefficients = new Float32Array(responseTotal(batch.geometry));
      batch.members.forEach((member, slot) => {
        const responses = rows[member] ?? [];
        const result = loss(
          member,
          responses.map((r) => r.reduce((a, b) => a + b, 0)),
        );
        value += result.loss;
        for (const [key, x] of Object.entries(result.metrics))
          metrics[key] = (metrics[key] ?? 0) + x / groups.length;
        responses.forEach((response, r) => {
          const start = responseRow(batch.geometry, slot, r);
          coefficients.fill(result.coefficients[r] ?? 0, start, start + response.length);
          tokens += response.length;
        });
        tokens += (groups[member]?.promptIds.length ?? 1) - 1;
      });
      await this.back(bound, trace, coefficients, unit);
    }
    return { loss: value, metrics, tokens };
  }

  private plan(groups: readonly Group[]): MicroBatch[] {
    return planMicroBatches(groups, this.options.config.contextLength, this.options.maxRows);
  }

  private bind(groups: readonly Group[], batch: MicroBatch): Bound {
    const { config } = this.options;
    const s = batch.geometry;
    const t = batchTensors(config, groups, batch);
    const positions: Tensors = {};
    t.rotations.forEach(({ cos, sin }, rope) => {
      const shape = [rowTotal(s), 1, config.headDim / 2];
      positions[cosInput(rope)] = this.device.host(cos, shape);
      positions[sinInput(rope)] = this.device.host(sin, shape);
    });
    for (const { window, mask } of t.masks) {
      const shape = [s.groups, 1, s.responseRows, s.promptRows + s.responseRows];
      positions[maskInput(window)] = this.device.host(mask, shape);
    }
    return {
      batch,
      ids: this.device.host(t.ids, [rowTotal(s)]),
      labels: this.device.host(t.labels, [responseTotal(s)]),
      positions,
    };
  }

  /** Per-token log-probabilities out of the padded rows, into [group][response]. */
  private split(
    groups: readonly Group[],
    batch: MicroBatch,
    logps: Float32Array,
    into: Float32Array[][],
  ): void {
    batch.members.forEach((member, slot) => {
      into[member] = (groups[member]?.responseIds ?? []).map((response, r) => {
        const start = responseRow(batch.geometry, slot, r);
        return logps.slice(start, start + response.length);
      });
    });
  }

  private get full(): boolean {
    return this.options.mode.kind === 'full';
  }

  /** State of the embedding's unit, in full training. */
  private get embeddingUnit(): UnitState {
    return this.at(this.options.config.layers);
  }

  private at(index: number): UnitState {
    const unit = this.units[index];
    if (!unit) throw new Error(`internal: no unit ${index}`);
    return unit;
  }

  private weight(name: string): Tensor {
    const tensor = this.options.weights.get(name);
    if (!tensor) throw new Error(`internal: weight ${name} is not on the device`);
    return tensor;
  }

  private async embed({ batch, ids }: Bound): Promise<Tensor> {
    const { config } = this.options;
    const rows = rowTotal(batch.geometry);
    const program = await this.device.program(`embed ${this.layout} ${rows}`, () =>
      embeddingGraph(config, rows, this.full),
    );
    const table: Tensors = this.full
      ? { theta: this.embeddingUnit.parameters }
      : { table: this.weight(EMBEDDING) };
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
      inputs[thetaInput(slot)] = this.at(start + slot).parameters;
      if (mode.kind === 'full') continue;
      for (const { name } of layerWeights(config))
        inputs[frozenInput(slot, name)] = this.weight(layerName(start + slot, name));
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

  private async forward(bound: Bound, input: Tensor, training: boolean): Promise<Trace> {
    const { config, mode } = this.options;
    const s = bound.batch.geometry;
    const segments: Trace['segments'] = [];
    let x = input;
    for (const start of this.segmentStarts) {
      const inputs = { x, ...bound.positions, ...this.layerInputs(start) };
      if (training) {
        const { forward } = await this.segment(s, start);
        const { y, ...saved } = await forward.run(inputs);
        if (!y) throw new Error('internal: no output y');
        segments.push({ x, saved: renameSaved(saved) });
        x = y;
      } else {
        const kinds = this.kindsFrom(start);
        const program = await this.device.program(
          `score ${this.layout} ${geometryKey(s)} ${kindsKey(kinds)}`,
          () => scoringGraph(config, mode, s, kinds),
        );
        const y = pick(await program.run(inputs), 'y');
        dispose(x);
        x = y;
      }
    }
    return { segments, top: x };
  }

  private async head(
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
        frozenHeadGraph(config, s, training),
      );
      const table = this.weight(config.tiedEmbeddings ? EMBEDDING : HEAD);
      out = await program.run({ x, labels, norm: this.weight(FINAL_NORM), table });
    }
    const logps = pick(out, 'logps');
    const data = (await this.device.readFloats(logps)).slice();
    dispose(logps);
    return { logps: data, unit: out.unit ?? null };
  }

  private headParameters(): Tensors {
    const { config } = this.options;
    const theta = this.embeddingUnit.parameters;
    return config.tiedEmbeddings ? { theta } : { theta, head: this.at(config.layers + 1).parameters };
  }

  private async back(
    bound: Bound,
    trace: Trace,
    coefficients: Float32Array,
    unit: Tensor | null,
  ): Promise<void> {
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
        sums[gradientSum(slot)] = this.at(start + slot).sum ?? this.at(start + slot).zero;
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
        this.replaceSum(this.at(start + slot), pick(out, `${gradientSum(slot)}_out`));
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
      this.replaceSum(this.embeddingUnit, pick(out, 'sum_out'));
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
      const out = await program.run({ unit, coefficients: this.device.host(coefficients, [rows, 1]) });
      dispose(unit);
      return pick(out, 'dx');
    }
    const program = await this.device.program(
      `headback ${this.layout} ${geometryKey(s)}`,
      () => trainedHeadGraphs(config, s).backward,
    );
    const embedding = this.embeddingUnit;
    const head = config.tiedEmbeddings ? null : this.at(config.layers + 1);
    const out = await program.run({
      x,
      labels,
      coefficients: this.device.host(coefficients, [rows]),
      ...this.headParameters(),
      sum: embedding.sum ?? embedding.zero,
      ...(head ? { head_sum: head.sum ?? head.zero } : {}),
    });
    this.replaceSum(embedding, pick(out, 'sum_out'));
    if (head) this.replaceSum(head, pick(out, 'head_sum_out'));
    return pick(out, 'dx');
  }

  private replaceSum(unit: UnitState, sum: Tensor): void {
    if (unit.sum) dispose(unit.sum);
    unit.sum = sum;
  }

  private dropSums(): void {
    for (const unit of this.units) {
      if (unit.sum) dispose(unit.sum);
      unit.sum = null;
    }
  }

  /** AdamW on every unit with the gradient clipped to the global norm; returns the norm before clipping. */
  private async update(learningRate: number): Promise<number> {
    const { optimiser } = this.options;
    let squares = 0;
    for (const { sum, zero, size } of this.units) {
      const program = await this.device.program(`norm ${size}`, () => squaredNormGraph(size));
      const out = pick(await program.run({ gradient: sum ?? zero }), 'sum');
      squares += (await this.device.readFloats(out))[0] ?? 0;
      dispose(out);
    }
    const norm = Math.sqrt(squares);
    if (!Number.isFinite(norm)) {
      throw new Error(`the gradient is not a number after ${this.step_} steps: try a lower learning rate`);
    }
    const scale =
      optimiser.maxGradNorm > 0 && norm > optimiser.maxGradNorm ? optimiser.maxGradNorm / norm : 1;
    this.step_++;
    const rates = this.device.host(adamWRates(optimiser, learningRate, this.step_, scale), [4]);
    const settings = [optimiser.beta1, optimiser.beta2, optimiser.epsilon].join(' ');
    for (const unit of this.units) {
      const program = await this.device.program(`adamw ${unit.size} ${settings}`, () =>
        adamWGraph(unit.size, optimiser),
      );
      const { parameters, m, v, decayed } = unit;
      const out = await program.run({ parameters, m, v, decayed, gradient: unit.sum ?? unit.zero, rates });
      unit.parameters = pick(out, 'parameters_out');
      unit.m = pick(out, 'm_out');
      unit.v = pick(out, 'v_out');
      for (const old of [parameters, m, v]) dispose(old);
    }
    return norm;
  }

  async state(): Promise<TrainerState> {
    const read = async (key: 'parameters' | 'm' | 'v') => {
      const vectors: Float32Array[] = [];
      for (const unit of this.units) vectors.push((await this.device.readFloats(unit[key])).slice());
      return vectors;
    };
    return { step: this.step_, parameters: await read('parameters'), m: await read('m'), v: await read('v') };
  }

  async restore(state: TrainerState): Promise<void> {
    this.units.forEach((unit, i) => {
      for (const key of ['parameters', 'm', 'v'] as const) {
        const data = state[key][i];
        if (data?.length !== unit.size) {
          throw new Error(
            `the checkpoint's ${key} vector ${i} has ${data?.length ?? 0} numbers, not ${unit.size}: it belongs to another model or rank`,
          );
        }
        dispose(unit[key]);
        unit[key] = this.device.upload(data.slice(), [unit.size]);
      }
    });
    this.step_ = state.step;
  }

  async weights(): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (const unit of this.units) vectors.push((await this.device.readFloats(unit.parameters)).slice());
    return vectors;
  }

  /** The weights that training must leave alone. */
  frozen(): [string, Tensor][] {
    return [...this.options.weights];
  }

  async dispose(): Promise<void> {
    this.dropSums();
    for (const { parameters, m, v, zero, decayed } of this.units)
      for (const t of [parameters, m, v, zero, decayed]) dispose(t);
    this.units.length = 0;
  }
}

/** 1 for matrices, 0 for norms, as is usual. */
function decayedMask(unit: readonly ParameterShape[]): Float32Array {
  const mask = new Float32Array(unitSize(unit));
  let offset = 0;
  for (const { shape } of unit) {
    const size = elements(shape);
    if (shape.length > 1) mask.fill(1, offset, offset + size);
    offset += size;
  }
  return mask;
}

function pick(tensors: Tensors, name: string): Tensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`internal: no output ${name}`);
  return tensor;
}

/** CPU tensors have nothing to free; GPU buffers do. */
function dispose(tensor: Tensor): void {
  if (tensor.location === 'gpu-buffer') tensor.dispose();
}
