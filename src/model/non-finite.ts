/** Numbers that are none (NaN, infinite), where training, scoring or sampling met them. Nothing was changed by them. */
import { AdvisedError, type Offer } from './advised.ts';

export interface NonFinite {
  readonly what: 'log-probabilities' | 'loss' | 'gradient';
  /** Where they first appeared, as in 'layer 3'; null where that is not known, or no pass of the model made them. */
  readonly place: string | null;
}

export class NonFiniteError extends AdvisedError implements NonFinite {
  override name = 'NonFiniteError';
  readonly what: NonFinite['what'];
  readonly place: string | null;

  constructor(
    { what, place }: NonFinite,
    advice: { message?: string; reasons?: readonly string[]; offer?: Offer; cause?: unknown } = {},
  ) {
    const { message = nonFiniteText({ what, place }), reasons = STANDING_REASONS, offer, cause } = advice;
    super(message, { reasons, offer, cause });
    this.what = what;
    this.place = place;
  }
}

/** e.g. 'the loss is not a number (first in layer 3)'. */
export function nonFiniteText({ what, place }: NonFinite): string {
  const verb = what === 'log-probabilities' ? 'are no numbers' : 'is not a number';
  return `the ${what} ${verb}${place === null ? '' : ` (first in ${place})`}`;
}

/** Whether an error that only its words are left of was a NonFiniteError: in every one nonFiniteText is part of them. */
export const tellsNonFinite = (message: string): boolean =>
  /\b(are no numbers|is not a number)\b/.test(message);

/** What makes a model that is not being changed give no numbers. */
const STANDING_REASONS: readonly string[] = [
  'The adapter has grown too large in the training before: redo that stage with a lower learning rate.',
  'The weights of the model are damaged, or do not fit its config.json: load it again.',
];
