/** Findings of the plans that vary one thing: the number of negatives, the filter, its threshold. */
import { pickedFinding } from './findings-best.ts';
import { combined, countText, type Evidence, type Known, verdictOf } from './findings-evidence.ts';
import { MEASURE_INFO } from './measures.ts';
import { bootstrapGain, bootstrapMean, share, type Values } from './stats/index.ts';
import type { ArmSpec, Finding, PlanInfo } from './types.ts';

/** Arms on the plan's curve, by rising x. */
function placed(plan: PlanInfo, evidence: Evidence): { x: number; spec: ArmSpec }[] {
  return evidence
    .specsOf(plan)
    .flatMap((spec) =>
      (spec.points ?? []).filter((point) => point.plan === plan.id).map(({ x }) => ({ x, spec })),
    )
    .sort((a, b) => a.x - b.x);
}

export function negativesFindings(plan: PlanInfo, evidence: Evidence): Finding[] {
  const points = placed(plan, evidence);
  const [first, last, beforeLast] = [points[0], points.at(-1), points.at(-2)];
  const sft = evidence.specsOf(plan).find(({ id }) => id === plan.arms[0]);
  if (!first || !last || first === last) return [];
  const findings = [
    evidence.beats(plan, `${last.x} negatives are better than ${first.x}.`, last.spec, first.spec),
    ...(sft
      ? [evidence.beats(plan, `Self-Contrast with ${last.x} negatives beats SFT.`, last.spec, sft)]
      : []),
  ];
  if (points.length < 3 || !beforeLast) return findings;
  return [
    ...findings,
    trend(plan, evidence, points),
    evidence.beats(
      plan,
      `The step from ${beforeLast.x} to ${last.x} negatives still helps: no plateau by then.`,
      last.spec,
      beforeLast.spec,
    ),
  ];
}

/** Least squares over log2 of k, by seed and prompt: what a doubling brings on average, and each of them. */
function trend(plan: PlanInfo, evidence: Evidence, points: readonly { x: number; spec: ArmSpec }[]): Finding {
  const claim = 'Doubling the negatives helps, on average.';
  const known = points.flatMap(({ x, spec }) => {
    const arm = evidence.known(spec.id);
    return arm ? [{ x: Math.log2(x), k: x, arm }] : [];
  });
  const middle = known.reduce((sum, { x }) => sum + x, 0) / known.length;
  const square = known.reduce((sum, { x }) => sum + (x - middle) ** 2, 0);
  const slopes: Values = combined(
    known.map(({ arm }) => arm.values),
    known.map(({ x }) => (x - middle) / square),
  );
  if (known.length < points.length || !slopes.some((row) => row.some((x) => x !== null))) {
    return evidence.unknown(
      plan,
      claim,
      points.map(({ spec }) => spec),
    );
  }
  const slope = bootstrapMean(slopes);
  const steps = known.slice(1).flatMap(({ k, arm }, i) => {
    const before = known[i];
    return before && share(arm.values, before.arm.values)
      ? [{ from: before.k, to: k, gain: bootstrapGain(arm.values, before.arm.values) }]
      : [];
  });
  const rises = steps.filter(({ gain }) => gain.value > 0).length;
  const shape =
    rises === steps.length
      ? 'It rises at every step'
      : rises === 0
        ? 'It rises at no step'
        : `It rises at ${rises} of ${steps.length} steps`;
  const told = steps.map(({ from, to, gain }) => `${from} to ${to}: ${evidence.gain(gain)}`).join('; ');
  const label = MEASURE_INFO[evidence.measure].label;
  return {
    plan: plan.id,
    claim,
    verdict: verdictOf(slope),
    text: `A doubling changes ${label} by ${evidence.gain(slope)} on average (least squares over log2 k, ${countText(slope)}). ${shape}: ${told}.`,
  };
}

export function filterFindings(plan: PlanInfo, evidence: Evidence): Finding[] {
  const specs = evidence.specsOf(plan);
  const by = (select: string) =>
    specs.find(({ policy }) => policy.kind === 'dpo' && (policy.negatives.select ?? 'least') === select);
  const [least, random, most] = [by('least'), by('random'), by('most')];
  return [
    ...(least && random
      ? [
          evidence.beats(
            plan,
            'The least similar answers are better negatives than random ones.',
            least,
            random,
          ),
        ]
      : []),
    ...(least && most
      ? [
          evidence.beats(
            plan,
            'The least similar answers are better negatives than the most similar ones.',
            least,
            most,
          ),
        ]
      : []),
  ].map((finding) => withCaution(finding, evidence));
}

/** Similarity judges and filters at once: what the filter leaves out is what the judge likes. */
function withCaution(finding: Finding, { measure }: Evidence): Finding {
  if (measure !== 'similarity') return finding;
  return {
    ...finding,
    text: `${finding.text} The judge here is similarity, which is also what the filter goes by; a grader or a reward model would say more.`,
  };
}

export function thresholdFindings(plan: PlanInfo, evidence: Evidence): Finding[] {
  const points = placed(plan, evidence);
  const whole = points.find(({ x }) => x === 100);
  const others = points.filter(({ x }) => x !== 100);
  if (!whole || others.length === 0) return [];
  const claim = 'Some a% below 100 is better than keeping all answers.';
  const reference = evidence.known(whole.spec.id);
  const known = others.flatMap(({ spec }) => evidence.known(spec.id) ?? []);
  if (!reference || known.length === 0) {
    return [
      evidence.unknown(
        plan,
        claim,
        points.map(({ spec }) => spec),
      ),
    ];
  }
  const finding = pickedFinding(plan, evidence, { claim, reference, arms: known, among: ' below 100 %' });
  return [
    withCaution({ ...finding, text: `${listed(evidence, [...known, reference])} ${finding.text}` }, evidence),
  ];
}

const listed = (evidence: Evidence, arms: readonly Known[]): string =>
  `${arms.map((arm) => evidence.told(arm)).join('; ')}.`;
