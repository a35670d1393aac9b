import type { Finding, LabReport } from '../lab/types.ts';
import { armName, VerdictMark } from './marks.tsx';
import { prose } from './text.ts';

/** Claim by claim whether it holds on this data, and the figures that say so. */
export function Findings({ findings }: { findings: readonly Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <ul class="lr-findings">
      {findings.map(({ plan, claim, verdict, text }) => (
        <li key={`${plan} ${claim}`}>
          <VerdictMark verdict={verdict} />
          <div>
            <p class="lr-claim">{prose(claim)}</p>
            <p>{prose(text)}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}

/** What was asked of the data: the plans with their claims. */
export function Asked({ report }: { report: Pick<LabReport, 'plans' | 'arms'> }) {
  return (
    <dl class="lr-asked">
      {report.plans.map((plan) => (
        <div key={plan.id}>
          <dt>{prose(plan.question)}</dt>
          <dd>
            {plan.claim !== undefined && <>The paper’s claim: {prose(plan.claim)} </>}
            <span class="lr-muted">Compared: {plan.arms.map((id) => armName(report, id)).join(' · ')}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}
