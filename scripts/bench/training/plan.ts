/** What is measured of training in a browser on WASM, shared by the page, the runner and PyTorch's script. */
import type { MemoryChoice } from '../../../src/model/fit.ts';

/** One optimiser step: groups of one prompt and its responses, all of one length. */
export interface StepPlan {
  readonly groups: number;
  readonly promptTokens: number;
  readonly responses: number;
  readonly responseTokens: number;
  /** Log-probabilities under the reference are computed in every step. */
  readonly reference: boolean;
}

export interface Prepared {
  readonly memory: MemoryChoice;
  /** Tokens that go through the model, and those of them that go through the head, padding included. */
  readonly rows: number;
  readonly headRows: number;
  readonly microBatches: number;
}

/** Seconds of a step's bare products by what they are for. */
export interface Shares {
  readonly weights: number;
  readonly attention: number;
  readonly adapter: number;
  readonly head: number;
}

export const RANK = 8;
