/** A lab's events as lines: the piece at work, what ended, what went wrong. */
import { plural } from '../../src/lab/format.ts';
import type { LabEstimate, LabEvent, LabProgress, Sign } from '../../src/lab/types.ts';
import { duration, type ProgressPrinter, short } from './progress.ts';

export class LabPrinter {
  private readonly told = new Set<string>();

  constructor(private readonly printer: ProgressPrinter) {}

  event(event: LabEvent): void {
    switch (event.type) {
      case 'progress':
        this.printer.rewrite(labProgressText(event.progress), event.progress.label);
        break;
      case 'piece': {
        const { label, state, seconds, error } = event.piece;
        if (state === 'done') this.printer.line(`${label}  done  ${duration(seconds)}`);
        if (state === 'failed')
          this.printer.line(`${label}  failed: ${error?.message ?? 'for no known reason'}`);
        break;
      }
      case 'sign':
        this.sign(event.sign, `${event.arm}, seed ${event.seed}`);
        break;
      case 'manifest':
        break;
    }
  }

  estimate(estimate: LabEstimate): void {
    for (const line of estimateText(estimate)) this.printer.line(line);
  }

  /** Once an arm, seed and kind: it is watched step by step. */
  private sign(sign: Sign, where: string): void {
    const key = `${sign.id} ${where}`;
    if (sign.state !== 'seen' || this.told.has(key)) return;
    this.told.add(key);
    this.printer.line(signText(sign, where));
  }
}

/** e.g. `[12/54] SFT, seed 2  40/188 steps  3.4/s  whole 21 %  6:03 left`. */
export function labProgressText(progress: LabProgress): string {
  const { piecesDone, pieces, label, done, total, unit, rate, share, secondsLeft } = progress;
  const parts = [`[${Math.min(piecesDone + 1, pieces)}/${pieces}] ${label}`];
  if (unit !== '') parts.push(`${done}/${total} ${unit}`);
  if (rate > 0) parts.push(`${short(rate)}/s`);
  parts.push(`whole ${Math.floor(100 * share)} %`);
  if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`);
  return parts.join('  ');
}

export const signText = ({ title, evidence, suggestion }: Sign, where: string): string =>
  `Sign: ${where}: ${title}. ${evidence} ${suggestion}`;

/** What the rest of a lab would take. */
export function estimateText(estimate: LabEstimate): string[] {
  const { pieces, seconds, tokens, bytes, bytesFree, memoryBytes, measured, problem } = estimate;
  const mb = (n: number) => `${Math.round(n / 1e6).toLocaleString('en')} MB`;
  const free = bytesFree === null ? '' : ` of ${mb(bytesFree)} free`;
  return [
    `To do: ${plural(pieces.length, 'piece')} of work, about ${duration(seconds)} (${measured ? 'measured here' : 'guessed'}), ` +
      `${(tokens / 1e6).toFixed(1)} M tokens; storage ${mb(bytes)}${free}, memory ${mb(memoryBytes)}`,
    ...(problem === undefined ? [] : [`It can't start: ${problem}`]),
  ];
}
