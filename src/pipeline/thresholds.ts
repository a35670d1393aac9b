/** What counts as going wrong, for the warnings of a run and the signs of a lab alike: written once. */

/** Fewer different answers than this share of those sampled leave little to contrast. */
export const FEWEST_DISTINCT = 1 / 4;

export const tooFewDistinct = (meanDistinct: number, n: number): boolean =>
  meanDistinct < n * FEWEST_DISTINCT;

/** How far the log-probability of a target may fall during DPO: nats at least, and share of what it was. */
export const CHOSEN_FALL = { nats: 2, share: 0.25 };

/** @param before log-probability summed over the target's tokens, under the reference; `after` under the policy */
export const chosenFell = (before: number, after: number): boolean =>
  after < before - Math.max(CHOSEN_FALL.nats, CHOSEN_FALL.share * Math.abs(before));

/** Mean tokens an answer, in multiples of SFT's: outside of these the length itself was learnt. */
export const LENGTHS = { least: 0.6, most: 1.6 };

export const lengthChanged = (tokens: number, sftTokens: number): boolean =>
  tokens < LENGTHS.least * sftTokens || tokens > LENGTHS.most * sftTokens;

/** A loss this many times the first one has gone the wrong way. */
export const RISEN = 1.5;

/** Standard errors beyond which a paired difference is more than noise. */
export const BEYOND_NOISE = 2;
