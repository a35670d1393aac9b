/** The page behind `npm run bench -- --only dpo` and `--only step`: steps of training on WASM, and their bare products. */
import { openDevice } from '../../../src/engine/backend.ts';
import type { Device, Program, Tensors } from '../../../src/engine/device.ts';
import { loadLanguageModel } from '../../../src/engine/language-model.ts';
import type { Group, GroupLoss, LanguageModel, Trainer } from '../../../src/engine/types.ts';
import { planMicroBatches } from '../../../src/model/batch.ts';
import { responseTotal, rowTotal } from '../../../src/model/block.ts';
import { chooseMemory } from '../../../src/model/memory-choice.ts';
import { TARGETS } from '../../../src/model/parameters.ts';
import { stream } from '../../../src/model/random.ts';
import { urlFolder } from '../../../src/service/url-folder.ts';
import { shapedModel } from '../../lib/shaped-model.ts';
import type { ShapeName } from '../../lib/shapes.ts';
import { bareGraph, type Part } from '../products.ts';
import { type Prepared, RANK, type Shares, type StepPlan } from './plan.ts';

export interface TrainingBench {
  /** Loads a model of random weights; the threads it computes with. */
  load(shape: ShapeName): Promise<number>;
  /** Makes a trainer and the groups of a step, with the memory that a run of this work would choose. */
  prepare(name: string, plan: StepPlan): Promise<Prepared>;
  step(name: string): Promise<void>;
  /** The matrix products of a step and nothing else. */
  bare(name: string): Promise<void>;
  /** Seconds of the same, part by part. */
  shares(name: string, repeats: number): Promise<Shares>;
}

declare global {
  interface Window {
    trainingBench: TrainingBench;
  }
}

interface Work {
  readonly trainer: Trainer;
  readonly groups: readonly Group[];
  readonly maxRows: number;
  readonly reference: boolean;
  bare?: Bare;
}

interface Bare {
  readonly programs: readonly Program[];
  readonly inputs: readonly Tensors[];
}

const LORA = { rank: RANK, alpha: 2 * RANK, targets: TARGETS };
const OPTIMISER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
const OPEN = { rows: 0, segment: 0, activations: 'auto', sampleRows: 0 } as const;

/** What a loss's coefficients are takes no time: these are as small as DPO's. */
const loss: GroupLoss = (_, logps) => ({
  loss: 0,
  coefficients: logps.map((_x, i) => (i === 0 ? -1e-3 : 1e-4)),
  metrics: {},
});

let device: Device | undefined;
let model: LanguageModel | undefined;
const works = new Map<string, Work>();

function opened(): { device: Device; model: LanguageModel } {
  if (!device || !model) throw new Error('internal: no model is loaded');
  return { device, model };
}

function named(name: string): Work {
  const work = works.get(name);
  if (!work) throw new Error(`internal: no step ${name}`);
  return work;
}

async function load(shape: ShapeName): Promise<number> {
  const embedded = urlFolder(new URL('/models/default-lm/', location.href).href, 'default-lm');
  device = await openDevice({ backend: 'wasm', wasmPath: '/ort/' });
  model = await loadLanguageModel(device, shapedModel(shape, embedded.read));
  return device.info.threads;
}

async function prepare(name: string, plan: StepPlan): Promise<Prepared> {
  const { model } = opened();
  const random = stream(1, 'training bench');
  const ids = (n: number) => Array.from({ length: n }, () => Math.floor(random() * model.config.vocabSize));
  const groups = Array.from({ length: plan.groups }, () => ({
    promptIds: ids(plan.promptTokens),
    responseIds: Array.from({ length: plan.responses }, () => ids(plan.responseTokens)),
  }));
  const work = {
    lora: LORA,
    responses: plan.responses,
    promptTokens: plan.promptTokens,
    answerTokens: plan.responseTokens,
    batch: plan.groups,
    samples: 1,
    maxTokens: plan.responseTokens,
  };
  const { memory } = chooseMemory(model.config, work, OPEN, 'f32', 'wasm');
  const trainer = await model.createTrainer(LORA, OPTIMISER, 1, memory);
  works.set(name, { trainer, groups, maxRows: memory.rows, reference: plan.reference });
  const batches = planMicroBatches(groups, memory.rows).map(({ geometry }) => geometry);
  const sum = (of: (geometry: (typeof batches)[number]) => number) => batches.reduce((t, s) => t + of(s), 0);
  return { memory, rows: sum(rowTotal), headRows: sum(responseTotal), microBatches: batches.length };
}

async function step(name: string): Promise<void> {
  const { trainer, groups, reference } = named(name);
  if (reference) await trainer.logps(groups);
  await trainer.step(groups, loss, 1e-6);
}

async function compiled(work: Work, parts?: readonly Part[]): Promise<Bare> {
  const { device, model } = opened();
  const graphs = planMicroBatches(work.groups, work.maxRows).map(({ geometry }) =>
    bareGraph(model.config, geometry, LORA, parts),
  );
  return {
    programs: await Promise.all(graphs.map((graph) => device.compile(graph))),
    // Zeros: chained products neither overflow nor come down to numbers so small that they are slow.
    inputs: graphs.map((graph) =>
      Object.fromEntries(
        graph.inputs.map(({ name, shape }) => {
          const sizes = shape.map(Number);
          return [name, device.host(new Float32Array(sizes.reduce((a, b) => a * b, 1)), sizes)];
        }),
      ),
    ),
  };
}

async function run({ programs, inputs }: Bare): Promise<void> {
  for (const [i, program] of programs.entries()) await program.run(inputs[i] ?? {});
}

async function bare(name: string): Promise<void> {
  const work = named(name);
  work.bare ??= await compiled(work);
  await run(work.bare);
}

async function shares(name: string, repeats: number): Promise<Shares> {
  const seconds = async (part: Part): Promise<number> => {
    const products = await compiled(named(name), [part]);
    const times: number[] = [];
    for (let i = 0; i <= repeats; i++) {
      const start = performance.now();
      await run(products);
      if (i > 0) times.push((performance.now() - start) / 1000);
    }
    for (const program of products.programs) await program.release();
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  };
  return {
    weights: await seconds('weights'),
    attention: await seconds('attention'),
    adapter: await seconds('adapter'),
    head: await seconds('head'),
  };
}

window.trainingBench = { load, prepare, step, bare, shares };
