/** What is measured at each point of a curve, shared by the page and the runner. */
import type { ShapeName } from '../../lib/shapes.ts';

/** A published shape, and what of its config.json is different. */
export interface Shape {
  readonly name: ShapeName;
  readonly change: Readonly<Record<string, number>>;
}

export interface Point {
  readonly shape: Shape;
  readonly promptTokens: number;
  /** Of every answer, sampled and trained on. */
  readonly answerTokens: number;
  /** Answers sampled of one prompt. */
  readonly samples: number;
  /** Prompts of a DPO step, and negatives of each. */
  readonly groups: number;
  readonly negatives: number;
}

export interface Measured {
  readonly parameters: number;
  readonly sampleSeconds: number;
  readonly stepSeconds: number;
  /** Real tokens of the step. */
  readonly stepTokens: number;
  /** Operations of one sampled token, at the mean length of what it looks back on. */
  readonly operationsAToken: number;
  /** Bytes of WebAssembly's memory in the end; it never shrinks. */
  readonly heap: number;
}

const tiny: Shape = {
  name: 'stories15M',
  change: {
    vocab_size: 1792,
    hidden_size: 64,
    intermediate_size: 172,
    num_hidden_layers: 5,
    num_attention_heads: 8,
    num_key_value_heads: 4,
  },
};
const small: Shape = {
  name: 'stories15M',
  change: {
    vocab_size: 1792,
    hidden_size: 128,
    intermediate_size: 352,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 2048,
  },
};

const POINT: Point = {
  shape: small,
  promptTokens: 33,
  answerTokens: 32,
  samples: 16,
  groups: 4,
  negatives: 4,
};

export interface Curve {
  readonly points: readonly { readonly name: string; readonly point: Point }[];
  /** How much of what the cost should be linear in. */
  readonly units: (measured: Measured, point: Point) => { readonly sample: number; readonly step: number };
  /** One of these, in words. */
  readonly unit: string;
}

const K = [1, 2, 4, 8, 16];
const LENGTHS = [64, 128, 256, 512, 1024];
/** stories260K's shape with the embedded tokenizer's vocabulary, the embedded model's, and published ones. */
const SIZES: readonly (readonly [string, Shape])[] = [
  ['0.3M', tiny],
  ['1M', small],
  ['15M', { name: 'stories15M', change: {} }],
  ['135M', { name: 'SmolLM2-135M', change: {} }],
];

export const CURVES: Readonly<Record<string, Curve>> = {
  k: {
    points: K.map((k) => ({ name: `k = ${k}`, point: { ...POINT, samples: k, negatives: k } })),
    units: (_, { samples, groups, negatives }) => ({ sample: samples, step: groups * negatives }),
    unit: 'answer',
  },
  length: {
    points: LENGTHS.map((answerTokens) => ({
      name: `${answerTokens} tokens`,
      point: { ...POINT, answerTokens, groups: 1 },
    })),
    units: ({ stepTokens }, { samples, answerTokens }) => ({
      sample: samples * answerTokens,
      step: stepTokens,
    }),
    unit: 'token',
  },
  size: {
    points: SIZES.map(([name, shape]) => ({ name, point: { ...POINT, shape, groups: 1 } })),
    units: ({ parameters }) => ({ sample: parameters, step: parameters }),
    unit: 'parameter',
  },
};
