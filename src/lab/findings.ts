/** What a lab found, claim by claim: each a comparison that was fixed before any figure was seen, but for 'grid'. */
import { baselineFindings, sourceFindings } from './findings-baselines.ts';
import { gridFindings } from './findings-best.ts';
import { filterFindings, negativesFindings, thresholdFindings } from './findings-curves.ts';
import { Evidence, type FindingsInput } from './findings-evidence.ts';
import type { Finding, PlanInfo } from './types.ts';

type Rule = (plan: PlanInfo, evidence: Evidence) => Finding[];

const RULES: ReadonlyMap<string, Rule> = new Map([
  ['negatives', negativesFindings],
  ['filter', filterFindings],
  ['threshold', thresholdFindings],
  ['baselines', baselineFindings],
  ['sources', sourceFindings],
]);

/** In the order of the plans. Plans of one's own are told by their best arm. */
export function findingsOf(input: FindingsInput): Finding[] {
  const evidence = new Evidence(input);
  return input.plans.flatMap((plan) => (RULES.get(plan.id) ?? gridFindings)(plan, evidence));
}
