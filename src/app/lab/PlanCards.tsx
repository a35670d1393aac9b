import { PLAN_IDS, type PlanFacts, type PlanId, planOf } from '../../lab/plans.ts';
import type { RunConfig } from '../../pipeline/config.ts';
import { plural } from '../format.ts';
import type { Draft } from './draft.ts';

interface PlanCardsProps {
  readonly draft: Draft;
  readonly settings: RunConfig;
  readonly facts: PlanFacts;
  readonly onChange: (part: Partial<Draft>) => void;
}

/** The questions that can be asked, several at once; arms that plans share are computed once. */
export function PlanCards({ draft, settings, facts, onChange }: PlanCardsProps) {
  const toggle = (id: PlanId, on: boolean) =>
    onChange({ plans: PLAN_IDS.filter((each) => (each === id ? on : draft.plans.includes(each))) });
  return (
    <fieldset class="plan-cards">
      <legend class="sr">Questions to ask</legend>
      {PLAN_IDS.map((id) => {
        // Before a file is given, the plan is shown as it would be with as many answers as the run's own negatives.
        const given = draft.imported?.answers ?? facts.imported;
        const imported = given > 0 ? given : Math.max(1, settings.dpo.negatives);
        const { info, arms } = planOf(id, settings, { ...facts, imported });
        const on = draft.plans.includes(id);
        return (
          <label key={id} class={on ? 'card plan-card on' : 'card plan-card'}>
            <span class="row plan-title">
              <input
                type="checkbox"
                checked={on}
                onChange={(event) => toggle(id, event.currentTarget.checked)}
              />
              <b>{info.title}</b>
            </span>
            <span>{info.question}</span>
            {info.claim !== undefined && <span class="small muted">The paper: {info.claim}</span>}
            <span class="small muted">
              {plural(arms.length, 'arm')}: {arms.map(({ name }) => name).join(' · ')}
            </span>
            {id === 'sources' && given === 0 && (
              <span class="small">Needs a file of other models’ answers.</span>
            )}
            {id === 'baselines' && !facts.hasRejected && (
              <span class="small muted">Standard DPO is left out: the data bring no rejected answers.</span>
            )}
          </label>
        );
      })}
    </fieldset>
  );
}
