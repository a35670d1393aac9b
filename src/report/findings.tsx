import type { Finding, LabReport } from '../lab/types.ts';
import { VerdictMark } from './marks.tsx';
import { visible } from './text.ts';

/** Claim by claim whether it holds on this data, and the figures that say so. */
export function Findings({ findings }: { findings: readonly Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <ul class="lr-findings">
      {findings.map(({ plan, claim, verdict, text }) => (
        <li key={`${plan} ${claim}`}>
          <VerdictMark verdict={verdict} />
          <div>
            <p class="lr-claim">{visible(claim)}</p>
            <p>{visible(text)}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}

/** What was asked of the data: the plans with their claims. */
export function Asked({ report }: { report: Pick<LabReport, 'plans' | 'arms'> }) {
  const names = new Map(report.arms.map(({ id, name }) => [id, name]));
  return (
    <dl class="lr-asked">
      {report.plans.map((plan) => (
        <div key={plan.id}>
          <dt>{visible(plan.question)}</dt>
          <dd>
            {plan.claim !== undefined && <>The paper’s claim: {visible(plan.claim)} </>}
            <span class="lr-muted">
              Compared: {plan.arms.map((id) => visible(names.get(id) ?? id)).join(', ')}.
            </span>
          </dd>
        </div>
      ))}
    </dl>
  );
}
