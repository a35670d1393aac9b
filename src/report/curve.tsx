import { interval, MEASURE_INFO, measured, withInterval } from '../lab/measures.ts';
import type { Curve, Figure, Measure } from '../lab/types.ts';
import { basis } from './marks.tsx';
import { across, Plot, px, Series } from './plot.tsx';
import { linear, points, tickText } from './scale.ts';
import { visible } from './text.ts';

const HEIGHT = 190;

/** Shares are drawn in percent. */
const factor = (measure: Measure): number => (MEASURE_INFO[measure].kind === 'share' ? 100 : 1);

const isWhole = ({ value, low, high }: Figure): boolean => [value, low, high].every(Number.isFinite);

const said = (measure: Measure, figure: Figure): string =>
  `${withInterval(measure, figure)}, n = ${basis(figure)}`;

/** A score against what was varied, with 95 % intervals; the reference arm as a line in its band. */
export function CurveChart({ curve }: { curve: Curve }) {
  const { measure, axis } = curve;
  const reference = curve.reference && isWhole(curve.reference.figure) ? curve.reference : undefined;
  const shown = curve.points
    .filter(({ x, figure }) => Number.isFinite(x) && Number.isFinite(figure.value))
    .sort((a, b) => a.x - b.x);
  if (shown.length === 0) return null;
  const by = factor(measure);
  const x = points(shown.map((point) => point.x));
  const figures = [...shown.map(({ figure }) => figure), ...(reference ? [reference.figure] : [])];
  const y = linear(figures.flatMap(({ value, low, high }) => [value * by, low * by, high * by]));
  const place = (value: number) => y.at(value * by);
  const words = shown.map((point) => `${tickText(point.x, x.ticks)}: ${said(measure, point.figure)}`);
  const beside = reference ? ` ${visible(reference.name)}: ${said(measure, reference.figure)}.` : '';
  const unit = by === 100 ? ' (%)' : '';
  return (
    <figure class="lr-figure">
      <figcaption>
        <h3>{visible(curve.title)}</h3>
        {reference && (
          <span class="lr-legend">
            <svg width="22" height="12" aria-hidden="true">
              <rect width="22" height="12" class="lr-band" />
              <line x1="0" x2="22" y1="6" y2="6" class="lr-reference" />
            </svg>
            {visible(reference.name)} <b>{measured(measure, reference.figure.value)}</b>
          </span>
        )}
      </figcaption>
      <Plot
        label={`${MEASURE_INFO[measure].label} against ${visible(axis)}. ${words.join('; ')}.${beside}`}
        x={x}
        y={y}
        xTitle={visible(axis)}
        yTitle={`${MEASURE_INFO[measure].label}${unit}`}
        height={HEIGHT}
      >
        {reference && (
          <Reference
            value={place(reference.figure.value)}
            low={place(reference.figure.low)}
            high={place(reference.figure.high)}
            title={`${visible(reference.name)}: ${said(measure, reference.figure)}`}
          />
        )}
        <Series
          height={HEIGHT}
          points={shown.map(({ x: at, arm, figure }) => ({
            x: x.at(at),
            y: place(figure.value),
            low: place(figure.low),
            high: place(figure.high),
            title: `${visible(arm)}: ${said(measure, figure)}`,
            text: interval(measure, figure).value.replace(/ %$/, ''),
          }))}
        />
      </Plot>
    </figure>
  );
}

interface ReferenceProps {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly title: string;
}

function Reference({ value, low, high, title }: ReferenceProps) {
  const line = px((1 - value) * HEIGHT);
  return (
    <g>
      <title>{title}</title>
      <rect
        x="0"
        width={across(1)}
        y={px((1 - high) * HEIGHT)}
        height={px(Math.max(0, (high - low) * HEIGHT))}
        class="lr-band"
      />
      <line x1="0" x2={across(1)} y1={line} y2={line} class="lr-reference" />
    </g>
  );
}
