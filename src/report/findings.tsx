import { Fragment } from 'preact';
import type { Finding, LabReport, PlanInfo } from '../lab/types.ts';
import { armName, VerdictMark } from './marks.tsx';
import { prose } from './text.ts';

interface FindingsProps {
  readonly findings: readonly Finding[];
  /** With these the findings of several plans stand under their titles. */
  readonly plans?: readonly PlanInfo[];
}

/** Claim by claim whether it holds on this data, and the figures that say so. */
export function Findings({ findings, plans = [] }: FindingsProps) {
  const ids = [...new Set(findings.map(({ plan }) => plan))];
  if (findings.length === 0) return null;
  return (
    <ul class="lr-findings">
      {ids.map((id) => {
        const title = ids.length > 1 ? plans.find((plan) => plan.id === id)?.title : undefined;
        return (
          <Fragment key={id}>
            {title !== undefined && <li class="lr-group">{prose(title)}</li>}
            {findings
              .filter(({ plan }) => plan === id)
              .map(({ claim, verdict, text }) => (
                <li key={`${id} ${claim}`}>
                  <VerdictMark verdict={verdict} />
                  <div>
                    <p class="lr-claim">{prose(claim)}</p>
                    <p>{prose(text)}</p>
                  </div>
                </li>
              ))}
          </Fragment>
        );
      })}
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
