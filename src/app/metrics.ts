/** Reading columns out of stored metric records. Pure. */
import type { MetricRecord } from '../pipeline/types.ts';

/** One figure over all records, null where a step lacks it. */
export function columnOf(records: readonly MetricRecord[], name: string): (number | null)[] {
  return records.map((record) => {
    const value = record.values[name];
    return value === undefined || !Number.isFinite(value) ? null : value;
  });
}

export function has(records: readonly MetricRecord[], name: string): boolean {
  return records.some((record) => record.values[name] !== undefined);
}

/** First and last value of a figure, where there are any. */
export function ends(records: readonly MetricRecord[], name: string): readonly [number, number] | null {
  const values = columnOf(records, name).filter((value) => value !== null);
  const first = values[0];
  const last = values.at(-1);
  return first === undefined || last === undefined ? null : [first, last];
}
