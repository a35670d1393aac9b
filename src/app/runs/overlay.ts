/** Curves of several runs over one axis. Pure. */
import type { MetricRecord } from '../../pipeline/types.ts';
import type { PlotSeries } from '../components/plot.ts';

/** Told apart by dash as well as by colour. */
const LOOKS = [
  { color: '--accent', dashed: false },
  { color: '--sft-arm', dashed: true },
  { color: '--good', dashed: false },
  { color: '--bad', dashed: true },
  { color: '--base-arm', dashed: false },
  { color: '--warn', dashed: true },
] as const;

/** One line a run; null where a run has no such step. Runs without the figure are left out. */
export function overlay(
  runs: readonly { readonly name: string; readonly records: readonly MetricRecord[] }[],
  figure: string,
): { x: number[]; series: PlotSeries[] } {
  const steps = new Set<number>();
  const lines = runs.map(({ records }) => {
    const line = new Map<number, number>();
    for (const { step, values } of records) {
      const value = values[figure];
      if (value !== undefined && Number.isFinite(value)) line.set(step, value);
    }
    for (const step of line.keys()) steps.add(step);
    return line;
  });
  const x = [...steps].sort((a, b) => a - b);
  const series = runs.flatMap(({ name }, i) => {
    const line = lines[i];
    const look = LOOKS[i % LOOKS.length];
    if (line === undefined || look === undefined || line.size === 0) return [];
    const repeated = runs.slice(0, i).filter((run) => run.name === name).length;
    const label = repeated === 0 ? name : `${name} (${repeated + 1})`;
    return [{ label, ...look, values: x.map((step) => line.get(step) ?? null) }];
  });
  return { x, series };
}
