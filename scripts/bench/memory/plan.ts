/** What is measured of one model's memory, shared by the page and the runner. */
import type { MemoryChoice, Need } from '../../../src/model/fit.ts';
import type { Precision } from '../../../src/model/precision.ts';
import type { ShapeName } from '../../lib/shapes.ts';

export interface MemoryPlan {
  /** The embedded model, or a published shape with random weights. */
  readonly model: 'embedded' | ShapeName;
  readonly precision: Precision;
  readonly promptTokens: number;
  readonly negatives: number;
  /** Tokens of every answer, trained on and sampled. */
  readonly answerTokens: number;
  readonly samples: number;
}

/** `group` is the largest training job that is promised: 1 + 16 answers of 256 tokens within 3 GB of heap. */
export const MEMORY_PLANS: Readonly<Record<string, MemoryPlan>> = {
  embedded: {
    model: 'embedded',
    precision: 'f32',
    promptTokens: 33,
    negatives: 8,
    answerTokens: 32,
    samples: 16,
  },
  stories: {
    model: 'stories15M',
    precision: 'f32',
    promptTokens: 33,
    negatives: 8,
    answerTokens: 64,
    samples: 16,
  },
  smol: {
    model: 'SmolLM2-135M',
    precision: 'f32',
    promptTokens: 33,
    negatives: 4,
    answerTokens: 32,
    samples: 8,
  },
  'smol-q8': {
    model: 'SmolLM2-135M',
    precision: 'q8',
    promptTokens: 33,
    negatives: 4,
    answerTokens: 32,
    samples: 8,
  },
  group: {
    model: 'SmolLM2-135M',
    precision: 'f32',
    promptTokens: 33,
    negatives: 16,
    answerTokens: 256,
    samples: 0,
  },
};

export interface MemoryFigures {
  readonly memory: MemoryChoice;
  readonly need: Need;
  /** Sentences on what was traded. */
  readonly trades: readonly string[];
  /** Bytes of WebAssembly's memory after a training step, and after sampling. */
  readonly heapTrained: number;
  readonly heapSampled: number;
  readonly stepSeconds: number;
}
