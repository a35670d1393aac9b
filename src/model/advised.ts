/** Failures that say what likely caused them and what helps. */

/** What may be done about a failure at a press: compute on WebAssembly, or train with a lower learning rate. */
export const OFFERS = ['wasm', 'lower-rate'] as const;
export type Offer = (typeof OFFERS)[number];

export interface Advice {
  /** In words, the likeliest first. */
  readonly reasons?: readonly string[];
  readonly offer?: Offer;
}

export class AdvisedError extends Error implements Advice {
  override name: string = 'AdvisedError';
  readonly reasons: readonly string[];
  readonly offer?: Offer;

  constructor(message: string, { reasons = [], offer, cause }: Advice & { readonly cause?: unknown } = {}) {
    super(message, { cause });
    this.reasons = reasons;
    if (offer) this.offer = offer;
  }
}
