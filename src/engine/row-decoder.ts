/**
 * Rows decoded side by side, each at its own place in its own sequence: how the sampler sees a backend. The sampler
 * decides which row sits in which slot; a decoder computes.
 */
import type { SamplingRule } from '../model/draw-token.ts';

/** Keys and values of all tokens of a prompt but the last, which is the first token that is decoded from. */
export interface PromptCache {
  readonly promptIds: readonly number[];
  dispose(): void;
}

export interface DecoderShape {
  /** Slots. */
  readonly rows: number;
  /** Tokens a row may come to, its prompt included. */
  readonly room: number;
  /** Rounds of a slice at most: between two slices rows end, begin, and are stopped. */
  readonly slice: number;
  readonly rule: SamplingRule;
}

export interface Drawn {
  /** [rounds, rows] */
  readonly tokens: Int32Array;
  /** [rounds, rows], under the plain softmax */
  readonly logps: Float32Array;
}

export interface RowDecoder {
  readonly shape: DecoderShape;
  /** Whether what a row draws depends on no other row, to the last bit. */
  readonly exact: boolean;
  /** One pass over each prompt, however many rows begin from it. */
  prefill(prompts: readonly (readonly number[])[]): Promise<PromptCache[]>;
  /**
   * Some rounds for all slots.
   *
   * @param begin slots whose row begins anew from a prompt; those of the other slots go on
   * @param live whether a slot holds a row that still wants tokens; what is drawn in others is of no use
   * @param u [rounds, rows], uniform in [0, 1)
   */
  decode(begin: ReadonlyMap<number, PromptCache>, live: readonly boolean[], u: Float32Array): Promise<Drawn>;
  dispose(): Promise<void>;
}
