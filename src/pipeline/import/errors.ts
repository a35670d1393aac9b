import { InputError } from '../../model/text.ts';
import type { RefusedRow } from '../types.ts';

/** A data set that can't be used at all; the message names the line where one is to blame. */
export class DataError extends InputError {
  override name = 'DataError';
  constructor(
    message: string,
    readonly refused: readonly RefusedRow[] = [],
  ) {
    super(message);
  }
}

/** No format fits the file's records: the user must say which column is the prompt. */
export class UnknownFormatError extends DataError {
  override name = 'UnknownFormatError';
  constructor(readonly columns: readonly string[]) {
    super(
      `which column is the prompt is not clear; the columns are ${columns.join(', ') || '(none)'}; ` +
        'say which one is the prompt, and which one the target',
    );
  }
}
