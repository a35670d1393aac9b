/**
 * The frame of a chart: axes, their ticks and names. Charts are as wide as their place and their letters stay as large
 * as the text around them, which a viewBox would not give: so x is in percent, y in pixels.
 */
import type { ComponentChildren } from 'preact';
import { type Scale, tickText } from './scale.ts';

/** Pixels left of the plot, for the ticks of y. */
const LEFT = 50;
/** Percent of the chart that the plot takes; with LEFT it still fits a chart of 320 pixels. */
const SPAN = 83;
const TOP = 26;
const BOTTOM = 42;

/** A place on the x axis, 0..1, as an attribute. */
export const across = (share: number): string => `${Math.round(share * SPAN * 1000) / 1000}%`;

/** Pixels with one decimal: more is not seen. */
export const px = (value: number): number => Math.round(value * 10) / 10;

interface PlotProps {
  /** The picture in words, with its figures. */
  readonly label: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xText?: (value: number) => string;
  /** Pixels between the axes' ends. */
  readonly height: number;
  readonly children: ComponentChildren;
}

/** Children are drawn in coordinates of the plot: `across` for x, 0 (top) to `height` for y. */
export function Plot({ label, x, y, xTitle, yTitle, xText, height, children }: PlotProps) {
  return (
    <svg class="lr-plot" role="img" aria-label={label} width="100%" height={TOP + height + BOTTOM}>
      <g transform={`translate(${LEFT} ${TOP})`}>
        <text x={-LEFT} y={-12} class="lr-axis">
          {yTitle}
        </text>
        {y.ticks.map((tick) => {
          const place = px((1 - y.at(tick)) * height);
          return (
            <g key={tick}>
              <line x1="0" x2={across(1)} y1={place} y2={place} class="lr-grid" />
              <text x={-8} y={place + 4} text-anchor="end">
                {tickText(tick, y.ticks)}
              </text>
            </g>
          );
        })}
        {x.ticks.map((tick) => (
          <g key={tick}>
            <line
              x1={across(x.at(tick))}
              x2={across(x.at(tick))}
              y1={height}
              y2={height + 5}
              class="lr-tick"
            />
            <text x={across(x.at(tick))} y={height + 18} text-anchor="middle">
              {(xText ?? ((value) => tickText(value, x.ticks)))(tick)}
            </text>
          </g>
        ))}
        <line x1="0" x2={across(1)} y1={height} y2={height} class="lr-tick" />
        <text x={across(0.5)} y={height + 36} text-anchor="middle" class="lr-axis">
          {xTitle}
        </text>
        {children}
      </g>
    </svg>
  );
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  /** All that is known of it, shown on hover. */
  readonly title: string;
  /** Written beside it. */
  readonly text: string;
}

/**
 * Points with their intervals, joined by a line; all places are 0..1 on their axes. What has no place is left out: a
 * figure may be no number, or have no interval.
 */
export function Series({ points: all, height }: { points: readonly Point[]; height: number }) {
  const points = all.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const down = (share: number) => px((1 - share) * height);
  return (
    <g class="lr-series">
      {points.slice(1).map((point, i) => {
        const before = points[i];
        return (
          before && (
            <line
              key={point.x}
              x1={across(before.x)}
              y1={down(before.y)}
              x2={across(point.x)}
              y2={down(point.y)}
              class="lr-join"
            />
          )
        );
      })}
      {points.map((point) => (
        <g key={point.x}>
          <title>{point.title}</title>
          {Number.isFinite(point.low) && Number.isFinite(point.high) && (
            <line
              x1={across(point.x)}
              x2={across(point.x)}
              y1={down(point.low)}
              y2={down(point.high)}
              class="lr-bar"
            />
          )}
          <circle cx={across(point.x)} cy={down(point.y)} r="4.5" class="lr-dot" />
          <text x={across(point.x)} y={down(point.y) - 7} dx="8" class="lr-value">
            {point.text}
          </text>
        </g>
      ))}
    </g>
  );
}
