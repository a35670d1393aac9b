/**
 * Who uses a stored model. A model that is loaded anywhere, in this tab or another, is neither deleted nor written to;
 * the browser gives the locks back when a worker or tab ends, however it ends.
 */
import { StorageError } from './errors.ts';

const lockName = (name: string): string => `self-contrast: model ${name}`;

/** Holds a model for use beside others; returns what lets go of it. Waits for a change under way to end. */
export function holdModel(name: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(lockName(name), { mode: 'shared' }, () => new Promise<void>((release) => resolve(release)))
      .catch(reject);
  });
}

/**
 * Does what no one else may do to a model meanwhile.
 *
 * @throws StorageError where it is in use; then `work` was not begun
 */
export function changeModel<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks.request(lockName(name), { ifAvailable: true }, async (lock) => {
    if (lock !== null) return work();
    throw new StorageError(
      'used',
      'This model is in use: a run has it loaded, or another tab downloads it. Wait for that to end, or close that tab.',
    );
  });
}
