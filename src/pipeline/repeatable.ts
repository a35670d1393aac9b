/** What must be the same however often a run was interrupted, and what can't be. */
import type { Report } from './types.ts';

/** Figures of a stage that say how long it took: those of an interrupted run are its own. */
export const TIMINGS: readonly string[] = ['seconds', 'tokensPerSecond', 'checkpointSeconds'];

/** Fields of run.json that name the run and its time and not what it computed. */
export const RUN_TIMINGS: readonly string[] = ['created', 'seconds', 'selfCheck'];

/** A report without its timings: equal, to the bit, for an interrupted and an uninterrupted run. */
export function repeatable(report: Report): unknown {
  const stages = Object.entries(report.stages).map(([name, figures]) => [
    name,
    Object.fromEntries(Object.entries(figures).filter(([figure]) => !TIMINGS.includes(figure))),
  ]);
  return { ...report, stages: Object.fromEntries(stages) };
}
