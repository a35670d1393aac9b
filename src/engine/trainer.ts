/** Training on a device: micro-batches through segments of layers, forward and back, then AdamW. */
import type { Tensor } from 'onnxruntime-web';
import {
  checkGroups,
  cutGroups,
  type MicroBatch,
  type Piece,
  planMicroBatches,
  responseRow,
} from '../model/batch.ts';
import { responseTotal } from '../model/block.ts';
import { NonFiniteError } from '../model/non-finite.ts';
import { units } from '../model/parameters.ts';
import type { Bound } from './batch-inputs.ts';
import { type Device, dispose } from './device.ts';
import { Passes, type PassOptions } from './passes.ts';
import { TrainedUnits } from './trained-units.ts';
import type {
  GradientResult,
  Group,
  GroupLoss,
  OptimiserSettings,
  StepResult,
  Trainer,
  TrainerState,
} from './types.ts';

export interface TrainerOptions extends PassOptions {
  readonly optimiser: OptimiserSettings;
  /** Starting values, one flat vector a unit. */
  readonly parameters: readonly Float32Array[];
  /** Padded tokens a micro-batch at most. */
  readonly maxRows: number;
}

/** A trainer, and where a forward pass breaks. */
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
    const { pieces, ids, batches } = this.plan(groups);
    const result: Float32Array[][] = groups.map(() => []);
    for (const batch of batches) {
      signal?.throwIfAborted();
      const bound = this.passes.bind(ids, batch);
      const x = await this.passes.embed(bound);
      const trace = await this.passes.forward(bound, x, false);
      const { logps } = await this.passes.head(bound, trace.top, false);
      dispose(trace.top);
      await this.checkFinite(bound, logps);
      for (const [member, rows] of this.split(ids, batch, logps)) {
        const piece = pieces[member];
        rows.forEach((row, r) => {
          const responses = result[piece?.group ?? 0];
          if (responses) responses[(piece?.first ?? 0) + r] = row;
        });
      }
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

  async gradients(groups: readonly Group[], loss: GroupLoss, signal?: AbortSignal): Promise<GradientResult> {
    try {
      const result = await this.accumulate(groups, loss, signal);
      const gradients = await this.units.gradients();
      let squares = 0;
      for (const vector of gradients) for (const x of vector) squares += x * x;
      return { ...result, gradNorm: Math.sqrt(squares), gradients };
    } finally {
      this.units.dropSums();
    }
  }

  /**
   * Where a forward pass first gives a number that is not finite: 'the embedding', 'layer 3', 'the head'; null where
   * nowhere. Everything is read back, layer by layer: for a small batch, or where something is wrong.
   */
  async brokenAt(groups: readonly Group[]): Promise<string | null> {
    const { ids, batches } = this.plan(groups);
    for (const batch of batches) {
      const place = await this.passes.brokenAt(this.passes.bind(ids, batch));
      if (place !== null) return place;
    }
    return null;
  }

  /**
   * The gradient of a step, summed over micro-batches. The loss of a group in several pieces needs all of its
   * log-probabilities before any gradient, so its pieces go forward twice; the sum is the same (arXiv 2101.06983).
   */
  private async accumulate(groups: readonly Group[], loss: GroupLoss, signal?: AbortSignal) {
    let value = 0;
    let tokens = 0;
    const metrics: Record<string, number> = {};
    this.units.dropSums();
    const lossOf = (group: number, responses: readonly Float32Array[]): readonly number[] => {
      const result = loss(
        group,
        responses.map((r) => r.reduce((a, b) => a + b, 0)),
      );
      if (!Number.isFinite(result.loss) || !result.coefficients.every(Number.isFinite))
        throw new NonFiniteError({ what: 'loss', place: null });
      value += result.loss;
      for (const [key, x] of Object.entries(result.metrics))
        metrics[key] = (metrics[key] ?? 0) + x / groups.length;
      return result.coefficients;
    };
    const { pieces, ids, batches } = this.plan(groups);
    const coefficientsOfCut = await this.scoreCut(groups, pieces, lossOf, signal);
    for (const batch of batches) {
      signal?.throwIfAborted();
      const bound = this.passes.bind(ids, batch);
      const trace = await this.passes.forward(bound, await this.passes.embed(bound), true);
      const { logps, unit } = await this.passes.head(bound, trace.top, true);
      const coefficients = new Float32Array(responseTotal(batch.geometry));
      try {
        await this.checkFinite(bound, logps);
        const rows = this.split(ids, batch, logps);
        batch.members.forEach((member, slot) => {
          const { group, first } = pieces[member] ?? { group: member, first: 0 };
          const responses = rows.get(member) ?? [];
          const scale = coefficientsOfCut.get(group)?.slice(first) ?? lossOf(group, responses);
          responses.forEach((response, r) => {
            const start = responseRow(batch, slot, r);
            coefficients.fill(scale[r] ?? 0, start, start + response.length);
            tokens += response.length;
          });
          if (first === 0) tokens += (groups[group]?.promptIds.length ?? 1) - 1;
        });
      } catch (error) {
        this.passes.drop(trace);
        if (unit) dispose(unit);
        throw error;
      }
      await this.passes.back(bound, trace, coefficients, unit);
    }
    return { loss: value, metrics, tokens };
  }

  /** Coefficients of the groups that are in several pieces, from a forward pass of their own. */
  private async scoreCut(
    groups: readonly Group[],
    pieces: readonly Piece[],
    lossOf: (group: number, responses: readonly Float32Array[]) => readonly number[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<number, readonly number[]>> {
    const cut = [...new Set(pieces.filter(({ first }) => first > 0).map(({ group }) => group))];
    const logps = await this.logps(
      cut.flatMap((group) => groups[group] ?? []),
      signal,
    );
    return new Map(cut.map((group, i) => [group, lossOf(group, logps[i] ?? [])] as const));
  }

  /** @throws NonFiniteError that names the layer */
  private async checkFinite(bound: Bound, logps: Float32Array): Promise<void> {
    if (logps.every(Number.isFinite)) return;
    throw new NonFiniteError({ what: 'log-probabilities', place: await this.passes.brokenAt(bound) });
  }

  /** The groups in pieces that fit, each piece as a group of its own, and the micro-batches of the pieces. */
  private plan(groups: readonly Group[]): {
    pieces: readonly Piece[];
    ids: readonly Group[];
    batches: readonly MicroBatch[];
  } {
    const { config, maxRows } = this.options;
    checkGroups(groups, config.contextLength);
    const pieces = cutGroups(groups, maxRows);
    const ids = pieces.map(({ group, first, count }) => ({
      promptIds: groups[group]?.promptIds ?? [],
      responseIds: groups[group]?.responseIds.slice(first, first + count) ?? [],
    }));
    return { pieces, ids, batches: planMicroBatches(ids, maxRows) };
  }

  /** Per-token log-probabilities out of the padded rows, by member of the batch: [response][token]. */
  private split(
    groups: readonly Group[],
    batch: MicroBatch,
    logps: Float32Array,
  ): Map<number, Float32Array[]> {
    return new Map(
      batch.members.map((member, slot) => [
        member,
        (groups[member]?.responseIds ?? []).map((response, r) => {
          const start = responseRow(batch, slot, r);
          return logps.slice(start, start + response.length);
        }),
      ]),
    );
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
    this.passes.dispose();
    this.units.dispose();
  }
}
