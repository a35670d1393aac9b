/** The names every chat template may use, as @huggingface/jinja's own Template sets them up. */
import { JinjaLimitError, type JinjaLimits } from './jinja-limits.ts';

export const jinjaGlobals = (limits: JinjaLimits): Readonly<Record<string, unknown>> => ({
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range: (start: unknown, stop?: unknown, step?: unknown) => range(limits.range, start, stop, step),
  strftime_now: (format: unknown) => strftime(new Date(), String(format)),
});

/** Python's range(), counted before it is built. */
function range(most: number, first: unknown, second: unknown, third: unknown): number[] {
  const [start, stop] = second === undefined ? [0, Number(first)] : [Number(first), Number(second)];
  const step = third === undefined ? 1 : Number(third);
  if (step === 0) throw new Error('range() step must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > most) throw new JinjaLimitError(`range() of ${length} items, of at most ${most}`);
  return Array.from({ length: Number.isFinite(length) ? length : 0 }, (_, i) => start + i * step);
}

/** Today's date in Python's format letters, local time. */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const month = (style: 'short' | 'long') =>
    new Intl.DateTimeFormat(undefined, { month: style }).format(date);
  const letters: Readonly<Record<string, () => string>> = {
    '%Y': () => String(date.getFullYear()),
    '%m': () => two(date.getMonth() + 1),
    '%d': () => two(date.getDate()),
    '%b': () => month('short'),
    '%B': () => month('long'),
    '%H': () => two(date.getHours()),
    '%M': () => two(date.getMinutes()),
    '%%': () => '%',
  };
  if (format.length > 1000) throw new JinjaLimitError('strftime_now() with a format of over 1000 characters');
  return format.replace(/%[YmdbBHM%]/g, (letter) => letters[letter]?.() ?? letter);
}
