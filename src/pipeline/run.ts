/** A run from its first unfinished stage to its last, stage by stage, each leaving its records behind. */
import { type Advice, AdvisedError } from '../model/advised.ts';
import type { MemoryChoice } from '../model/fit.ts';
import { checkTogether } from './config.ts';
import type { Context } from './context.ts';
import { diagnose } from './diagnose.ts';
import { runDpo } from './dpo.ts';
import { runEvaluate } from './evaluate.ts';
import { checkFit, lengthsOf, memoryOf, plan, roomOf, tradesOf } from './fit.ts';
import { checkModel, checkPrecision } from './identity.ts';
import { runFilter } from './negatives.ts';
import { prepareData, withoutFinal } from './prepare.ts';
import { checkRoom } from './room.ts';
import { runSample } from './sample.ts';
import { runSft } from './sft.ts';
import { doubtDevice, trustDevice } from './trust.ts';
import {
  type PreparedData,
  type Report,
  type RunError,
  type RunManifest,
  STAGES,
  type Stage,
  type StageReport,
  type StageState,
} from './types.ts';

/** Runs the unfinished stages up to and including `until`. Rejects with what stopped it, after storing that. */
export async function runPipeline(context: Context, until: Stage = 'evaluate'): Promise<void> {
  const { model, store, config } = context;
  checkTogether(config);
  const before = await store.manifest();
  checkModel(before.model, model.info);
  checkPrecision(before, model.info);

  await doubtDevice(context);
  await stage(context, 'model', until, async () => {
    const { device: old, memory } = await store.manifest();
    // What fits one kind of device need not fit the other.
    const same = old?.backend === model.device.backend;
    await update(context, { model: model.info, device: model.device, memory: same ? memory : undefined });
    context.emit({ type: 'device', device: model.device, model: model.info });
    await trustDevice(context);
    return `${model.info.name}, ${(model.info.parameterCount / 1e6).toFixed(1)} M parameters`;
  });

  await stage(context, 'data', until, async () => {
    const data = withoutFinal(await store.dataset());
    const prepared = prepareData(data, model.tokenizer, model.info.contextLength, config);
    await store.savePrepared(prepared);
    if (context.limits) checkFit(plan(model.config, config, lengthsOf(prepared), context.limits));
    const counts = {
      train: prepared.train.length,
      heldOut: prepared.heldOut.length,
      refused: prepared.refused.length,
    };
    context.emit({ type: 'prepared', ...counts });
    const trades = tradesOf(
      model.config,
      config,
      lengthsOf(prepared),
      backendOf(context),
      memoryFor(context, prepared),
    );
    return [
      `${counts.train} prompts, ${counts.heldOut} held out${counts.refused ? `, ${counts.refused} refused` : ''}`,
      ...trades,
    ].join('. ');
  });

  await stage(context, 'sft', until, async () => {
    const figures = await runSft(await fitted(context), await prepared(context));
    await report(context, { stages: { sft: figures } });
    return figures.steps === 0
      ? context.startAdapter
        ? 'the start adapter as it is'
        : 'skipped'
      : `loss ${number(figures.firstLoss)} to ${number(figures.lastLoss)}`;
  });

  await stage(context, 'sample', until, async () => {
    const figures = await runSample(
      await fitted(context),
      await prepared(context),
      await weights(context, 'sft'),
    );
    await report(context, { stages: { sample: figures } });
    return `${figures.responses} answers, ${number(figures.meanDistinct)} distinct a prompt`;
  });

  await stage(context, 'filter', until, async () => {
    const figures = await runFilter(context, await prepared(context));
    await report(context, { stages: { filter: figures } });
    return `${figures.pairs} pairs${figures.dropped ? `, ${figures.dropped} prompts dropped` : ''}`;
  });

  await stage(context, 'dpo', until, async () => {
    const figures = await runDpo(
      await fitted(context),
      await prepared(context),
      await weights(context, 'sft'),
    );
    await report(context, { stages: { dpo: figures } });
    return `margin ${number(figures.rewardMargin)}, accuracy ${Math.round(100 * Number(figures.rewardAccuracy))} %`;
  });

  await stage(context, 'evaluate', until, async () => {
    const [sft, selfContrast] = [await weights(context, 'sft'), await weights(context, 'dpo')];
    const evaluation = await runEvaluate(await fitted(context), await prepared(context), {
      base: null,
      sft,
      selfContrast,
    });
    await report(context, { evaluation });
    const { winRateVsSft } = evaluation;
    return winRateVsSft === null
      ? 'no held-out prompts'
      : `wins ${Math.round(100 * winRateVsSft)} % against SFT`;
  });
}

const number = (x: number | string | readonly number[] | undefined): string =>
  typeof x === 'number' ? x.toPrecision(3) : '';

/** With memory.* as the run has it, or chosen now for its data and stored. */
async function fitted(context: Context): Promise<Context> {
  const { memory: stored } = await context.store.manifest();
  if (stored) return { ...context, memory: stored };
  const memory = memoryFor(context, await prepared(context));
  await update(context, { memory });
  return { ...context, memory };
}

const backendOf = ({ model }: Context) => (model.device.backend === 'webgpu' ? 'webgpu' : 'wasm');

const memoryFor = (context: Context, data: PreparedData): MemoryChoice =>
  memoryOf(
    context.model.config,
    context.config,
    lengthsOf(data),
    context.model.info.precision ?? 'f32',
    backendOf(context),
    context.limits && roomOf(context.limits),
  );

async function prepared({ store }: Context): Promise<PreparedData> {
  const data = await store.prepared();
  if (!data) throw new Error('internal: the data stage left nothing');
  return data;
}

async function weights({ store }: Context, stage: 'sft' | 'dpo'): Promise<readonly Float32Array[]> {
  const checkpoint = await store.checkpoint(stage);
  if (!checkpoint) throw new Error(`internal: the ${stage} stage left no adapter`);
  return checkpoint.state.parameters;
}

/** What a stage does, as a sentence begins. */
const STAGE_WORK: Readonly<Record<Stage, string>> = {
  model: 'Loading the model',
  data: 'Reading the data',
  sft: 'Fine-tuning',
  sample: 'Sampling',
  filter: 'Filtering',
  dpo: 'DPO',
  evaluate: 'Evaluation',
};

/** One stage: skipped when done or beyond `until`; its state and its time are stored around it. */
async function stage(
  context: Context,
  name: Stage,
  until: Stage,
  work: () => Promise<string>,
): Promise<void> {
  const { store, emit, signal, now } = context;
  if (STAGES.indexOf(name) > STAGES.indexOf(until)) return;
  const before = await store.manifest();
  if (before.stages[name] === 'done') return;
  signal.throwIfAborted();
  const started = now();
  try {
    await checkRoom(context, name, STAGE_WORK[name]);
    const { error: _cleared, ...clean } = before;
    await store.saveManifest({ ...clean, stages: { ...clean.stages, [name]: 'running' } });
    emit({ type: 'stage', stage: name, state: 'running', summary: '' });
    const summary = await work();
    const manifest = await store.manifest();
    const spent = (manifest.seconds[name] ?? 0) + (now() - started) / 1000;
    const seconds = { ...manifest.seconds, [name]: spent };
    await save(
      context,
      withSeconds({ ...manifest, seconds, stages: { ...manifest.stages, [name]: 'done' } }, name),
    );
    emit({ type: 'stage', stage: name, state: 'done', summary });
  } catch (error) {
    const seconds = (now() - started) / 1000;
    const ended = await ending(context, name, before, seconds, error);
    // A full or closed storage can't even take this: then the stage is still stored as begun, and goes on alike.
    await save(context, ended).catch(() => emit({ type: 'manifest', manifest: ended }));
    const summary = ended.error?.message ?? 'stopped; goes on from here';
    emit({ type: 'stage', stage: name, state: ended.stages[name], summary });
    throw error;
  }
}

/** What the manifest says after a stage was stopped, failed, or lost its device (which is no fault of its own). */
async function ending(
  { store, signal }: Context,
  name: Stage,
  before: RunManifest,
  seconds: number,
  error: unknown,
): Promise<RunManifest> {
  const { error: _old, ...manifest } = await store.manifest().catch(() => before);
  const problem = signal.aborted ? undefined : runErrorOf(error, name);
  const state: StageState = !problem || problem.code === 'DeviceLostError' ? 'waiting' : 'failed';
  return {
    ...manifest,
    ...(problem ? { error: problem } : {}),
    seconds: { ...manifest.seconds, [name]: (manifest.seconds[name] ?? 0) + seconds },
    stages: { ...manifest.stages, [name]: state },
  };
}

type ReportedStage = keyof Report['stages'];

const isReported = (name: Stage): name is ReportedStage => ['sft', 'sample', 'filter', 'dpo'].includes(name);

/** The report counts a stage's time over all sittings. */
function withSeconds(manifest: RunManifest, name: Stage): RunManifest {
  const { report: old, seconds } = manifest;
  const figures = isReported(name) ? old?.stages[name] : undefined;
  if (!old || !figures) return manifest;
  const timed: StageReport = { ...figures, seconds: seconds[name] ?? 0 };
  return { ...manifest, report: { ...old, stages: { ...old.stages, [name]: timed } } };
}

export function runErrorOf(error: unknown, name: Stage): RunError {
  const { name: code, message, stack } = error instanceof Error ? error : new Error(String(error));
  const { reasons = [], offer }: Advice = error instanceof AdvisedError ? error : {};
  return {
    stage: name,
    code,
    message,
    details: stack ?? '',
    ...(reasons.length > 0 ? { reasons } : {}),
    ...(offer ? { offer } : {}),
  };
}

async function save(context: Context, manifest: RunManifest): Promise<void> {
  await context.store.saveManifest(manifest);
  context.emit({ type: 'manifest', manifest });
}

async function update(context: Context, change: Partial<RunManifest>): Promise<void> {
  await context.store.saveManifest({ ...(await context.store.manifest()), ...change });
}

const EMPTY_REPORT: Report = {
  stages: {},
  evaluation: { heldOut: {}, winRateVsSft: null, judge: null },
  warnings: [],
};

interface ReportChange {
  readonly stages?: Readonly<Record<string, Readonly<Record<string, number | readonly number[]>>>>;
  readonly evaluation?: Report['evaluation'];
}

async function report(context: Context, change: ReportChange): Promise<void> {
  const manifest = await context.store.manifest();
  const old = manifest.report ?? EMPTY_REPORT;
  const timed = Object.fromEntries(
    Object.entries(change.stages ?? {}).map(([name, figures]) => [name, { ...figures, seconds: 0 }]),
  );
  const next = { stages: { ...old.stages, ...timed }, evaluation: change.evaluation ?? old.evaluation };
  const warnings = diagnose(next, context.config.sample.n);
  for (const message of warnings)
    if (!old.warnings.includes(message)) context.emit({ type: 'warning', message });
  await context.store.saveManifest({ ...manifest, report: { ...next, warnings } });
}
