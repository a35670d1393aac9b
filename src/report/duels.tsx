import { count } from '../lab/format.ts';
import { interval } from '../lab/measures.ts';
import type { Duel, Figure, LabReport } from '../lab/types.ts';
import { ArmName, armName } from './marks.tsx';
import { visible } from './text.ts';

interface DuelsProps {
  readonly report: Pick<LabReport, 'duels' | 'arms'>;
}

/** Blind comparisons of two arms, a row a judge. */
export function Duels({ report }: DuelsProps) {
  if (report.duels.length === 0) return null;
  return (
    <div class="lr-scroll">
      <table class="lr-table lr-duels">
        <thead>
          <tr>
            <th scope="col">Judge</th>
            <th scope="col">Arms</th>
            <th scope="col" class="lr-wide">
              won, tied, lost
            </th>
            <th scope="col">win rate, ties half</th>
            <th scope="col">n</th>
          </tr>
        </thead>
        <tbody>
          {report.duels.map((duel) => (
            <tr key={`${duel.judge} ${duel.armA} ${duel.armB}`}>
              <th scope="row">
                <bdi>{visible(duel.judge)}</bdi>
              </th>
              <td>
                <ArmName report={report} id={duel.armA} /> against <ArmName report={report} id={duel.armB} />
              </td>
              <td class="lr-wide">
                <Bar
                  duel={duel}
                  label={`${armName(report, duel.armA)} against ${armName(report, duel.armB)}`}
                />
              </td>
              <td>
                <Rate figure={duel.winRate} />
              </td>
              <td class="lr-muted">{count(duel.winRate.n)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Rate({ figure }: { figure: Figure }) {
  const { value, low, high } = interval('winRateTarget', figure);
  return (
    <>
      <b>{value}</b>
      <span class="lr-interval">
        {low} to {high}
      </span>
    </>
  );
}

/** Wins solid, ties empty, losses struck through; the counts in words below. */
function Bar({ duel, label }: { duel: Duel; label: string }) {
  const { wins, ties, losses } = duel;
  const all = wins + ties + losses;
  if (all === 0) return <span class="lr-muted">no verdicts</span>;
  const words = `${count(wins)} won, ${count(ties)} tied, ${count(losses)} lost`;
  const share = (n: number) => `${Math.round((n / all) * 1e5) / 1e3}%`;
  return (
    <>
      <svg class="lr-plot lr-duel" role="img" aria-label={`${label}: ${words}`} width="100%" height="14">
        <rect width={share(wins)} height="14" class="lr-won" />
        <rect x={share(wins)} width={share(ties)} height="14" class="lr-tied" />
        <rect x={share(wins + ties)} width={share(losses)} height="14" class="lr-lost" />
      </svg>
      <span class="lr-interval">{words}</span>
    </>
  );
}
