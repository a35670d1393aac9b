/** How far a download is, told now and then. */
import type { HubProgress } from './api.ts';

const TELL_EVERY_MS = 100;

export class Meter {
  private done = 0;
  private total = 0;
  /** Bytes done in this state, since `started`. */
  private came = 0;
  private started = 0;
  private state: HubProgress['state'] = 'fetching';
  private file = '';
  private told = Number.NEGATIVE_INFINITY;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly tell: (progress: HubProgress) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A new account: `done` bytes of `total` are there already. */
  begin(state: 'fetching' | 'checking', done: number, total: number): void {
    this.state = state;
    this.done = done;
    this.total = total;
    this.came = 0;
    this.started = this.now();
  }

  /** An account beside this one, which goes on when that has ended. */
  aside(state: 'checking', file: string, total: number): Meter {
    const meter = new Meter(this.tell, this.now);
    meter.begin(state, 0, total);
    meter.at(file);
    return meter;
  }

  at(file: string): void {
    this.file = file;
    this.send('', true);
  }

  add(bytes: number): void {
    this.done += bytes;
    // What had to go did not come.
    this.came = Math.max(0, this.came + bytes);
    this.send('');
  }

  waiting(note: string): void {
    const { state } = this;
    this.state = 'waiting';
    this.send(note, true);
    this.state = state;
  }

  /** Nothing is told after this. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private send(note: string, now = false): void {
    const time = this.now();
    const wait = this.told + TELL_EVERY_MS - time;
    if (!now && wait > 0) {
      // Told later, though nothing may come any more.
      this.timer ??= setTimeout(() => this.send(note, true), wait);
      return;
    }
    this.end();
    this.told = time;
    const rate = time > this.started ? (this.came / (time - this.started)) * 1000 : 0;
    this.tell({
      state: this.state,
      file: this.file,
      bytes: this.done,
      totalBytes: this.total,
      rate,
      secondsLeft: rate > 0 ? (this.total - this.done) / rate : null,
      note,
    });
  }
}
