import type { ModelConfig } from '../../../src/model/config.ts';
import type { GpuCounts } from './counter.ts';

/** What is measured of one model on a GPU, shared by the page, the runner and PyTorch's script. */
export interface Plan {
  /** A name of scripts/lib/shapes.ts, or the embedded model: small enough for an adapter that computes in software. */
  readonly model: 'SmolLM2-135M' | 'Qwen3-0.6B' | 'embedded';
  /** Rows sampled together. */
  readonly sampling: readonly number[];
  readonly maxTokens: number;
  /** A DPO step: so many prompts, each with a target and k negatives. */
  readonly groups: number;
  readonly negatives: number;
  readonly promptTokens: number;
  readonly responseTokens: number;
  readonly rank: number;
  readonly repeats: number;
}

const REAL = {
  sampling: [1, 8, 32],
  maxTokens: 64,
  groups: 2,
  negatives: 4,
  promptTokens: 128,
  responseTokens: 128,
  rank: 8,
  repeats: 3,
};

export const PLANS: readonly Plan[] = [
  { model: 'SmolLM2-135M', ...REAL },
  { model: 'Qwen3-0.6B', ...REAL },
];

export const TINY: readonly Plan[] = [
  {
    model: 'embedded',
    sampling: [1, 2],
    maxTokens: 2,
    groups: 1,
    negatives: 1,
    promptTokens: 8,
    responseTokens: 8,
    rank: 2,
    repeats: 1,
  },
];

/** Side of the square products that stand for the peak, and how many follow one another. */
export const PEAK = { real: { side: 4096, count: 8 }, tiny: { side: 64, count: 2 } };

export interface Measured {
  /** What the weights were really kept in. */
  readonly precision: string;
  readonly parameters: number;
  readonly loadSeconds: number;
  readonly sampling: readonly { readonly rows: number; readonly tokensPerSecond: number }[];
  readonly stepSeconds: number;
  /** Real tokens of a step; the prompt counts once for all its responses. */
  readonly stepTokens: number;
  /** Of the frozen weights' products, per second. */
  readonly stepOperations: number;
  /** Bytes of GPU buffers at the moment when there were most. */
  readonly peakBytes: number;
  readonly shape: TorchShape;
}

/** What the same model in PyTorch (step.py) is made of. */
export const torchShape = (c: ModelConfig) => ({
  vocab: c.vocabSize,
  hidden: c.hiddenSize,
  mlp: c.intermediateSize,
  layers: c.layers,
  heads: c.heads,
  kvHeads: c.kvHeads,
  headDim: c.headDim,
});
export type TorchShape = ReturnType<typeof torchShape>;

/** For counting, which is the same on every adapter: three slices of decoding, and a step of a few layers' model. */
export const COUNTS: Plan = {
  model: 'embedded',
  sampling: [4],
  maxTokens: 48,
  groups: 1,
  negatives: 1,
  promptTokens: 8,
  responseTokens: 8,
  rank: 2,
  repeats: 1,
};

export interface Counted {
  /** Of all rounds of one slice, the reading of what they drew included. */
  readonly slice: GpuCounts;
  readonly rounds: number;
  readonly training: GpuCounts;
}

export interface AdapterFacts {
  readonly name: string;
  /** Computes on the processor. */
  readonly software: boolean;
  readonly halfPrecision: boolean;
  readonly maxBufferBytes: number;
}
