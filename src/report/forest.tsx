import { differences, differenceUnit, gainText, MEASURE_INFO } from '../lab/measures.ts';
import type { ArmRow, Figure, LabReport, Measure } from '../lab/types.ts';
import { ApartMark, ArmName, apart, armName, basis } from './marks.tsx';
import { linear, type Scale, tickText } from './scale.ts';

const ROW = 26;
const at = (share: number): string => `${Math.round((3 + share * 94) * 1000) / 1000}%`;

interface GainPlotProps {
  readonly report: Pick<LabReport, 'arms' | 'reference'>;
  readonly measure: Measure;
  readonly title: string;
  /** Which arms, in order; those without a gain are left out. Default: all. */
  readonly arms?: readonly string[];
}

/** What each arm gains over the reference, paired by prompt and seed: a dot in its interval, and a line at zero. */
export function GainPlot({ report, measure, title, arms }: GainPlotProps) {
  const rows = (arms ?? report.arms.map(({ id }) => id)).flatMap((id) => {
    const arm = report.arms.find((each) => each.id === id);
    const gain = arm?.gain[measure];
    return arm && gain && [gain.value, gain.low, gain.high].every(Number.isFinite) ? [{ arm, gain }] : [];
  });
  if (rows.length === 0) return null;
  const by = MEASURE_INFO[measure].kind === 'share' ? 100 : 1;
  const scale = linear([0, ...visibleEnds(rows.map(({ gain }) => gain)).map((end) => end * by)], 6);
  const unit = differenceUnit(measure);
  const better = MEASURE_INFO[measure].higherIsBetter;
  return (
    <figure class="lr-figure">
      <figcaption>
        <h3>{title}</h3>
        <span class="lr-legend">
          {MEASURE_INFO[measure].label}, n = {[...new Set(rows.map(({ gain }) => basis(gain)))].join(', ')}
          {better !== null && (better ? ', right is better' : ', left is better')}
        </span>
      </figcaption>
      <table class="lr-forest">
        <thead>
          <tr>
            <th scope="col">Arm</th>
            <th scope="col">
              Gain over <ArmName report={report} id={report.reference} />
              {unit === '' ? '' : ` in${unit}`}
            </th>
            <th scope="col">
              <span class="lr-sr">Gain with its 95 % interval</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ arm, gain }) => (
            <Row key={arm.id} report={report} arm={arm} gain={gain} by={by} measure={measure} scale={scale} />
          ))}
        </tbody>
        <tfoot aria-hidden="true">
          <tr>
            <td />
            <td>
              <svg class="lr-plot" width="100%" height="20" aria-hidden="true">
                {scale.ticks.map((tick) => (
                  <text key={tick} x={at(scale.at(tick))} y="13" text-anchor="middle">
                    {tick > 0 ? '+' : ''}
                    {tickText(tick, scale.ticks)}
                  </text>
                ))}
              </svg>
            </td>
            <td />
          </tr>
        </tfoot>
      </table>
    </figure>
  );
}

/**
 * What the axis has to hold: all intervals, but for those that lie so far out that the others would be dots. These end
 * in an arrow at its edge, and their figures stand beside it.
 */
function visibleEnds(gains: readonly Figure[]): number[] {
  const reach = ({ low, high }: Figure) => Math.max(Math.abs(low), Math.abs(high));
  const sorted = gains.map(reach).sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return gains.filter((gain) => reach(gain) <= FAR * middle).flatMap(({ low, high }) => [low, high]);
}

/** Times the middle one of the gains. */
const FAR = 4;

interface RowProps {
  readonly report: Pick<LabReport, 'arms'>;
  readonly arm: ArmRow;
  readonly gain: Figure;
  readonly by: number;
  readonly measure: Measure;
  readonly scale: Scale;
}

function Row({ report, arm, gain, by, measure, scale }: RowProps) {
  const share = (value: number) => scale.at(value * by);
  const place = (value: number) => at(Math.max(0, Math.min(1, share(value))));
  const beyond = share(gain.low) < -1e-9 ? 'left' : share(gain.high) > 1 + 1e-9 ? 'right' : null;
  const inside = share(gain.value) >= 0 && share(gain.value) <= 1;
  const zero = at(scale.at(0));
  const words = differences(measure, gain);
  const label = `${armName(report, arm.id)}: ${gainText(measure, gain)}, ${apart(measure, gain)}`;
  return (
    <tr>
      <th scope="row">
        <ArmName report={report} id={arm.id} />
      </th>
      <td class="lr-cell">
        <svg class="lr-plot" role="img" aria-label={label} width="100%" height={ROW}>
          {scale.ticks.map((tick) => (
            <line
              key={tick}
              x1={at(scale.at(tick))}
              x2={at(scale.at(tick))}
              y1="0"
              y2={ROW}
              class="lr-grid"
            />
          ))}
          <line x1={zero} x2={zero} y1="0" y2={ROW} class="lr-zero" />
          <line x1={place(gain.low)} x2={place(gain.high)} y1={ROW / 2} y2={ROW / 2} class="lr-bar" />
          {inside && <circle cx={place(gain.value)} cy={ROW / 2} r="4.5" class="lr-dot" />}
          {beyond && (
            <svg x={at(beyond === 'left' ? 0 : 1)} y={ROW / 2} overflow="visible" aria-hidden="true">
              <path d={beyond === 'left' ? 'M-9 0l9 -5v10z' : 'M9 0l-9 -5v10z'} class="lr-arrow" />
            </svg>
          )}
        </svg>
      </td>
      <td class="lr-gain">
        <b>{words.value}</b>{' '}
        <span class="lr-muted">
          ({words.low} to {words.high})
        </span>{' '}
        <ApartMark measure={measure} gain={gain} />
      </td>
    </tr>
  );
}
