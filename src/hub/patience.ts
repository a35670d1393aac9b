/** How often and how long a request is waited for that may succeed later. */
import { HubError } from './errors.ts';
import { HubBusyError, isPassing } from './http.ts';

/** Failures in a row before giving up; what came in between starts the count again. */
const TRIES = 6;
/** The first wait in milliseconds; each is twice the one before, up to the longest. */
const FIRST = 1000;
const LONGEST = 30_000;
/** A hub that asks for a longer wait is not waited for. */
const MOST_ASKED = 5 * 60_000;

export type OnWait = (milliseconds: number, reason: string) => void;

export class Patience {
  private failures = 0;

  constructor(
    private readonly signal: AbortSignal,
    private readonly onWait: OnWait,
    private readonly tries = TRIES,
  ) {}

  /** Something came. */
  progressed(): void {
    this.failures = 0;
  }

  /** Waits after a failure that may pass. @throws the failure itself where it won't, or where it is enough */
  async afterFailure(error: unknown): Promise<void> {
    this.signal.throwIfAborted();
    if (!isPassing(error) || !(error instanceof Error) || ++this.failures >= this.tries) throw error;
    const own = Math.min(LONGEST, FIRST * 2 ** (this.failures - 1));
    const asked = error instanceof HubBusyError ? error.after : null;
    if (asked !== null && asked > MOST_ASKED) {
      throw new HubError(
        `${error.message} It asks to wait ${Math.ceil(asked / 60_000)} minutes; go on then.`,
      );
    }
    const wait = asked ?? own;
    this.onWait(wait, error.message);
    await sleep(wait, this.signal);
  }

  /** The first answer to come. */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await request();
      } catch (error) {
        await this.afterFailure(error);
      }
    }
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}
