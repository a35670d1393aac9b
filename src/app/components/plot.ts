/** The only module that imports uPlot; loaded with the first chart. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface PlotSeries {
  readonly label: string;
  /** A CSS custom property, e.g. '--accent'. */
  readonly color: string;
  readonly dashed?: boolean;
  readonly values: readonly (number | null)[];
}

export interface Plot {
  update(x: readonly number[], series: readonly PlotSeries[]): void;
  destroy(): void;
}

/** A custom property as the colour it stands for: light-dark() is resolved by the element it is set on. */
function colour(host: HTMLElement, property: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${property})`;
  host.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Optimiser steps are whole numbers. */
const WHOLE_STEPS = [1, 2, 5].concat(
  [1, 2, 3, 4, 5, 6].flatMap((zeros) => [1, 2, 5].map((by) => by * 10 ** zeros)),
);

/** A tick of an axis whose ticks are `step` apart: 0.60, 0.65, 0.70. */
function decimal(value: number, step: number): string {
  if (step < 1e-4) return value === 0 ? '0' : value.toExponential(1).replaceAll('-', '−');
  // toPrecision first: a step of 0.1 may come as 0.09999. As many digits as the step has: 0.025 has three.
  const [, decimals = ''] = String(Number(step.toPrecision(3))).split('.');
  const digits = decimals.length;
  return value.toFixed(digits).replace('-', '−');
}

export function createPlot(
  host: HTMLElement,
  options: {
    height: number;
    /** How the vertical axis writes its values; by default with as many digits as its steps need. */
    yFormat: ((value: number) => string) | undefined;
    onCursor: (index: number | null) => void;
  },
  x: readonly number[],
  series: readonly PlotSeries[],
): Plot {
  const muted = colour(host, '--muted');
  const line = colour(host, '--line');
  const axis = {
    stroke: muted,
    font: '11px system-ui, sans-serif',
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1, size: 4 },
  };
  const plot = new uPlot(
    {
      width: Math.max(160, host.clientWidth),
      height: options.height,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: false } },
      axes: [
        { ...axis, size: 26, incrs: WHOLE_STEPS },
        {
          ...axis,
          size: 52,
          values: (_self, splits, _axis, _space, step) =>
            splits.map((at) => options.yFormat?.(at) ?? decimal(at, step)),
        },
      ],
      series: [
        {},
        ...series.map((each) => ({
          label: each.label,
          stroke: colour(host, each.color),
          width: 1.75,
          ...(each.dashed ? { dash: [5, 4] } : {}),
          spanGaps: true,
          points: { show: x.length < 3, size: 5 },
        })),
      ],
      hooks: { setCursor: [(self) => options.onCursor(self.cursor.idx ?? null)] },
    },
    [[...x], ...series.map((each) => [...each.values])],
    host,
  );
  const resize = new ResizeObserver(() => {
    if (host.clientWidth > 0) plot.setSize({ width: host.clientWidth, height: options.height });
  });
  resize.observe(host);
  return {
    update: (nextX, next) => plot.setData([[...nextX], ...next.map((each) => [...each.values])]),
    destroy: () => {
      resize.disconnect();
      plot.destroy();
    },
  };
}
