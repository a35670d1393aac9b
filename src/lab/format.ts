/** Numbers and times as reports and the page write them. Pure. */

const INTEGER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 7200 -> "7,200". */
export function count(value: number): string {
  return Number.isFinite(value) ? INTEGER.format(value) : '–';
}

/** "1 prompt", "2 prompts"; `many` where the plural is not the singular with an s. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Three significant digits, without an exponent where that stays readable. */
export function figure(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1000) return count(value);
  if (size < 1e-3)
    return value
      .toExponential(Math.max(0, digits - 2))
      .replace('-', '−')
      .replace('e-', 'e−');
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(decimals, 4)).replace('-', '−');
}

/** 0.684 -> "68.4 %". */
export function percent(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits).replace('-', '−')} %` : '–';
}

/**
 * Decimals that an interval's half-width lets one say: two digits of it, but no more than four digits in all. Written
 * so, a value and its bounds have the same digits.
 */
export function decimalsOf({ low, high }: { readonly low: number; readonly high: number }): number {
  const half = Math.abs(high - low) / 2;
  if (!Number.isFinite(half) || half === 0) return 2;
  const size = Math.floor(Math.log10(Math.max(Math.abs(low), Math.abs(high))));
  return Math.max(0, Math.min(4, 1 - Math.floor(Math.log10(half)), 3 - size));
}

/** With so many decimals and a real minus sign: "−0.021". */
export function decimal(value: number, decimals: number): string {
  if (!Number.isFinite(value)) return '–';
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** A change with its sign: 0.034 -> "+3.4", in the unit of `scale`. */
export function signed(value: number, digits = 1): string {
  if (!Number.isFinite(value)) return '–';
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return `${value > 0 ? '+' : '−'}${text}`;
}

/** Similarities: two decimals, a real minus sign. */
export function similarity(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(2).replace('-', '−');
}

/** 94 -> "1 min 34 s". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds < 1) return 'under 1 s';
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
