import { count, figure } from '../lab/format.ts';
import type { HistogramData } from '../lab/types.ts';
import { across, Plot, px } from './plot.tsx';
import { linear, type Scale, tickText } from './scale.ts';
import { visible } from './text.ts';

const HEIGHT = 84;
/** Series after these begin again; titles tell them apart all the same. */
const LOOKS = ['solid', 'hatched', 'dotted'] as const;

/**
 * Counts in bins. Each series has a picture and a scale of its own, one above the other on the same axis: a few good
 * answers among many bad ones would not be seen in a pile. Their fillings differ, too.
 */
export function Histogram({ data }: { data: HistogramData }) {
  const bins = Math.max(0, ...data.series.map(({ counts }) => counts.length));
  if (bins === 0 || !(data.width > 0)) return null;
  const edge = (bin: number) => data.low + bin * data.width;
  const x = binned(data.low, edge(bins));
  return (
    <figure class="lr-figure">
      <figcaption>
        <h3>{visible(data.title)}</h3>
      </figcaption>
      {data.series.map(({ name, counts }, i) => {
        const total = counts.reduce((sum, each) => sum + each, 0);
        const y = linear([0, Math.max(1, ...counts)], 2);
        const title = `${visible(name)}: ${count(total)}`;
        const last = i === data.series.length - 1;
        const look = LOOKS[i % LOOKS.length] ?? 'solid';
        const id = `lr-${look}-${hash(`${data.title} ${name}`)}`;
        return (
          <Plot
            key={name}
            label={describe(title, counts, edge)}
            x={x}
            y={y}
            xTitle={last ? visible(data.axis) : ''}
            yTitle={title}
            height={HEIGHT}
          >
            <Pattern id={id} look={look} />
            {counts.map((value, bin) => {
              const [from, to] = [edge(bin), edge(bin + 1)];
              const tall = px(y.at(value) * HEIGHT);
              return value === 0 ? null : (
                <rect
                  key={from}
                  x={across(x.at(from))}
                  width={across(x.at(to) - x.at(from))}
                  y={px(HEIGHT - tall)}
                  height={tall}
                  class={`lr-${look}`}
                  fill={look === 'solid' ? undefined : `url(#${id})`}
                >
                  <title>{`${figure(from)} to ${figure(to)}: ${count(value)}`}</title>
                </rect>
              );
            })}
          </Plot>
        );
      })}
    </figure>
  );
}

/** An axis that begins and ends with the bins. */
function binned(low: number, high: number): Scale {
  const { ticks } = linear([low, high], 6);
  const slack = (high - low) * 1e-6;
  return {
    at: (value) => (value - low) / (high - low),
    ticks: ticks.filter((tick) => tick >= low - slack && tick <= high + slack),
  };
}

function Pattern({ id, look }: { id: string; look: (typeof LOOKS)[number] }) {
  if (look === 'solid') return null;
  return (
    <defs>
      <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="6" height="6" class="lr-ground" />
        {look === 'hatched' ? (
          <line x1="0" y1="0" x2="0" y2="6" class="lr-hatch" />
        ) : (
          <circle cx="3" cy="3" r="1.3" class="lr-speck" />
        )}
      </pattern>
    </defs>
  );
}

/** The same for the same text, so that two charts in one page do not share a filling. */
function hash(text: string): string {
  let value = 5381;
  for (let i = 0; i < text.length; i++) value = (value * 33 + text.charCodeAt(i)) >>> 0;
  return value.toString(36);
}

function describe(title: string, counts: readonly number[], edge: (bin: number) => number): string {
  const top = counts.indexOf(Math.max(...counts));
  const edges = [edge(0), edge(counts.length)];
  return `Histogram, ${title}, from ${tickText(edge(0), edges)} to ${tickText(edge(counts.length), edges)}. Most between ${figure(edge(top))} and ${figure(edge(top + 1))}.`;
}
