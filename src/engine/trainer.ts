/** Training on a device: micro-batches through segments of layers, forward and back, then AdamW. */
import type { Tensor } from 'onnxruntime-web';
import { type MicroBatch, planMicroBatches, responseRow } from '../model/batch.ts';
import { responseTotal } from '../model/block.ts';
import { NonFiniteError } from '../model/non-finite.ts';
import { units } from '../model/parameters.ts';
import { type Device, dispose } from './device.ts';
import { type Bound, Passes, type PassOptions } from './passes.ts';
import { TrainedUnits } from './trained-units.ts';
import type { Group, GroupLoss, OptimiserSettings, StepResult, Trainer, TrainerState } from './types.ts';

export interface TrainerOptions extends PassOptions {
  readonly optimiser: OptimiserSettings;
  /** Starting values, one flat vector a unit. */
  readonly parameters: readonly Float32Array[];
  /** Padded tokens a micro-batch at most. */
  readonly maxRows: number;
}

export interface GradientResult extends StepResult {
  /** One flat vector a unit. */
  readonly gradients: Float32Array[];
}

/** A trainer and, for tests, its raw gradients. */
export class DeviceTrainer implements Trainer {
  private readonly units: TrainedUnits;
  private readonly passes: Passes;
  private readonly options: TrainerOptions;

  constructor(device: Device, options: TrainerOptions) {
    const { config, mode, optimiser, parameters } = options;
    this.options = options;
    this.units = new TrainedUnits(device, optimiser, units(config, mode), parameters);
    this.passes = new Passes(device, options, this.units);
  }

  async logps(groups: readonly Group[], signal?: AbortSignal): Promise<Float32Array[][]> {
    const result: Float32Array[][] = groups.map(() => []);
    for (const batch of this.plan(groups)) {
      signal?.throwIfAborted();
      const bound = this.passes.bind(groups, batch);
      const x = await this.passes.embed(bound);
      const trace = await this.passes.forward(bound, x, false);
      const { logps } = await this.passes.head(bound, trace.top, false);
      dispose(trace.top);
      await this.checkFinite(bound, logps);
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
      const gradNorm = await this.units.update(learningRate);
      return { loss: value, gradNorm, metrics, tokens };
    } finally {
      this.units.dropSums();
    }
  }

  /** Loss and gradients of a step, without taking it. */
  async gradients(groups: readonly Group[], loss: GroupLoss): Promise<GradientResult> {
    const result = await this.accumulate(groups, loss);
    const gradients = await this.units.gradients();
    this.units.dropSums();
    return {
      ...result,
      gradNorm: Math.sqrt(gradients.flatMap((d) => [...d]).reduce((a, x) => a + x * x, 0)),
      gradients,
    };
  }

  /**
   * Where a forward pass first gives a number that is not finite: 'the embedding', 'layer 3', 'the head'; null where
   * nowhere. Everything is read back, layer by layer: for a small batch, or where something is wrong.
   */
  async brokenAt(groups: readonly Group[]): Promise<string | null> {
    for (const batch of this.plan(groups)) {
      const place = await this.passes.brokenAt(this.passes.bind(groups, batch));
      if (place !== null) return place;
    }
    return null;
  }

  private async accumulate(groups: readonly Group[], loss: GroupLoss, signal?: AbortSignal) {
    let value = 0;
    let tokens = 0;
    const metrics: Record<string, number> = {};
    this.units.dropSums();
    for (const batch of this.plan(groups)) {
      signal?.throwIfAborted();
      const bound = this.passes.bind(groups, batch);
      const trace = await this.passes.forward(bound, await this.passes.embed(bound), true);
      const { logps, unit } = await this.passes.head(bound, trace.top, true);
      await this.checkFinite(bound, logps);
      const rows: Float32Array[][] = groups.map(() => []);
      this.split(groups, batch, logps, rows);
      const coefficients = new Float32Array(responseTotal(batch.geometry));
      batch.members.forEach((member, slot) => {
        const responses = rows[member] ?? [];
        const result = loss(
          member,
          responses.map((r) => r.reduce((a, b) => a + b, 0)),
        );
        if (!Number.isFinite(result.loss) || !result.coefficients.every(Number.isFinite))
          throw new NonFiniteError({ what: 'loss', place: null });
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
      await this.passes.back(bound, trace, coefficients, unit);
    }
    return { loss: value, metrics, tokens };
  }

  /** @throws NonFiniteError that names the layer */
  private async checkFinite(bound: Bound, logps: Float32Array): Promise<void> {
    if (logps.every(Number.isFinite)) return;
    throw new NonFiniteError({ what: 'log-probabilities', place: await this.passes.brokenAt(bound) });
  }

  private plan(groups: readonly Group[]): MicroBatch[] {
    return planMicroBatches(groups, this.options.config.contextLength, this.options.maxRows);
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

  state(): Promise<TrainerState> {
    return this.units.state();
  }

  restore(state: TrainerState): Promise<void> {
    return this.units.restore(state);
  }

  async undo(): Promise<boolean> {
    return this.units.undo();
  }

  weights(): Promise<Float32Array[]> {
    return this.units.weights();
  }

  /** The weights that training must leave alone. */
  frozen(): [string, Tensor][] {
    return [...this.options.weights];
  }

  async dispose(): Promise<void> {
    this.units.dispose();
  }
}
