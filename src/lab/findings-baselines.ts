/** Findings of the plans that set Self-Contrast against what one would do without it. */
import type { Evidence } from './findings-evidence.ts';
import type { ArmSpec, Finding, PlanInfo, PolicySpec } from './types.ts';

/** Self-Contrast as the lab's settings have it: one round, on SFT as it is. */
function isSelfContrast({ policy }: ArmSpec): boolean {
  return (
    policy.kind === 'dpo' && isPlain(policy.set) && policy.negatives.source === 'own' && isSft(policy.from)
  );
}

const isPlain = (set: object | undefined): boolean => Object.keys(set ?? {}).length === 0;
const isSft = (policy: PolicySpec): boolean =>
  policy.kind === 'sft' && isPlain(policy.set) && !policy.compute;

/** Goes on from Self-Contrast: the claim is about this one then. */
function goesOn({ policy }: ArmSpec): boolean {
  return (
    policy.kind === 'dpo' && policy.from.kind === 'dpo' && isPlain(policy.set) && isPlain(policy.from.set)
  );
}

export function baselineFindings(plan: PlanInfo, evidence: Evidence): Finding[] {
  const specs = evidence.specsOf(plan);
  const own = specs.find(isSelfContrast);
  if (!own) return [];
  return specs
    .filter((spec) => spec !== own)
    .map((spec) =>
      goesOn(spec)
        ? evidence.beats(plan, `${spec.name}, beats one.`, spec, own)
        : evidence.beats(plan, `${own.name} beats ${spec.name}.`, own, spec),
    );
}

export function sourceFindings(plan: PlanInfo, evidence: Evidence): Finding[] {
  const specs = evidence.specsOf(plan);
  const of = (source: string) =>
    specs.find(({ policy }) => policy.kind === 'dpo' && policy.negatives.source === source);
  const [own, imported] = [of('own'), of('imported')];
  if (!own || !imported) return [];
  return [
    evidence.beats(plan, 'Own answers are better negatives than those of other models.', own, imported),
    ...specs
      .filter(({ policy }) => isSft(policy))
      .map((sft) => evidence.beats(plan, 'Other models’ answers as negatives beat SFT.', imported, sft)),
  ];
}
