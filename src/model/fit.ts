/**
 * What a run needs in memory, worked out from the graphs that it will run, before any weight is read.
 *
 * On WASM there are two places: WebAssembly's own memory ('heap', which never shrinks and ends at 4 GiB) and the
 * worker's other memory ('page'). On WebGPU, tensors lie in buffers of the graphics device ('gpu').
 */
import type { ModelConfig } from './config.ts';
import { elements, type LoraConfig, modelWeights, projections } from './parameters.ts';
import type { Precision } from './precision.ts';
import { samplingBytes, trainingBytes } from './run-bytes.ts';
import { weightBytes } from './weight-form.ts';

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
  /** The most outside the graphics device at any time. */
  readonly machine: number;
  /** The largest single tensor: what one buffer of the graphics device must hold. */
  readonly largestBuffer: number;
}

/** WebAssembly's memory at most: 65,536 pages of 64 KiB. */
export const HEAP_LIMIT = 2 ** 32;

/** WebAssembly's memory before any graph is there. */
const RUNTIME = 17e6;

/**
 * What WebAssembly's memory has beyond what is in use: it grows by up to a fifth ahead, and the allocator loses
 * something between blocks. Measured in docs/lab-notes.md.
 */
const HEAP_SLACK = 1.15;

/** Program code, the tokenizer, and what JavaScript has not yet cleared away. */
const PROGRAM = 130e6;

/** Pieces of a file in memory at a time, and what becomes of them. */
const READING = 64e6;

/** Constants of a graph while onnxruntime takes them over and packs them, to their size. */
const TAKEN_OVER = 1.5;

const MILLION = 1e6;
const megabytes = (bytes: number): string =>
  `${(bytes / MILLION).toLocaleString('en', { maximumFractionDigits: bytes < 10e6 ? 1 : 0 })} MB`;

/** Bytes of the weights as they are kept on the device. */
export const weightsBytes = (c: ModelConfig, precision: Precision): number =>
  modelWeights(c).reduce((sum, weight) => sum + weightBytes(precision, weight), 0);

const parameterCount = (c: ModelConfig): number =>
  modelWeights(c).reduce((sum, { shape }) => sum + elements(shape), 0);

const numbersOf = (precision: Precision, backend: Backend) => ({ precision, gpu: backend === 'webgpu' });

/** The matrices that an adapter is merged into. */
function mergedBytes(c: ModelConfig, { targets }: LoraConfig): number {
  const layer = projections(c).filter(({ target }) => targets.includes(target));
  return c.layers * layer.reduce((sum, { out, in: inner }) => sum + out * inner * 4, 0);
}

const ALWAYS: readonly Phase[] = ['loading', 'training', 'sampling'];

/** What training takes, by where and for what. */
function trainingParts(
  c: ModelConfig,
  work: Workload,
  memory: MemoryChoice,
  precision: Precision,
  backend: Backend,
) {
  const bytes = trainingBytes(c, work, memory, numbersOf(precision, backend));
  const gpu = backend === 'webgpu';
  const run = gpu ? bytes.run - bytes.handedIn : bytes.run * HEAP_SLACK;
  const parts: Part[] = [
    {
      label: 'Adapter and optimiser',
      bytes: bytes.units,
      place: gpu ? 'gpu' : 'page',
      // Samples are drawn in the midst of training, too.
      phases: ['training', 'sampling'],
      words: `The adapter of rank ${work.lora.rank}, its gradient and AdamW's two moments, now and a step before.`,
    },
    {
      label: 'Activations',
      bytes: bytes.trace,
      place: gpu ? 'gpu' : 'page',
      phases: ['training'],
      words: `What the forward pass of ${bytes.rows.toLocaleString('en')} tokens leaves for the backward pass.`,
    },
    {
      label: 'Training graph',
      bytes: run,
      place: gpu ? 'gpu' : 'heap',
      phases: ['training'],
      words: `One graph of ${memory.segment} layers, forward or back, or the head, while it runs.`,
    },
  ];
  return { parts, largest: bytes.largest };
}

/** What sampling takes likewise. */
function samplingParts(
  c: ModelConfig,
  work: Workload,
  sampleRows: number,
  precision: Precision,
  backend: Backend,
) {
  const bytes = samplingBytes(c, work, sampleRows, numbersOf(precision, backend));
  const gpu = backend === 'webgpu';
  const builtIn = !gpu && precision === 'f32';
  // A loop is handed what rows have seen; steps on a GPU hand on what they make of it.
  const cache = gpu ? 2 * bytes.cache : bytes.cache;
  const weights = gpu ? 0 : builtIn ? TAKEN_OVER * bytes.weights : bytes.weights;
  const drawing = weights + cache + bytes.step;
  const reading = gpu ? bytes.prefill : bytes.prefill + bytes.weights;
  const parts: Part[] = [
    {
      label: 'Decoder',
      bytes: Math.max(drawing, reading) * (gpu ? 1 : HEAP_SLACK),
      place: gpu ? 'gpu' : 'heap',
      phases: ['sampling'],
      words: `The graph that draws tokens${gpu ? '' : ' with its weights'}, and keys and values of ${sampleRows} answers at a time (${megabytes(bytes.cache)}).`,
    },
    {
      label: 'Merged weights',
      bytes: builtIn ? mergedBytes(c, work.lora) : 0,
      place: 'page',
      phases: ['sampling'],
      words: 'The matrices with the adapter merged into them, built into the decoder.',
    },
    {
      label: 'Keys and values',
      bytes: gpu ? 0 : 2 * bytes.cache,
      place: 'page',
      phases: ['sampling'],
      words: `Keys and values of ${sampleRows} answers and their prompts between two calls of the decoder, and while they move.`,
    },
  ];
  return { parts: parts.filter((part) => part.bytes > 0), largest: bytes.largest };
}

/** Memory of a run with these choices; see `chooseMemory` for how they are made. */
export function estimate(
  c: ModelConfig,
  work: Workload,
  memory: MemoryChoice,
  precision: Precision,
  backend: Backend,
): Need {
  const gpu = backend === 'webgpu';
  const weights = weightsBytes(c, precision);
  const training = trainingParts(c, work, memory, precision, backend);
  const sampling = samplingParts(c, work, memory.sampleRows, precision, backend);
  const parts: Part[] = [
    {
      label: 'Runtime',
      bytes: RUNTIME,
      place: 'heap',
      phases: ALWAYS,
      words: 'onnxruntime itself.',
    },
    {
      label: 'Program',
      bytes: PROGRAM,
      place: 'page',
      phases: ALWAYS,
      words: 'The program, the tokenizer, and what JavaScript has not yet cleared away.',
    },
    {
      label: 'Weights',
      bytes: weights,
      place: gpu ? 'gpu' : 'page',
      phases: ALWAYS,
      words: `${(parameterCount(c) / MILLION).toFixed(1)} M parameters kept as ${precision}.`,
    },
    {
      label: 'Reading',
      bytes: READING,
      place: 'page',
      phases: ['loading'],
      words: 'Pieces of the weights file on their way to the device.',
    },
    ...training.parts,
    ...sampling.parts,
  ];
  const largestWeight = Math.max(...modelWeights(c).map((weight) => weightBytes(precision, weight)));
  return needOf(parts, Math.max(largestWeight, training.largest, sampling.largest));
}

function needOf(parts: readonly Part[], largestBuffer: number): Need {
  const sum = (phase: Phase, place?: Place) =>
    parts
      .filter((part) => part.phases.includes(phase) && (place === undefined || part.place === place))
      .reduce((total, { bytes }) => total + bytes, 0);
  const most = (place: Place) => Math.max(...ALWAYS.map((phase) => sum(phase, place)));
  const heap = most('heap');
  // WebAssembly's memory stays as large as it ever was; that of training may come after that of sampling.
  const all = (phase: Phase) => sum(phase) + (phase === 'loading' ? 0 : heap - sum(phase, 'heap'));
  return {
    parts,
    peak: Math.max(...ALWAYS.map(all)),
    loadingPeak: all('loading'),
    trainingPeak: all('training'),
    samplingPeak: all('sampling'),
    heap,
    gpu: most('gpu'),
    machine: Math.max(...ALWAYS.map((phase) => all(phase) - sum(phase, 'gpu'))),
    largestBuffer,
  };
}
