import { InputError } from './text.ts';

/** A model folder that can't be used: which file and field, and what would be accepted. */
export class ModelError extends InputError {
  override name = 'ModelError';
}
