import { MEASURE_INFO } from './measures.ts';
import type { ArmRow, Curve, LabManifest, Measure } from './types.ts';

/** Drawn against a plan's axis, where there are figures of it; the main measure comes first. */
const DRAWN: readonly Measure[] = ['accuracy', 'reward', 'winRateTarget', 'similarity', 'perplexity'];

/** Of every plan that has an axis: its arms' figures, and its first arm's as the line they are compared with. */
export function curvesOf(
  { plans, arms: specs }: Pick<LabManifest, 'plans' | 'arms'>,
  arms: readonly ArmRow[],
  main: Measure,
): Curve[] {
  const rows = new Map(arms.map((row) => [row.id, row] as const));
  const measures = [main, ...DRAWN.filter((measure) => measure !== main)];
  return plans.flatMap(({ id: plan, title, axis, arms: ids }) => {
    if (axis === undefined) return [];
    const placed = specs.flatMap(({ id, points = [] }) =>
      points.filter((point) => point.plan === plan).map(({ x }) => ({ x, arm: id })),
    );
    placed.sort((a, b) => a.x - b.x);
    const first = rows.get(ids[0] ?? '');
    const line = placed.some(({ arm }) => arm === first?.id) ? undefined : first;
    return measures.flatMap((measure): Curve[] => {
      const points = placed.flatMap(({ x, arm }) => {
        const figure = rows.get(arm)?.figures[measure];
        return figure ? [{ x, arm, figure }] : [];
      });
      if (points.length === 0) return [];
      const figure = line?.figures[measure];
      return [
        {
          plan,
          title: `${title}: ${MEASURE_INFO[measure].label}`,
          axis,
          measure,
          points,
          ...(line && figure && { reference: { name: line.name, figure } }),
        },
      ];
    });
  });
}

/** The arm with the best figure but the reference; undefined before there is one. */
export function bestOf(arms: readonly ArmRow[], measure: Measure, reference: string): string | undefined {
  const sign = MEASURE_INFO[measure].higherIsBetter === false ? -1 : 1;
  const worth = (row: ArmRow) => sign * (row.figures[measure]?.value ?? Number.NaN);
  return arms
    .filter((row) => row.id !== reference && Number.isFinite(worth(row)))
    .reduce<ArmRow | undefined>((best, row) => (best && worth(best) >= worth(row) ? best : row), undefined)
    ?.id;
}
