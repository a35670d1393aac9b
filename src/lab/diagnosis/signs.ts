/** The ways to fail: how each is recognised and what to do about it, as one table that compiles only when it is whole. */
import { CHOSEN_FALL, FEWEST_DISTINCT, LENGTHS, RISEN } from '../../pipeline/thresholds.ts';
import type { Sign, SignId } from '../types.ts';

/** Batches whose figures are averaged before a step is judged: one batch may be odd. */
export const WINDOW = 3;
/** Share of pairs told apart that is too much so early. */
export const TOO_EASY = 0.97;
/** Share of the steps that count as early. */
export const EARLY = 1 / 3;
/** Rise, as a share of all answers, of refusals or of repetition. */
export const SHARE_RISE = 0.05;
/** Words of an answer that, said so often, are repetition. */
export const REPETITION = { words: 4, times: 3 };
/** Different answers a prompt, as multiples of the negatives asked for, that leave a choice. */
export const CHOICE = 1.25;

const percent = (share: number): string => `${Math.round(100 * share)} %`;

interface SignText {
  readonly title: string;
  readonly threshold: string;
  readonly suggestion: string;
}

export const SIGN_TEXTS: Readonly<Record<SignId, SignText>> = {
  plateau: {
    title: 'Plateau over k',
    threshold:
      'the gain of the largest k over the second largest is no more than noise (its 95 % interval holds 0)',
    suggestion: 'Stay with the smaller k: it costs less and does as much.',
  },
  'easy-negatives': {
    title: 'Over-fitting to easy negatives',
    threshold: `reward margins still rise in the last third of DPO while held-out answers are worse than SFT's beyond noise; while training: more than ${percent(TOO_EASY)} of pairs told apart (mean of ${WINDOW} steps) in the first third of the steps`,
    suggestion: 'Train against harder negatives: raise filter.percent.',
  },
  'chosen-falls': {
    title: 'Targets become less likely',
    threshold: `the mean log-probability of the targets is below the reference's by more than ${CHOSEN_FALL.nats} nats and ${percent(CHOSEN_FALL.share)} of it`,
    suggestion: 'Set dpo.ftx, e.g. to 0.1: it holds the targets up while the negatives go down.',
  },
  'over-alignment': {
    title: 'Over-alignment',
    threshold: `held-out answers have less than ${LENGTHS.least} or more than ${LENGTHS.most} times SFT's tokens, or refusals or repetition (the same ${REPETITION.words} words ${REPETITION.times} times) rise by more than ${100 * SHARE_RISE} points beyond noise`,
    suggestion: 'Raise dpo.beta, so that the policy stays nearer to SFT.',
  },
  'few-distinct': {
    title: 'Too few different answers',
    threshold: `fewer different answers a prompt than ${percent(FEWEST_DISTINCT)} of those sampled, or than ${CHOICE} times the negatives asked for`,
    suggestion: 'Raise sample.temperature: without variety the method has nothing to contrast.',
  },
  diverged: {
    title: 'Training diverged',
    threshold: `a number that is none, or a loss ${RISEN} times the first ones (means of ${WINDOW} steps)`,
    suggestion: 'Lower the learning rate of that stage; a tenth is worth a try.',
  },
};

/** @param evidence what was seen, as a sentence with its figures */
export function sign(id: SignId, state: Sign['state'], evidence: string): Sign {
  return { id, state, evidence, ...SIGN_TEXTS[id] };
}

export const seenIf = (seen: boolean): Sign['state'] => (seen ? 'seen' : 'not-seen');
