import type { LabReport } from '../lab/types.ts';
import { ArmName, SignMark } from './marks.tsx';
import { visible } from './text.ts';

type Report = Pick<LabReport, 'signs' | 'arms'>;
type ArmSign = LabReport['signs'][number];

const ORDER = ['seen', 'unknown', 'not-seen'] as const;

/** What was seen first, then what could not be told, then what was not seen. */
export function sortedSigns(signs: LabReport['signs']): ArmSign[] {
  return ORDER.flatMap((state) => signs.filter((sign) => sign.state === state));
}

/** Ways to fail: how each is recognised, what was seen, and what to do about those that were. */
export function Signs({ report }: { report: Report }) {
  if (report.signs.length === 0) return null;
  return (
    <ul class="lr-signs">
      {sortedSigns(report.signs).map((sign) => (
        <li key={`${sign.id} ${sign.arm} ${sign.seed}`} class={`lr-sign-${sign.state}`}>
          <SignMark state={sign.state} />
          <div>
            <p class="lr-claim">
              {visible(sign.title)}
              <Where report={report} sign={sign} />
            </p>
            <p>
              {visible(sign.evidence)} <span class="lr-muted">Threshold: {visible(sign.threshold)}.</span>
            </p>
            {sign.state === 'seen' && <p class="lr-advice">{visible(sign.suggestion)}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Where({ report, sign }: { report: Report; sign: ArmSign }) {
  if (sign.arm === undefined) return null;
  return (
    <span class="lr-muted">
      {' '}
      · <ArmName report={report} id={sign.arm} />
      {sign.seed !== undefined && `, seed ${sign.seed}`}
    </span>
  );
}
