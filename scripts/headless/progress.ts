/** Turns run events into lines: one rewriting line on a terminal, else a line every few seconds. */
import type { ModelProgress } from '../../src/app/headless-models.ts';
import type { SelfCheck } from '../../src/engine/types.ts';
import type { Progress, RunEvent } from '../../src/pipeline/types.ts';

/** Milliseconds between progress lines where the output is no terminal. */
const LINE_EVERY = 5000;

/** Live figures worth a place on the line, in this order; the first ones that are there are shown. */
const FIGURES: readonly (readonly [key: string, label: string])[] = [
  ['loss', 'loss'],
  ['rewardMargin', 'margin'],
  ['rewardAccuracy', 'reward accuracy'],
  ['tokensPerSecond', 'tokens/s'],
  // While sampling: prompts whose answers are embedded already.
  ['compared', 'compared'],
];

export interface Terminal {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

export class ProgressPrinter {
  private readonly terminal: Terminal;
  private readonly now: () => number;
  private lastLine = Number.NEGATIVE_INFINITY;
  private lastAbout = '';
  private open = false;

  constructor(terminal: Terminal, now: () => number = Date.now) {
    this.terminal = terminal;
    this.now = now;
  }

  event(event: RunEvent): void {
    switch (event.type) {
      case 'progress':
        this.progress(event.progress);
        break;
      case 'stage':
        if (event.state === 'done') this.line(`${event.stage.padEnd(8)}  done  ${event.summary}`);
        break;
      case 'device': {
        const { device, model } = event;
        this.line(`${model.name}: ${short(model.parameterCount / 1e6)} M parameters, ${device.description}`);
        if (device.note) this.line(`  ${device.note}`);
        break;
      }
      case 'self-check':
        this.line(selfCheckText(event.check));
        break;
      case 'prepared':
        this.line(
          `${event.train} training prompts, ${event.heldOut} held out` +
            (event.refused > 0 ? `, ${event.refused} refused` : ''),
        );
        break;
      case 'warning':
        this.line(`Warning: ${event.message}`);
        break;
      case 'metric':
      case 'responses':
      case 'preview':
      case 'manifest':
        break;
    }
  }

  /** Prints a whole line, first clearing the one being rewritten. */
  line(text: string): void {
    this.terminal.write(`${this.open ? '\r\x1b[2K' : ''}${text}\n`);
    this.open = false;
  }

  /** An export or answers to a benchmark file, after the run. */
  extra({ what, share }: { readonly what: string; readonly share: number }): void {
    if (share >= 1) this.line(`${what}  done`);
    else this.rewrite(`${what}  ${Math.floor(100 * share)} %`, what);
  }

  /** A model that is fetched from a hub before the run. */
  model({ name, state, bytes, totalBytes, rate, secondsLeft, note }: ModelProgress): void {
    if (state === 'waiting') this.line(`${name}: ${note}`);
    if (state === 'waiting' || totalBytes === 0) return;
    const megabytes = (n: number) => (n / 1e6).toFixed(1);
    const parts = [`${name}  ${state} ${megabytes(bytes)}/${megabytes(totalBytes)} MB`];
    if (rate > 0) parts.push(`${megabytes(rate)} MB/s`);
    if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`);
    this.rewrite(parts.join('  '), `${name} ${state}`);
  }

  private progress(progress: Progress): void {
    this.rewrite(progressText(progress), progress.stage);
  }

  /** Rewrites the line on a terminal; elsewhere a line now and then, and whenever something new begins. */
  rewrite(text: string, about: string): void {
    if (this.terminal.isTTY) {
      this.terminal.write(`\r\x1b[2K${text.slice(0, Math.max(20, this.terminal.columns - 1))}`);
      this.open = true;
      return;
    }
    const now = this.now();
    if (now - this.lastLine < LINE_EVERY && this.lastAbout === about) return;
    this.lastLine = now;
    this.lastAbout = about;
    this.line(text);
  }
}

/** e.g. `self-check passed in 2.1 s: log-probabilities against WebAssembly 3e-6 (allowed 1e-3), ...`. */
export function selfCheckText({ passed, seconds, compared, remarks }: SelfCheck): string {
  const figures = compared.map(
    ({ what, difference, allowed }) =>
      `${what} ${difference.toExponential(0)} (allowed ${allowed.toExponential(0)})`,
  );
  return [
    `self-check ${passed ? 'passed' : 'failed'} in ${seconds.toFixed(1)} s${figures.length > 0 ? `: ${figures.join(', ')}` : ''}`,
    ...remarks.map((remark) => `  ${remark}`),
  ].join('\n');
}

/** e.g. `sft       12/60 steps  3.2/s  0:15 left  loss 1.234`. */
export function progressText(progress: Progress): string {
  const { stage, done, total, unit, rate, secondsLeft, figures } = progress;
  const parts = [stage.padEnd(8), `${done}/${total} ${unit}`];
  if (rate > 0) parts.push(`${short(rate)}/s`);
  if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`);
  for (const [key, label] of FIGURES) {
    const value = figures[key];
    if (value !== undefined) parts.push(`${label} ${key === 'compared' ? value : short(value)}`);
  }
  return parts.join('  ');
}

/** Three significant digits, no exponent. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits);
}

/** `0:07`, `12:03`, `1:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  const rest = two(whole % 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}
