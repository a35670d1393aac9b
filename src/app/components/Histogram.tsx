import { useRef } from 'preact/hooks';
import { count } from '../format.ts';
import type { Bins } from '../histogram.ts';

interface HandleProps {
  /** On the axis of the histogram. */
  readonly at: number;
  /** 0..100, what the slider is about. */
  readonly percent: number;
  readonly label: string;
  readonly disabled: boolean;
  /** A place on the axis was dragged to. */
  readonly onDrag: (at: number) => void;
  /** A percentage was chosen by key. */
  readonly onStep: (percent: number) => void;
}

interface HistogramProps {
  readonly bins: Bins;
  /** Kinds from the bottom up; the second is hatched, so that they differ without colour. */
  readonly kinds: readonly { readonly label: string; readonly color: string; readonly hatched?: boolean }[];
  readonly height?: number;
  readonly describe: string;
  readonly format: (value: number) => string;
  readonly axis: string;
  readonly handle?: HandleProps;
  /** A line that does not move. */
  readonly line?: { readonly at: number; readonly label: string };
}

const WIDTH = 1000;

export function Histogram(props: HistogramProps) {
  const { bins, kinds, height = 150, describe, format, axis, handle, line } = props;
  const box = useRef<HTMLDivElement>(null);
  const span = bins.max - bins.min;
  const place = (value: number) => Math.max(0, Math.min(1, (value - bins.min) / span));
  const step = WIDTH / Math.max(1, bins.bins.length);

  const drag = (event: PointerEvent) => {
    const bounds = box.current?.getBoundingClientRect();
    if (handle === undefined || handle.disabled || bounds === undefined || bounds.width === 0) return;
    handle.onDrag(bins.min + Math.max(0, Math.min(1, (event.clientX - bounds.left) / bounds.width)) * span);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (handle === undefined || handle.disabled) return;
    const by: Record<string, number> = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -100,
      End: 100,
    };
    const change = by[event.key];
    if (change === undefined) return;
    event.preventDefault();
    handle.onStep(Math.max(1, Math.min(100, Math.round(handle.percent) + change)));
  };

  return (
    <div class="stack" style={{ gap: '8px' }}>
      <div class="legend">
        {kinds.length > 1 &&
          kinds.map((kind) => (
            <span key={kind.label}>
              <svg width="14" height="12" aria-hidden="true">
                <rect
                  width="14"
                  height="12"
                  fill={kind.hatched ? 'url(#hatch)' : `var(${kind.color})`}
                  stroke={`var(${kind.color})`}
                />
              </svg>
              {kind.label}
            </span>
          ))}
      </div>
      <div class="hist" ref={box} style={{ marginTop: handle === undefined ? 0 : '16px' }}>
        <svg
          viewBox={`0 0 ${WIDTH} ${height}`}
          height={height}
          preserveAspectRatio="none"
          role="img"
          aria-label={describe}
        >
          <defs>
            <pattern
              id="hatch"
              width="6"
              height="6"
              patternUnits="userSpaceOnUse"
              patternTransform="rotate(45)"
            >
              <rect width="6" height="6" fill="var(--sunken)" />
              <line x1="0" y1="0" x2="0" y2="6" stroke="var(--line-strong)" stroke-width="2.4" />
            </pattern>
          </defs>
          {bins.bins.map((bin, at) => {
            let y = height;
            return bin.counts.map((value, kind) => {
              const tall = (value / bins.top) * height;
              y -= tall;
              const look = kinds[kind];
              if (value === 0 || look === undefined) return null;
              return (
                <rect
                  key={`${at} ${look.label}`}
                  x={at * step + 1}
                  y={y}
                  width={Math.max(1, step - 2)}
                  height={tall}
                  fill={look.hatched ? 'url(#hatch)' : `var(${look.color})`}
                >
                  <title>{`${format(bin.from)} to ${format(bin.to)}: ${count(value)} ${look.label.toLowerCase()}`}</title>
                </rect>
              );
            });
          })}
          <line
            x1="0"
            x2={WIDTH}
            y1={height}
            y2={height}
            stroke="var(--line-strong)"
            vector-effect="non-scaling-stroke"
          />
          {line !== undefined && (
            <line
              x1={place(line.at) * WIDTH}
              x2={place(line.at) * WIDTH}
              y1="0"
              y2={height}
              stroke="var(--text)"
              stroke-dasharray="4 3"
              vector-effect="non-scaling-stroke"
            />
          )}
        </svg>
        {handle !== undefined && (
          <div
            class="handle"
            style={{ left: `${place(handle.at) * 100}%` }}
            role="slider"
            tabIndex={0}
            aria-label={handle.label}
            aria-valuemin={1}
            aria-valuemax={100}
            aria-valuenow={Math.round(handle.percent)}
            aria-valuetext={`${Math.round(handle.percent)} %, similarity up to about ${format(handle.at)}`}
            aria-disabled={handle.disabled}
            onKeyDown={onKeyDown}
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId);
              drag(event);
            }}
            onPointerMove={(event) => {
              if (event.currentTarget.hasPointerCapture(event.pointerId)) drag(event);
            }}
          >
            <span class="at">{Math.round(handle.percent)} %</span>
          </div>
        )}
        <div class="axis">
          <span>{format(bins.min)}</span>
          <span>
            {axis}
            {line !== undefined && ` · dashed: ${line.label}`}
          </span>
          <span>{format(bins.max)}</span>
        </div>
      </div>
    </div>
  );
}
