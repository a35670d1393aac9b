/**
 * What a run needs in memory, worked out from the graphs that it will run, before any weight is read.
 *
 * On WASM there are two places: WebAssembly's own memory ('heap', which never shrinks and ends at 4 GiB) and the
 * worker's other memory ('page'). On WebGPU, tensors lie in buffers of the graphics device ('gpu').
 */
import { footprint } from '../graph/footprint.ts';
import { Graph } from '../graph/index.ts';
import { cutGroups, type GroupIds, padLength, planMicroBatches } from './batch.ts';
import { type Geometry, responseTotal, rowTotal } from './block.ts';
import { kindsWithin, type ModelConfig } from './config.ts';
import { adamWGraph } from './optimizer.ts';
import { elements, type LoraConfig, modelWeights, trainableLayer, unitSize } from './parameters.ts';
import type { Precision } from './precision.ts';
import { inputModel, prefill, type SamplingShape, stepGraph } from './sampling-graphs.ts';
import { embeddingGraph, frozenHeadGraph, segmentGraphs } from './training-graphs.ts';

export type Backend = 'webgpu' | 'wasm';

/** What a run does at most with the model at one time. */
export interface Workload {
  readonly lora: LoraConfig;
  /** Responses of a training group: the target and its negatives. */
  readonly responses: number;
  /** Tokens of the longest prompt, and of the longest answer, target or sampled. */
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Prompts an optimiser step. */
  readonly batch: number;
  /** Answers sampled a prompt, and their tokens at most. */
  readonly samples: number;
  readonly maxTokens: number;
}

/** What is traded for memory; src/engine takes these as they are. */
export interface MemoryChoice {
  /** Padded tokens a training micro-batch at most; a group that is larger goes through in parts. */
  readonly rows: number;
  /** Layers in one training graph. */
  readonly segment: number;
  /** Keep activations for the backward pass, or compute them again. */
  readonly keep: boolean;
  /** Answers sampled together. */
  readonly sampleRows: number;
}

export type Place = 'heap' | 'page' | 'gpu';
export type Phase = 'loading' | 'training' | 'sampling';

export interface Part {
  readonly label: string;
  readonly bytes: number;
  readonly place: Place;
  /** When it is there. */
  readonly phases: readonly Phase[];
  /** What it is, in one sentence with its numbers. */
  readonly words: string;
}

/** Bytes. */
export interface Need {
  readonly parts: readonly Part[];
  /** The most that is there at any time, in all places together. */
  readonly peak: number;
  readonly loadingPeak: number;
  readonly trainingPeak: number;
  readonly samplingPeak: number;
  /** The most in one place at any time: of WebAssembly's memory, of the graphics device. */
  readonly heap: number;
  readonly gpu: number;
  /** The largest single tensor: what one buffer of the graphics device must hold. */
  readonly largestBuffer: number;
}

/** WebAssembly's memory at most: 65,536 pages of 64 KiB. */
export const HEAP_LIMIT = 2 ** 32;

/** Bytes of the allocator, code and tables of the runtime before any model is there. */
const RUNTIME = 40e6;

/** Stored bytes an element of a weight; matrices of blocks of 32 carry a scale each. */
export function bytesPerWeight(shape: readonly number[], precision: Precision): number {
  if (shape.length < 2) return 4;
  return { f32: 4, f16: 2, q8: 1 + 4 / 32, q4: 0.5 + 4 / 32 }[precision];
}

/** Bytes of a model's weights as they are kept. */
export function weightBytes(c: ModelConfig, precision: Precision): number {
  return modelWeights(c).reduce(
    (sum, { shape }) => sum + elements(shape) * bytesPerWeight(shape, precision),
    0,
  );
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString('en')} MB`;

/** One run of a graph on WASM or WebGPU: what is handed in and all that is made. */
const runBytes = (graph: Graph, sizes: Readonly<Record<string, number>> = {}): number => {
  const { inputs, constants, working } = footprint(graph, sizes);
  return inputs + constants + working;
};

/** A micro-batch as large as the settings make them. */
function largestMicroBatch(c: ModelConfig, work: Workload, rows: number): Geometry {
  const tokens = (n: number) => new Array<number>(Math.max(1, n)).fill(0);
  const answerTokens = Math.min(work.answerTokens, c.contextLength - 1);
  const promptTokens = Math.min(work.promptTokens, c.contextLength - answerTokens);
  const group: GroupIds = {
    promptIds: tokens(promptTokens),
    responseIds: new Array(work.responses).fill(tokens(answerTokens)),
  };
  const pieces = cutGroups(new Array<GroupIds>(work.batch).fill(group), rows);
  const ids = pieces.map(({ count }) => ({ ...group, responseIds: group.responseIds.slice(0, count) }));
  const batches = planMicroBatches(ids, rows);
  const [largest] = batches.sort((a, b) => rowTotal(b.geometry) - rowTotal(a.geometry));
  if (!largest) throw new Error('internal: no micro-batch');
  return largest.geometry;
}

interface TrainingBytes {
  /** The largest run of any graph. */
  readonly run: number;
  readonly units: number;
  readonly trace: number;
  readonly largest: number;
}

function trainingBytes(c: ModelConfig, work: Workload, memory: MemoryChoice): TrainingBytes {
  const s = largestMicroBatch(c, work, memory.rows);
  const mode = { kind: 'lora', lora: work.lora } as const;
  const kinds = c.layerKinds.slice(0, memory.segment);
  const { forward, backward } = segmentGraphs(c, mode, s, kinds, { keep: memory.keep, wantDx: true });
  const size = unitSize(trainableLayer(c, mode));
  const optimiser = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  const graphs = [
    forward,
    backward,
    embeddingGraph(c, rowTotal(s), false),
    frozenHeadGraph(c, s, true),
    adamWGraph(size, optimiser),
  ];
  const x = rowTotal(s) * c.hiddenSize * 4;
  const kept = footprint(forward).outputs - x;
  const segments = Math.ceil(c.layers / kinds.length);
  return {
    run: Math.max(...graphs.map((graph) => runBytes(graph))),
    // Parameters, two moments, the gradient, the zeros it begins with and the mask of what decays.
    units: 6 * size * c.layers * 4,
    // Every segment's input and what it keeps, the top, and the head's gradient.
    trace: segments * (x + kept) + x + responseTotal(s) * c.hiddenSize * 4,
    largest: Math.max(...graphs.map((graph) => footprint(graph).largest)),
  };
}

interface SamplingBytes {
  readonly prefill: number;
  readonly step: number;
  readonly cache: number;
  readonly largest: number;
}

function samplingBytes(c: ModelConfig, work: Workload, memory: MemoryChoice): SamplingBytes {
  const n = Math.min(work.samples, memory.sampleRows);
  const shape = {
    prompts: Math.max(1, Math.floor(memory.sampleRows / n)),
    n,
    promptRows: padLength(Math.max(1, Math.min(work.promptTokens, c.contextLength) - 1)),
    // As though no layer had a window: it would need less.
    kinds: kindsWithin(c.layerKinds, 0),
  };
  const rule = { temperature: 1, topP: 1, topK: 0, stopIds: [0] };
  const step = stepGraph(c, shape, rule, (g) => inputModel(g, c, null));
  const sizes = { t: work.maxTokens, drawn: work.maxTokens, positions: c.contextLength };
  const filled = prefillGraph(c, shape);
  const weights = footprint(filled).inputs;
  const rows = shape.prompts * shape.n;
  const cacheRow = 2 * c.layers * c.kvHeads * c.headDim * 4;
  return {
    prefill: runBytes(filled),
    step: runBytes(step, sizes) - weights,
    cache: cacheRow * (rows * work.maxTokens + shape.prompts * shape.promptRows),
    largest: Math.max(footprint(filled).largest, footprint(step, sizes).largest),
  };
}

/**
 * @param memory as it will be, see `chooseMemory`
 */
export function estimate(
  c: ModelConfig,
  work: Workload,
  memory: MemoryChoice,
  precision: Precision,
  backend: Backend,
): Need {
  const training = trainingBytes(c, work, memory);
  const sampling = samplingBytes(c, work, memory);
  const weights = weightBytes(c, precision);
  const largestWeight = Math.max(
    ...modelWeights(c).map(({ shape }) => elements(shape) * bytesPerWeight(shape, precision)),
  );
  const always: readonly Phase[] = ['loading', 'training', 'sampling'];
  const tensors: Place = backend === 'webgpu' ? 'gpu' : 'page';
  const runs: Place = backend === 'webgpu' ? 'gpu' : 'heap';
  const part = (label: string, bytes: number, place: Place, phases: readonly Phase[], words: string) => ({
    label,
    bytes,
    place,
    phases,
    words,
  });
  const parts: Part[] = [
    part('runtime', RUNTIME, backend === 'webgpu' ? 'page' : 'heap', always, 'The runtime itself.'),
    part(
      'weights',
      weights,
      tensors,
      always,
      `${megabytes(weights)} of weights: ${(modelWeights(c).reduce((n, { shape }) => n + elements(shape), 0) / 1e6).toFixed(1)} M parameters kept as ${precision}.`,
    ),
    part(
      'loading',
      2 * largestWeight,
      'page',
      ['loading'],
      'The largest tensor of the file while it is read and converted.',
    ),
    part(
      'adapter and optimiser',
      training.units,
      tensors,
      ['training'],
      'The adapter, its gradient and the optimiser’s two moments.',
    ),
    part(
      'activations',
      training.trace,
      tensors,
      ['training'],
      'What the forward pass leaves for the backward pass.',
    ),
    part(
      'training run',
      training.run,
      runs,
      ['training'],
      'What one graph of layers takes while it runs, the weights that it reads included.',
    ),
    ...(backend === 'wasm'
      ? [
          part('sampling weights', 2 * weights, 'heap', ['sampling'], 'The weights built into the decoder.'),
          part('merged weights', weights, 'page', ['sampling'], 'The weights with the adapter merged in.'),
        ]
      : []),
    part('KV cache', sampling.cache, runs, ['sampling'], 'Keys and values of the answers under way.'),
    part(
      'sampling run',
      Math.max(sampling.prefill, sampling.step),
      runs,
      ['sampling'],
      'What reading prompts or drawing tokens takes at a time.',
    ),
  ];
  return needOf(parts, Math.max(largestWeight, training.largest, sampling.largest));
}

function needOf(parts: readonly Part[], largestBuffer: number): Need {
  const sum = (phase: Phase, place?: Place) =>
    parts
      .filter((p) => p.phases.includes(phase) && (place === undefined || p.place === place))
      .reduce((total, p) => total + p.bytes, 0);
  const phases = ['loading', 'training', 'sampling'] as const;
  const most = (place: Place) => Math.max(...phases.map((phase) => sum(phase, place)));
  const heap = most('heap');
  // WebAssembly's memory stays as large as it ever was.
  const peakOf = (phase: Phase) => sum(phase) - sum(phase, 'heap') + heap;
  const [loadingPeak, trainingPeak, samplingPeak] = phases.map((phase) => peakOf(phase));
  return {
    parts,
    peak: Math.max(...phases.map(peakOf)),
    loadingPeak: loadingPeak ?? 0,
    trainingPeak: trainingPeak ?? 0,
    samplingPeak: samplingPeak ?? 0,
    heap,
    gpu: most('gpu'),
    largestBuffer,
  };
}

function prefillGraph(c: ModelConfig, shape: SamplingShape): Graph {
  const g = new Graph();
  prefill(g, c, shape, inputModel(g, c, null));
  return g;
}
