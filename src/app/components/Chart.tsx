import { useEffect, useRef, useState } from 'preact/hooks';
import { figure } from '../format.ts';
import { theme } from '../signals.ts';
import type { Plot, PlotSeries } from './plot.ts';
import { Term } from './Tip.tsx';

interface ChartProps {
  readonly title: string;
  readonly help?: string;
  readonly x: readonly number[];
  readonly series: readonly PlotSeries[];
  readonly height?: number;
  readonly format?: (value: number) => string;
}

function lastNumber(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/**
 * A line chart over optimiser steps. Its place is kept while uPlot loads; series differ by dash as well as by
 * colour, and the legend carries the numbers, so that nothing is in the picture alone.
 */
export function Chart({ title, help, x, series, height = 190, format }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const latest = useRef({ x, series });
  latest.current = { x, series };
  const [cursor, setCursor] = useState<number | null>(null);
  const shape = `${theme.value}|${series.map((each) => each.label).join('|')}|${x.length > 2}`;

  useEffect(() => {
    let alive = true;
    void import('./plot.ts').then(({ createPlot }) => {
      if (!alive || host.current === null) return;
      const options = { height, yFormat: format, onCursor: setCursor };
      plot.current = createPlot(host.current, options, latest.current.x, latest.current.series);
    });
    return () => {
      alive = false;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, height]);

  useEffect(() => plot.current?.update(x, series), [x, series]);

  const values = series.map((each) => {
    const value = cursor === null ? lastNumber(each.values) : (each.values[cursor] ?? null);
    return { ...each, shown: value === null ? '–' : (format ?? figure)(value) };
  });
  const at = cursor === null ? undefined : x[cursor];
  const summary = values.map((each) => `${each.label} ${each.shown}`).join(', ');
  return (
    <figure class="plot stack" style={{ gap: '6px' }}>
      <figcaption class="row spread">
        <h3>{help === undefined ? title : <Term help={help}>{title}</Term>}</h3>
        <span class="legend">
          {at !== undefined && <span>step {at}</span>}
          {values.map((each) => (
            <span key={each.label}>
              <i
                class={each.dashed ? 'swatch dashed' : 'swatch'}
                style={{ color: `var(${each.color})` }}
                aria-hidden="true"
              />
              {each.label} <b>{each.shown}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div
        class="canvas"
        ref={host}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={`${title} over ${x.length} steps. Latest: ${summary}.`}
      />
    </figure>
  );
}
