/** The training loop that SFT and DPO share: order, schedule, metrics, checkpoints, previews. */
import type { Group, GroupLoss, Trainer } from '../engine/types.ts';
import { NonFiniteError } from '../model/non-finite.ts';
import { shuffle, stream } from '../model/random.ts';
import { learningRate } from '../model/schedule.ts';
import type { OptimiserConfig } from './config.ts';
import { type Context, ProgressMeter } from './context.ts';
import { diverged } from './diverged.ts';
import type { MetricRecord, TokenizedPrompt } from './types.ts';

/**
 * A checkpoint may cost this share of the time it protects: reading the state back and storing it once took c
 * seconds, so the next one comes c / share later. Small models are stored every few steps, large ones as often
 * as is cheap. When checkpoints are taken never changes what is computed.
 */
const CHECKPOINT_SHARE = 0.02;
/** How often the preview prompts are answered again in a stage. */
const PREVIEWS = 4;

export interface Batch {
  readonly groups: readonly Group[];
  readonly loss: GroupLoss;
}

export interface TrainingTask {
  readonly stage: 'sft' | 'dpo';
  readonly settings: OptimiserConfig;
  /** Number of items (prompts); each step takes `settings.batch` of them. */
  readonly items: number;
  readonly batch: (items: readonly number[]) => Batch | Promise<Batch>;
  /** Prompts answered again now and then. */
  readonly preview: readonly TokenizedPrompt[];
}

export interface TrainingSummary {
  readonly steps: number;
  readonly tokens: number;
  readonly metrics: readonly MetricRecord[];
  /** Spent on checkpoints, this sitting. */
  readonly checkpointSeconds: number;
}

export function totalSteps(items: number, { epochs, batch }: OptimiserConfig): number {
  // Part of an epoch is part of its steps.
  return Math.round(epochs * Math.ceil(items / batch));
}

/**
 * Items of each step. They depend on the seed and the step alone, so that a resumed run goes on identically; an epoch's
 * order is made once, since every step of it would cost as much as there are items.
 */
export function itemsOfSteps(
  items: number,
  batch: number,
  seed: number,
  stage: string,
): (step: number) => readonly number[] {
  const perEpoch = Math.ceil(items / batch);
  let known: { readonly epoch: number; readonly order: readonly number[] } | undefined;
  return (step) => {
    const epoch = Math.floor(step / perEpoch);
    if (known?.epoch !== epoch) {
      const all = Array.from({ length: items }, (_, i) => i);
      known = { epoch, order: shuffle(all, stream(seed, stage, 'order', epoch)) };
    }
    const at = (step % perEpoch) * batch;
    return known.order.slice(at, at + batch);
  };
}

/**
 * Trains from the stored checkpoint (or from where `trainer` stands) to the end, storing as it goes.
 *
 * A checkpoint and the metrics of the steps up to it are one write, so one is never without the other; steps
 * after it are computed again, to the same bits, by a sitting that goes on from it. Aborting stores one of the
 * last whole step before it rejects.
 */
export async function train(
  context: Context,
  trainer: Trainer,
  task: TrainingTask,
): Promise<TrainingSummary> {
  const { store, emit, signal, config, model } = context;
  const { stage, settings } = task;
  const steps = totalSteps(task.items, settings);
  const itemsOf = itemsOfSteps(task.items, settings.batch, config.seed, stage);
  const checkpoint = await store.checkpoint(stage);
  if (checkpoint && checkpoint.totalSteps === steps) await trainer.restore(checkpoint.state);
  let step = checkpoint?.totalSteps === steps ? checkpoint.step : 0;
  const meter = new ProgressMeter(context, stage, 'steps', steps, step);
  const unsaved: MetricRecord[] = [];
  let checkpointSeconds = 0;
  let due = Number.NEGATIVE_INFINITY;
  const save = async () => {
    const before = context.now();
    const state = await trainer.state();
    await store.saveCheckpoint({ stage, step, totalSteps: steps, state }, unsaved);
    unsaved.length = 0;
    const cost = context.now() - before;
    checkpointSeconds += cost / 1000;
    due = context.now() + cost / CHECKPOINT_SHARE;
  };
  // The last step from which everything was a number is stored, in the place of any checkpoint after it.
  const stopped = async (error: NonFiniteError): Promise<Error> => {
    const failed = step + 1;
    const undone = await trainer.undo();
    if (undone) {
      step--;
      unsaved.splice(0, unsaved.length, ...unsaved.filter((metric) => metric.step <= step));
      await save();
    }
    const losses = (await store.metrics(stage)).filter((m) => m.step <= step).map((m) => m.values.loss ?? 0);
    return diverged(error, {
      stage,
      settings,
      failed,
      kept: undone ? step : null,
      losses,
      precision: model.info.precision ?? 'f32',
      backend: model.device.backend,
    });
  };
  const schedule = {
    name: settings.schedule,
    learningRate: settings.learningRate,
    warmup: settings.warmup,
    totalSteps: steps,
  };
  const previewEvery = Math.max(1, Math.ceil(steps / PREVIEWS));
  let tokens = 0;
  try {
    if (step === 0) await preview(context, trainer, task, 0);
    while (step < steps) {
      signal.throwIfAborted();
      const { groups, loss } = await task.batch(itemsOf(step));
      const rate = learningRate(schedule, step);
      const result = await trainer.step(groups, loss, rate, signal);
      step++;
      tokens += result.tokens;
      const values = {
        loss: result.loss,
        gradNorm: result.gradNorm,
        learningRate: rate,
        tokens: result.tokens,
        ...result.metrics,
      };
      const metric: MetricRecord = { stage, step, values };
      unsaved.push(metric);
      emit({ type: 'metric', metric });
      meter.update(step, { loss: result.loss, tokensPerSecond: tokens / meter.seconds, ...result.metrics });
      if (context.now() >= due && step < steps) await save();
      if (step % previewEvery === 0 || step === steps) await preview(context, trainer, task, step);
    }
  } catch (error) {
    if (error instanceof NonFiniteError) throw await stopped(error);
    if (signal.aborted && unsaved.length > 0) await save();
    throw error;
  }
  await save();
  const metrics = await store.metrics(stage);
  const total = metrics.reduce((sum, m) => sum + (m.values.tokens ?? 0), 0);
  return { steps, tokens: total, metrics, checkpointSeconds };
}

/** Answers the preview prompts greedily with the adapter as it is now. */
async function preview(
  { model, config, emit, signal, memory }: Context,
  trainer: Trainer,
  task: TrainingTask,
  step: number,
): Promise<void> {
  if (task.preview.length === 0) return;
  const sampler = await model.createSampler(config.lora, await trainer.weights(), memory);
  try {
    const answers: { prompt: string; text: string }[] = [];
    await sampler.sample(
      task.preview.map(({ promptIds }) => ({ promptIds, n: 1, seed: 0 })),
      {
        temperature: 0,
        topP: 1,
        topK: 0,
        maxTokens: config.sample.maxTokens,
        stopIds: model.tokenizer.stopIds,
      },
      (index, [sample]) => {
        const prompt = task.preview[index]?.prompt ?? '';
        answers[index] = { prompt, text: model.tokenizer.decode(sample?.tokenIds ?? []).trim() };
      },
      { signal },
    );
    emit({ type: 'preview', stage: task.stage, step, answers });
  } finally {
    await sampler.dispose();
  }
}

/** First and last loss and the whole curve, for a report. */
export function lossFigures(metrics: readonly MetricRecord[]): Record<string, number | readonly number[]> {
  const losses = metrics.map((m) => m.values.loss ?? 0);
  return { firstLoss: losses[0] ?? 0, lastLoss: losses.at(-1) ?? 0, losses };
}
