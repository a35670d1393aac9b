/** What is trained, on a device: flat vectors with their AdamW moments, the gradients of a step, and the step itself. */
import type { Tensor } from 'onnxruntime-web';
import { NonFiniteError } from '../model/non-finite.ts';
import { adamWGraph, adamWRates, squaredNormGraph } from '../model/optimizer.ts';
import { elements, type ParameterShape, unitSize } from '../model/parameters.ts';
import { type Device, dispose, pick } from './device.ts';
import type { OptimiserSettings, TrainerState } from './types.ts';

export interface UnitState {
  parameters: Tensor;
  m: Tensor;
  v: Tensor;
  /** Sum of the gradients of this step; null before the first micro-batch. */
  sum: Tensor | null;
  readonly zero: Tensor;
  readonly decayed: Tensor;
  readonly size: number;
  /** What the last update replaced; null where there was none, or it was taken back. */
  replaced: { readonly parameters: Tensor; readonly m: Tensor; readonly v: Tensor } | null;
}

/** One unit a layer, or more in full training (src/model/parameters.ts); parameters are one flat vector each. */
export class TrainedUnits {
  readonly all: UnitState[];
  private step_ = 0;
  /** The optimiser's numbers of a step. */
  private rates: Tensor | undefined;

  constructor(
    private readonly device: Device,
    private readonly optimiser: OptimiserSettings,
    shapes: readonly (readonly ParameterShape[])[],
    parameters: readonly Float32Array[],
  ) {
    if (parameters.length !== shapes.length) {
      throw new Error(`${parameters.length} parameter vectors for ${shapes.length} units`);
    }
    this.all = shapes.map((shape, i) => this.makeUnit(shape, parameters[i] ?? new Float32Array(0)));
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
      replaced: null,
      decayed: this.device.upload(decayedMask(shape), [size]),
      size,
    };
  }

  at(index: number): UnitState {
    const unit = this.all[index];
    if (!unit) throw new Error(`internal: no unit ${index}`);
    return unit;
  }

  /** Takes the place of the unit's sum of gradients, which is disposed of. */
  replaceSum(unit: UnitState, sum: Tensor): void {
    if (unit.sum) dispose(unit.sum);
    unit.sum = sum;
  }

  dropSums(): void {
    for (const unit of this.all) {
      if (unit.sum) dispose(unit.sum);
      unit.sum = null;
    }
  }

  /** Sums of gradients, one flat vector a unit. */
  gradients(): Promise<Float32Array[]> {
    return this.read(({ sum, zero }) => sum ?? zero);
  }

  /** One vector of every unit, as a copy. */
  private read(of: (unit: UnitState) => Tensor): Promise<Float32Array[]> {
    return this.device.readAll(this.all.map(of));
  }

  /** Squared norm of every unit's gradient. */
  private async squaredNorms(): Promise<number[]> {
    const sums: Tensor[] = [];
    try {
      for (const { sum, zero, size } of this.all) {
        const program = await this.device.program(`norm ${size}`, () => squaredNormGraph(size));
        sums.push(pick(await program.run({ gradient: sum ?? zero }), 'sum'));
      }
      return (await this.device.readAll(sums)).map(([square = Number.NaN]) => square);
    } finally {
      dispose(...sums);
    }
  }

  /**
   * AdamW on every unit with the gradient clipped to the global norm; returns the norm before clipping. What it
   * replaces is kept: only the next step shows whether the new parameters still give numbers.
   *
   * @throws NonFiniteError where the gradient is not finite; nothing is changed then
   */
  async update(learningRate: number): Promise<number> {
    const { optimiser } = this;
    const squares = await this.squaredNorms();
    const broken = squares.findIndex((square) => !Number.isFinite(square));
    if (broken >= 0) throw new NonFiniteError({ what: 'gradient', place: `layer ${broken}` });
    const norm = Math.sqrt(squares.reduce((a, b) => a + b, 0));
    const scale =
      optimiser.maxGradNorm > 0 && norm > optimiser.maxGradNorm ? optimiser.maxGradNorm / norm : 1;
    this.step_++;
    this.rates = this.device.renew(this.rates, adamWRates(optimiser, learningRate, this.step_, scale), [4]);
    const { rates } = this;
    const settings = [optimiser.beta1, optimiser.beta2, optimiser.epsilon].join(' ');
    for (const unit of this.all) {
      const program = await this.device.program(`adamw ${unit.size} ${settings}`, () =>
        adamWGraph(unit.size, optimiser),
      );
      const { parameters, m, v, decayed } = unit;
      const out = await program.run({ parameters, m, v, decayed, gradient: unit.sum ?? unit.zero, rates });
      unit.parameters = pick(out, 'parameters_out');
      unit.m = pick(out, 'm_out');
      unit.v = pick(out, 'v_out');
      this.forget(unit);
      unit.replaced = { parameters, m, v };
    }
    return norm;
  }

  /** Takes the last update back; false where none is held. One is, after every update, until the next. */
  undo(): boolean {
    if (this.all.some(({ replaced }) => replaced === null)) return false;
    for (const unit of this.all) {
      const { parameters, m, v, replaced } = unit;
      if (!replaced) continue;
      Object.assign(unit, replaced, { replaced: null });
      dispose(parameters, m, v);
    }
    this.step_--;
    return true;
  }

  private forget(unit: UnitState): void {
    if (unit.replaced) dispose(unit.replaced.parameters, unit.replaced.m, unit.replaced.v);
    unit.replaced = null;
  }

  async state(): Promise<TrainerState> {
    return {
      step: this.step_,
      parameters: await this.weights(),
      m: await this.read(({ m }) => m),
      v: await this.read(({ v }) => v),
    };
  }

  async restore(state: TrainerState): Promise<void> {
    this.all.forEach((unit, i) => {
      this.forget(unit);
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

  weights(): Promise<Float32Array[]> {
    return this.read(({ parameters }) => parameters);
  }

  dispose(): void {
    this.dropSums();
    if (this.rates) dispose(this.rates);
    this.rates = undefined;
    for (const unit of this.all) {
      this.forget(unit);
      dispose(unit.parameters, unit.m, unit.v, unit.zero, unit.decayed);
    }
    this.all.length = 0;
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
