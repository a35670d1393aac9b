/** Everything stored of a lab, read into what statistics and reports take; at any time, half-way too. */
import { promptKey } from '../pipeline/prepare.ts';
import type { EvaluationRecord, TokenizedPrompt } from '../pipeline/types.ts';
import { signBefore, signsOfLab } from './diagnosis/index.ts';
import type { ArmRun, LabInput } from './inputs.ts';
import { allKeys } from './judges/comparisons.ts';
import type { LabContext } from './run.ts';
import { splitHeldOut } from './split.ts';
import type { ArmAnswers, LabManifest, LabStore, RewardRecord, Split } from './types.ts';
import {
  type ArmWork,
  firstAnswers,
  mostNegatives,
  openKey,
  planWork,
  type Work,
  type WorkPlan,
} from './work.ts';

/** Prompts whose answers are looked at for signs before training. */
const LOOKED_AT = 200;

/** @param split 'final' has answers only after the last look */
export async function collectLab(
  { store, dataset, versions }: Pick<LabContext, 'store' | 'dataset' | 'versions'>,
  split: Split,
): Promise<LabInput> {
  const [manifest, { name, fingerprint }] = [await store.manifest(), await dataset()];
  const plan = planWork(manifest, fingerprint, split);
  const data = dataOf(plan, manifest);
  const prepared = data && (await store.piece(data.key).prepared());
  const { working, final } = splitHeldOut(prepared?.heldOut ?? [], manifest);
  const heldOut = split === 'final' ? final : working;
  const runs: ArmRun[] = [];
  const answers: ArmAnswers[] = [];
  for (const arm of plan.arms) {
    const run = await armRun(store, manifest, plan, arm);
    runs.push(run);
    if (run.state === 'done') answers.push(await armAnswers(store, manifest, plan, arm, data?.key, heldOut));
  }
  const verdicts = await store.verdicts();
  const diagnosis = planWork(manifest, fingerprint).works.find(({ kind }) => kind === 'diagnosis');
  return {
    ...{ manifest, split, heldOut, runs, answers, verdicts, versions },
    data: {
      ...{ name, fingerprint },
      train: prepared?.train.length ?? 0,
      working: working.length,
      final: final.length,
    },
    // They take long, and without verdicts they say nothing.
    keys: verdicts.length > 0 ? allKeys(answers, heldOut) : [],
    diagnosis: (diagnosis && (await store.diagnosis(diagnosis.key))) ?? {},
    signs: [...(await before(store, manifest, plan)), ...signsOfLab(manifest, runs, answers)],
    at: Date.now(),
  };
}

/** The data piece of the lab's own settings. */
function dataOf(plan: WorkPlan, { config }: LabManifest): Work | undefined {
  const all = plan.works.filter(({ kind }) => kind === 'data');
  return all.find((work) => openKey(work.config) === openKey(config)) ?? all[0];
}

/** The pieces on the way to one, itself included, each once. */
function wayTo(plan: WorkPlan, key: string, seen = new Set<string>()): Set<string> {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const needed of plan.byKey.get(key)?.needs ?? []) wayTo(plan, needed, seen);
  return seen;
}

async function armRun(
  store: LabStore,
  { pieces }: LabManifest,
  plan: WorkPlan,
  { arm, seed, config, policy, evaluation }: ArmWork,
): Promise<ArmRun> {
  const way = [...wayTo(plan, evaluation)].flatMap((key) => pieces[key] ?? []);
  const last = policy === null ? undefined : plan.byKey.get(policy);
  const stage = last?.kind === 'policy' ? last.stage : 'sft';
  // The first one says why; those that need it only that they do.
  const failed = way.filter(({ state }) => state === 'failed').at(-1);
  const own = [pieces[policy ?? ''], pieces[evaluation]];
  const state =
    pieces[evaluation]?.state === 'done'
      ? 'done'
      : failed
        ? 'failed'
        : own.some((piece) => piece !== undefined)
          ? 'running'
          : 'waiting';
  return {
    ...{ arm, seed, state, config },
    ...(failed && state === 'failed' && { error: failed.error?.message ?? 'for no reason given' }),
    figures: (policy === null ? undefined : pieces[policy]?.figures) ?? {},
    metrics: policy === null ? [] : await store.piece(policy).metrics(stage),
    seconds: way.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

async function armAnswers(
  store: LabStore,
  { pieces }: LabManifest,
  plan: WorkPlan,
  { arm, seed, data, evaluation, reward }: ArmWork,
  main: string | undefined,
  heldOut: readonly TokenizedPrompt[],
): Promise<ArmAnswers> {
  const place = data === main ? (index: number) => index : await placesIn(store, plan, data, heldOut);
  const placed = <T extends { readonly index: number }>(list: readonly T[]): T[] =>
    list
      .flatMap((record) => {
        const index = place(record.index);
        return index === undefined ? [] : [{ ...record, index }];
      })
      .sort((a, b) => a.index - b.index);
  const records: EvaluationRecord[] = placed(await store.piece(evaluation).evaluation());
  const scored = reward !== undefined && pieces[reward]?.state === 'done';
  const rewards: RewardRecord[] = scored ? placed(await store.rewards(reward)) : [];
  return { arm, seed, records, ...(scored && { rewards }) };
}

/** Where the held-out prompts of another model's data are among the lab's own: it may have refused other rows. */
async function placesIn(
  store: LabStore,
  plan: WorkPlan,
  data: string,
  heldOut: readonly TokenizedPrompt[],
): Promise<(index: number) => number | undefined> {
  const split = plan.works.flatMap((work) => (work.kind === 'evaluation' ? work.split : []))[0] ?? 'working';
  const prepared = await store.piece(data).prepared();
  const theirs = splitHeldOut(prepared?.heldOut ?? [], await store.manifest())[split];
  const rowKey = (row: TokenizedPrompt) => JSON.stringify([promptKey(row), row.target ?? null]);
  const free = new Map<string, number[]>();
  for (const [i, row] of heldOut.entries()) free.set(rowKey(row), [...(free.get(rowKey(row)) ?? []), i]);
  // Rows that are there twice are matched one by one, in order.
  const places = theirs.map((row) => free.get(rowKey(row))?.shift());
  return (index) => places[index];
}

/** What the first seed's answers say before any arm has trained. */
async function before(store: LabStore, manifest: LabManifest, plan: WorkPlan): Promise<LabInput['signs']> {
  const answers = firstAnswers(plan, manifest.seeds[0] ?? 0);
  if (!answers || manifest.pieces[answers.key]?.state !== 'done') return [];
  const responses = await store.piece(answers.key).responses(0, LOOKED_AT);
  const { n } = answers.config.sample;
  return [signBefore(responses, { n, negatives: mostNegatives(plan, answers.key) })];
}
