/**
 * Calls to something that may go away without answering: all that are open then reject. Unlike a race against
 * one long-lived promise, nothing is kept of a call that was answered.
 */
export class OpenCalls {
  private readonly rejects = new Set<(error: Error) => void>();
  private reason: Error | null = null;

  /** Why nothing is answered any more; null while it is. */
  get ended(): Error | null {
    return this.reason;
  }

  async call<T>(work: () => Promise<T>): Promise<T> {
    if (this.reason) throw this.reason;
    let giveUp: (error: Error) => void = () => {};
    try {
      return await new Promise<T>((resolve, reject) => {
        giveUp = reject;
        this.rejects.add(reject);
        work().then(resolve, reject);
      });
    } finally {
      this.rejects.delete(giveUp);
    }
  }

  /** Rejects the open calls and all to come. The first reason stays. */
  end(reason: Error): void {
    this.reason ??= reason;
    for (const reject of this.rejects) reject(this.reason);
    this.rejects.clear();
  }
}
