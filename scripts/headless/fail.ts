/** A mistake of whoever typed the command: told in one line, exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}
