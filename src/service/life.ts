/**
 * Whether a worker still lives. A worker that ends by itself or is ended from outside tells no one: no event, and
 * its pending calls never answer. But the browser takes back the locks it holds, and gives them to who waits.
 */

/** Called by the worker, with its own name: resolves when the lock is held, which it is until the worker ends. */
export function holdLife(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Without Web Locks (very old browsers) a silent death goes unnoticed; crashes with an event do not.
    if (!navigator.locks || name === '') return resolve();
    navigator.locks
      .request(name, () => {
        resolve();
        return new Promise<never>(() => {});
      })
      .catch(reject);
  });
}

/** Called by who started the worker, after it holds its lock: `onDeath` is called once, when it has ended. */
export function watchLife(name: string, onDeath: () => void): void {
  if (!navigator.locks) return;
  navigator.locks.request(name, onDeath).catch(() => undefined);
}

/** What every worker that is watched offers. */
export interface Living {
  /** Resolves when the worker holds its lock. */
  alive(): Promise<void>;
}
