import type { Arm, HeldOutScore } from '../../pipeline/types.ts';
import { percent, similarity } from '../format.ts';
import { ARM_NAME } from '../verdict.ts';

interface ResultChartProps {
  readonly arms: readonly { readonly arm: Arm; readonly score: HeldOutScore }[];
  readonly graded: boolean;
}

const WIDTH = 420;
const LEFT = 96;
const ROW = 34;

/** A dot with its 95 % interval an arm: of accuracy where there is a grader, else of similarity without one. */
export function ResultChart({ arms, graded }: ResultChartProps) {
  const points = arms.map(({ arm, score }) => {
    const value = graded ? (score.accuracy ?? 0) : score.similarity;
    const half = graded ? 1.96 * (score.accuracyError ?? 0) : 0;
    return { arm, value, low: value - half, high: value + half };
  });
  const format = graded ? (value: number) => percent(value, 0) : similarity;
  const least = Math.min(...points.map((point) => point.low));
  const most = Math.max(...points.map((point) => point.high));
  const margin = Math.max(0.02, (most - least) * 0.15);
  const from = Math.max(graded ? 0 : -1, least - margin);
  const to = Math.min(1, most + margin);
  const x = (value: number) => LEFT + ((value - from) / (to - from)) * (WIDTH - LEFT - 24);
  const ticks = niceTicks(from, to);
  const height = points.length * ROW + 30;
  const words = points.map((point) => `${ARM_NAME[point.arm]} ${format(point.value)}`).join(', ');
  const what = graded ? 'Share right' : 'Similarity to the target';
  return (
    <figure>
      <svg
        viewBox={`0 0 ${WIDTH} ${height}`}
        width="100%"
        role="img"
        aria-label={`${what}: ${words}.`}
        font-size="12"
      >
        {ticks.map((tick) => (
          <g key={tick}>
            <line x1={x(tick)} x2={x(tick)} y1="4" y2={height - 26} stroke="var(--line)" />
            <text x={x(tick)} y={height - 12} text-anchor="middle" fill="var(--muted)" font-size="11">
              {format(tick)}
            </text>
          </g>
        ))}
        {points.map((point, row) => {
          const y = row * ROW + ROW / 2 + 2;
          return (
            <g key={point.arm} class={`arm-${point.arm}`} stroke="var(--arm)" fill="var(--arm)">
              <text x="0" y={y + 4} stroke="none" font-weight="560">
                {ARM_NAME[point.arm]}
              </text>
              <line x1={x(point.low)} x2={x(point.high)} y1={y} y2={y} stroke-width="2" />
              <line x1={x(point.low)} x2={x(point.low)} y1={y - 5} y2={y + 5} stroke-width="2" />
              <line x1={x(point.high)} x2={x(point.high)} y1={y - 5} y2={y + 5} stroke-width="2" />
              <circle cx={x(point.value)} cy={y} r="5" stroke="none" />
            </g>
          );
        })}
      </svg>
      <figcaption class="small muted">{what}</figcaption>
    </figure>
  );
}

/** Three to six round values inside the range. */
function niceTicks(from: number, to: number): number[] {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((each) => (to - from) / each <= 5.5) ?? 1;
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step); at * step <= to; at++) ticks.push(at * step);
  return ticks;
}
