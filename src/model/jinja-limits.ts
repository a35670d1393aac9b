/** How much a template may take. */
export interface JinjaLimits {
  /** Characters of the template itself; the longest published ones have about 30,000. */
  readonly template: number;
  /** Evaluated nodes. */
  readonly steps: number;
  readonly milliseconds: number;
  /** Characters of the output and of every value on the way, all that it holds counted. */
  readonly text: number;
  /** Characters (a list's item counts as 32) that all values together may take. */
  readonly produced: number;
  /** Items of one range(). */
  readonly range: number;
  /** Calls and expressions within each other, and lists within lists. */
  readonly depth: number;
}

export const JINJA_LIMITS: JinjaLimits = {
  template: 131_072,
  steps: 1_000_000,
  milliseconds: 2_000,
  text: 2_000_000,
  produced: 32_000_000,
  range: 50_000,
  depth: 250,
};

/** A limit was reached; the message says which. */
export class JinjaLimitError extends Error {
  override name = 'JinjaLimitError';
}
