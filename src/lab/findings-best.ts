/** The best of several arms, told so that picking it does not flatter it. */
import { countText, type Evidence, type Known, verdictOf } from './findings-evidence.ts';
import { MEASURE_INFO } from './measures.ts';
import { bootstrapGain, share, simultaneousGains } from './stats/index.ts';
import type { Finding, PlanInfo } from './types.ts';

interface Picking {
  readonly claim: string;
  readonly reference: Known;
  /** That one is picked from; not empty. */
  readonly arms: readonly Known[];
  /** Which these are, where the reference is one of the same kind: ' below 100 %'. */
  readonly among?: string;
}

/** The best of `arms` against the reference, with an interval that is wide enough for having picked it. */
export function pickedFinding(
  plan: PlanInfo,
  evidence: Evidence,
  { claim, reference, arms, among = '' }: Picking,
): Finding {
  const best = largest(arms);
  const gains = simultaneousGains(
    arms.map(({ values }) => values),
    reference.values,
  );
  const gain = best && gains[arms.indexOf(best)];
  if (!best || !gain) {
    return evidence.unknown(
      plan,
      claim,
      arms.map(({ spec }) => spec),
    );
  }
  const several = arms.length > 1;
  const picked = several
    ? ` The interval is wide enough for picking the best of ${arms.length} (simultaneous: Westfall and Young 1993); its own figure still flatters it.`
    : '';
  return {
    plan: plan.id,
    claim,
    verdict: verdictOf(gain),
    text:
      `The best${among} is ${best.name}: against ${reference.name} ${evidence.gain(gain)} in ${MEASURE_INFO[evidence.measure].label}, ` +
      `${countText(gain)}${evidence.agreement(best, reference, gain)}.${picked}`,
  };
}

/** A plan of one's own: its best arm, by how much, and whether the next best could as well be the best. */
export function gridFindings(plan: PlanInfo, evidence: Evidence): Finding[] {
  const [first, ...others] = evidence.specsOf(plan);
  if (!first || others.length === 0) return [];
  const reference = evidence.known(first.id);
  const arms = others.flatMap(({ id }) => evidence.known(id) ?? []);
  const best = largest(arms);
  if (!reference || !best) {
    return [
      evidence.unknown(plan, `One of the ${others.length} settings beats ${first.name}.`, [first, ...others]),
    ];
  }
  const claim = `${best.name} beats ${first.name}.`;
  const finding = pickedFinding(plan, evidence, { claim, reference, arms });
  const missing = others.length - arms.length;
  const rest = arms.filter((arm) => arm !== best);
  return [
    {
      ...finding,
      text: `${evidence.told(best)}; ${evidence.told(reference)}. ${finding.text}${missingText(missing)}`,
    },
    ...(rest.length > 0 ? [ahead(plan, evidence, best, rest)] : []),
  ];
}

const missingText = (count: number): string =>
  count === 0 ? '' : ` ${count} more ${count === 1 ? 'setting has' : 'settings have'} no figures.`;

/** Whether the best is better than each of the others, all of them at once. */
function ahead(plan: PlanInfo, evidence: Evidence, best: Known, rest: readonly Known[]): Finding {
  const next = largest(rest) ?? best;
  // Seen from the best: each other one's gain over it, turned round.
  const gains = simultaneousGains(
    rest.map(({ values }) => values),
    best.values,
  ).flatMap((gain) => gain ?? []);
  const clear = gains.length === rest.length && gains.every(({ high }) => high < 0);
  const close = gains.filter(({ high }) => high >= 0).length;
  const apart = share(best.values, next.values)
    ? ` Against the next best, ${next.name}: ${evidence.gain(bootstrapGain(best.values, next.values))}.`
    : '';
  const text = clear
    ? 'It is better than every other setting tried.'
    : rest.length === 1
      ? 'The other could be as good or better.'
      : `${close} of the ${rest.length} others could be as good or better.`;
  return {
    plan: plan.id,
    claim: `${best.name} is the best of the ${rest.length + 1} settings.`,
    verdict: clear ? 'holds' : 'unclear',
    text: `${text}${apart} The best was picked after looking: measure it again on the final split before believing its figure.`,
  };
}

function largest(arms: readonly Known[]): Known | undefined {
  return arms.reduce<Known | undefined>(
    (best, arm) => (best && best.figure.value >= arm.figure.value ? best : arm),
    undefined,
  );
}
