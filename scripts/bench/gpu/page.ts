/** The page behind `npm run bench -- --only gpu`: the engine as it is, on whatever adapter the browser offers. */
import { isSoftware, openDevice } from '../../../src/engine/backend.ts';
import type { Device, Tensors } from '../../../src/engine/device.ts';
import { loadLanguageModel } from '../../../src/engine/language-model.ts';
import type { FileSource, Group, LanguageModel, StepResult, Trainer } from '../../../src/engine/types.ts';
import { Graph } from '../../../src/graph/index.ts';
import { dpoLoss } from '../../../src/model/loss.ts';
import { TARGETS } from '../../../src/model/parameters.ts';
import { stream } from '../../../src/model/random.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import { shapedModel } from '../../lib/shaped-model.ts';
import { operations, products } from '../products.ts';
import { counted, forgetMost, gpuCounts, gpuHeld, since } from './counter.ts';
import { type AdapterFacts, type Counted, type Measured, type Plan, torchShape } from './plan.ts';

export interface GpuBench {
  /** Null where the browser offers no adapter. */
  adapter(): Promise<AdapterFacts | null>;
  /** Operations a second of square products and nothing else. */
  peak(
    dtype: 'float32' | 'float16',
    square: { side: number; count: number },
    repeats: number,
  ): Promise<number>;
  measure(plan: Plan, precision: 'f32' | 'f16'): Promise<Measured>;
  /** What a slice of decoding and a step of training ask of the GPU once all is compiled. */
  counts(plan: Plan): Promise<Counted>;
}

declare global {
  interface Window {
    gpuBench: GpuBench;
  }
}

const open = (): Promise<Device> => openDevice({ backend: 'webgpu', wasmPath: '/ort/' });

/** Median seconds of `repeats` runs, after one to warm up. */
async function seconds(repeats: number, work: () => Promise<unknown>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) / 1000);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

async function adapter(): Promise<AdapterFacts | null> {
  const found = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!found) return null;
  const { vendor, architecture, device, description } = found.info;
  return {
    name: description || [vendor, architecture, device].filter(Boolean).join(' '),
    software: isSoftware(found),
    halfPrecision: found.features.has('shader-f16'),
    maxBufferBytes: found.limits.maxStorageBufferBindingSize,
  };
}

async function peak(
  dtype: 'float32' | 'float16',
  { side, count }: { side: number; count: number },
  repeats: number,
): Promise<number> {
  const device = await open();
  const g = new Graph();
  const b = g.input('b', dtype, [side, side]);
  let y = g.input('a', dtype, [side, side]);
  for (let i = 0; i < count; i++) y = g.matmul(y, b);
  g.output('y', g.reduceMax(g.cast(y, 'float32'), [0, 1]));
  const inputs: Tensors = {};
  for (const name of ['a', 'b']) {
    const filling = device.create(dtype, [side, side]);
    // 0, so that nothing overflows; what is multiplied takes the same time.
    const zeros = dtype === 'float32' ? new Float32Array(side) : new Uint16Array(side);
    for (let row = 0; row < side; row++) await filling.write(row * side, zeros);
    inputs[name] = filling.tensor;
  }
  const program = await device.compile(g);
  const time = await seconds(repeats, async () => {
    const { y: result } = await program.run(inputs);
    if (!result) throw new Error('internal: no output');
    await device.readFloats(result);
    result.dispose();
  });
  await device.dispose();
  return (2 * side ** 3 * count) / time;
}

function source(model: Plan['model']): FileSource {
  const embedded = urlFolder('/models/default-lm/', 'default-lm');
  return model === 'embedded' ? embedded : shapedModel(model, (path) => embedded.read(path));
}

async function measure(plan: Plan, precision: 'f32' | 'f16'): Promise<Measured> {
  const started = performance.now();
  forgetMost();
  const model = await loadLanguageModel(await open(), source(plan.model), { precision });
  const loadSeconds = (performance.now() - started) / 1000;
  try {
    const sampling = await sampled(model, plan);
    const step = await trained(model, plan);
    const { config: c, info } = model;
    return {
      precision: info.precision ?? 'f32',
      parameters: info.parameterCount,
      loadSeconds,
      sampling,
      ...step,
      peakBytes: gpuHeld().mostBytes,
      shape: torchShape(c),
    };
  } finally {
    await model.dispose();
  }
}

const lora = (plan: Plan) => ({ rank: plan.rank, alpha: 2 * plan.rank, targets: TARGETS });

function randomIds(model: LanguageModel): (n: number) => number[] {
  const random = stream(1, 'gpu bench');
  return (n) => Array.from({ length: n }, () => Math.floor(random() * model.info.vocabSize));
}

/** No row ends early; the prompt is part of the time. */
async function sampled(model: LanguageModel, plan: Plan): Promise<Measured['sampling']> {
  const adapter = (await trainerOf(model, plan, (trainer) => trainer.weights())) ?? null;
  const sampler = await model.createSampler(lora(plan), adapter);
  const promptIds = randomIds(model)(plan.promptTokens);
  const settings = { temperature: 1, topP: 1, topK: 0, maxTokens: plan.maxTokens, stopIds: [] };
  const results: { rows: number; tokensPerSecond: number }[] = [];
  try {
    for (const rows of plan.sampling) {
      const time = await seconds(plan.repeats, () =>
        sampler.sample([{ promptIds, n: rows, seed: 1 }], settings, () => {}),
      );
      results.push({ rows, tokensPerSecond: (rows * plan.maxTokens) / time });
    }
  } finally {
    await sampler.dispose();
  }
  return results;
}

async function trainerOf<T>(
  model: LanguageModel,
  plan: Plan,
  use: (trainer: Awaited<ReturnType<LanguageModel['createTrainer']>>) => Promise<T>,
): Promise<T> {
  const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  const trainer = await model.createTrainer(lora(plan), optimiser, 1);
  try {
    return await use(trainer);
  } finally {
    await trainer.dispose();
  }
}

/** The micro-batch of a DPO step, and its loss. */
async function dpoStep(
  model: LanguageModel,
  plan: Plan,
  trainer: Trainer,
): Promise<{ groups: Group[]; step: () => Promise<StepResult> }> {
  const ids = randomIds(model);
  const groups: Group[] = Array.from({ length: plan.groups }, () => ({
    promptIds: ids(plan.promptTokens),
    responseIds: Array.from({ length: 1 + plan.negatives }, () => ids(plan.responseTokens)),
  }));
  const settings = { kind: 'sigmoid', beta: 0.1, ftx: 0, groups: groups.length } as const;
  const references = (await trainer.logps(groups)).map((g) => g.map((r) => r.reduce((a, b) => a + b, 0)));
  const step = () =>
    trainer.step(
      groups,
      (i, logps) => dpoLoss(logps, references[i] ?? [], plan.responseTokens, settings),
      1e-6,
    );
  return { groups, step };
}

async function trained(model: LanguageModel, plan: Plan) {
  return trainerOf(model, plan, async (trainer) => {
    const { groups, step } = await dpoStep(model, plan, trainer);
    let tokens = 0;
    const stepSeconds = await seconds(plan.repeats, async () => {
      tokens = (await step()).tokens;
    });
    const headRows = groups.length * (1 + plan.negatives) * plan.responseTokens;
    return {
      stepSeconds,
      stepTokens: tokens,
      stepOperations: operations(products(model.config, tokens, headRows)) / stepSeconds,
    };
  });
}

async function counts(plan: Plan): Promise<Counted> {
  const model = await loadLanguageModel(await open(), source(plan.model));
  try {
    const decoding = await countedSlice(model, plan);
    const training = await trainerOf(model, plan, async (trainer) => {
      const { step } = await dpoStep(model, plan, trainer);
      // Buffers are made in the first steps, and used again from then on.
      for (let i = 0; i < 4; i++) await step();
      return counted(step);
    });
    return { ...decoding, training };
  } finally {
    await model.dispose();
  }
}

/** The third slice: in the first, programs are compiled, and in the second buffers are made that are used again. */
async function countedSlice(model: LanguageModel, plan: Plan): Promise<Pick<Counted, 'slice' | 'rounds'>> {
  const adapter = (await trainerOf(model, plan, (trainer) => trainer.weights())) ?? null;
  const sampler = await model.createSampler(lora(plan), adapter);
  const [rows = 1] = plan.sampling;
  const promptIds = randomIds(model)(plan.promptTokens);
  const settings = { temperature: 1, topP: 1, topK: 0, maxTokens: plan.maxTokens, stopIds: [] };
  const slices: Pick<Counted, 'slice' | 'rounds'>[] = [];
  let before = gpuCounts();
  const onTokens = (tokens: number) => {
    slices.push({ slice: since(before), rounds: tokens / rows });
    before = gpuCounts();
  };
  try {
    await sampler.sample([{ promptIds, n: rows, seed: 1 }], settings, () => {}, { onTokens });
  } finally {
    await sampler.dispose();
  }
  const [, , third] = slices;
  if (!third) throw new Error(`internal: ${slices.length} slices`);
  return third;
}

window.gpuBench = { adapter, peak, measure, counts };
