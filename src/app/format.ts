/** Numbers and times as the page writes them. Pure. */
import { count, figure } from '../lab/format.ts';

export { count, duration, figure, percent, plural, signed, similarity } from '../lab/format.ts';

/** Bytes in the decimal units that browsers' quotas use. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let rest = value;
  let unit = 0;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${rest.toFixed(rest < 10 && unit > 0 ? 1 : 0)} ${units[unit] ?? ''}`;
}

/** 1050000 -> "1.05 M". */
export function short(value: number): string {
  if (value >= 1e9) return `${figure(value / 1e9)} B`;
  if (value >= 1e6) return `${figure(value / 1e6)} M`;
  if (value >= 1e4) return `${figure(value / 1e3)} k`;
  return count(value);
}

/** A date and time in the reader's own manner. */
export function moment(time: number): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
