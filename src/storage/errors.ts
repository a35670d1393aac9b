/** What storage says when the browser would not do something. */

/** The browser would not store something. What was stored before is unharmed. */
export class StorageError extends Error {
  override name = 'StorageError';
  readonly code: 'unavailable' | 'quota' | 'blocked' | 'missing' | 'used';

  constructor(code: StorageError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Turns the browser's own errors into ones that say what to do. */
export async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError') {
      throw new StorageError(
        'quota',
        'This browser gives the page no more storage. Delete old runs or free disk space, then resume: everything finished is kept.',
        error,
      );
    }
    // The connection was closed by `blocking` (a newer page upgrades the data) or because the data was cleared.
    if (error instanceof DOMException && error.name === 'InvalidStateError') {
      throw new StorageError(
        'blocked',
        'This page no longer has its storage: a newer version of it was opened in another tab, or its data was cleared. Reload this tab, then resume.',
        error,
      );
    }
    throw error;
  }
}

/** All of a transaction's requests and its end, with errors explained. */
export async function settle(work: readonly Promise<unknown>[]): Promise<void> {
  await explained(Promise.all(work));
}

/** The value, or an error that says what is gone. */
export async function need<T>(value: Promise<T | undefined>, what: string): Promise<T> {
  const found = await value;
  if (found === undefined) {
    throw new StorageError('missing', `${what} is not in this browser's storage (any more).`);
  }
  return found;
}
