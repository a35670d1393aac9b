/** How far each arm is with each seed, as the pieces of its lab show. Pure. */
import type { ArmRow, LabManifest } from '../../lab/types.ts';
import { type ArmWork, planWork, type WorkPlan } from '../../lab/work.ts';

export type ArmState = ArmRow['state'];

/** By arm, in the order of the lab's seeds. */
export type ArmStates = ReadonlyMap<string, readonly ArmState[]>;

/** @param fingerprint of the lab's data */
export function armStates(manifest: LabManifest, fingerprint: string): ArmStates {
  const plan = planOf(manifest, fingerprint);
  const states = new Map<string, ArmState[]>(manifest.arms.map(({ id }) => [id, []]));
  for (const work of plan.arms) states.get(work.arm)?.push(stateOf(manifest, plan, work));
  return states;
}

function stateOf({ pieces }: LabManifest, plan: WorkPlan, work: ArmWork): ArmState {
  const { policy, evaluation, reward = evaluation } = work;
  const own = [policy ?? evaluation, evaluation, reward].map((key) => pieces[key]?.state);
  if (own.slice(1).every((state) => state === 'done')) return 'done';
  if (failsOn(pieces, plan, reward)) return 'failed';
  return own.some((state) => state !== undefined) ? 'running' : 'waiting';
}

/** Whether a piece has failed, or one that it needs. */
function failsOn(pieces: LabManifest['pieces'], plan: WorkPlan, key: string): boolean {
  if (pieces[key]?.state === 'failed') return true;
  return plan.byKey.get(key)?.needs.some((needed) => failsOn(pieces, plan, needed)) ?? false;
}

let last: { readonly of: readonly unknown[]; readonly plan: WorkPlan } | null = null;

/** The plan made last, where only pieces have come to the manifest since. */
function planOf(manifest: LabManifest, fingerprint: string): WorkPlan {
  const { config, arms, seeds, marks } = manifest;
  const of = [config, arms, seeds, marks, manifest.rewardModel, fingerprint];
  if (last === null || last.of.some((each, i) => each !== of[i]))
    last = { of, plan: planWork(manifest, fingerprint) };
  return last.plan;
}
