/** A lab from its first unfinished piece to its last: each piece once, each leaving its records behind. */
import type { RewardModel } from '../engine/types.ts';
import { ConfigError } from '../pipeline/config.ts';
import type { Context } from '../pipeline/context.ts';
import type { Dataset } from '../pipeline/types.ts';
import { problemsOf, sourcesOf } from './resolve.ts';
import { ManifestKeeper } from './run-manifest.ts';
import { Sitting } from './run-sitting.ts';
import type { LabEvent, LabManifest, LabStore, Split } from './types.ts';
import { planWork, type Work, type WorkPlan } from './work.ts';

export interface LabContext {
  readonly store: LabStore;
  readonly dataset: () => Promise<Dataset>;
  /** Answers of other models by promptKey; null where the lab has none. */
  readonly imported: () => Promise<ReadonlyMap<string, readonly string[]> | null>;
  /**
   * The model, the embedder and the limits for these settings; the last asked for stays open. `startAdapter` where
   * the settings name one.
   */
  readonly open: (
    config: Context['config'],
  ) => Promise<Pick<Context, 'model' | 'embedder' | 'overlap' | 'limits' | 'startAdapter'>>;
  readonly reward?: () => Promise<RewardModel>;
  readonly emit: (event: LabEvent) => void;
  readonly signal: AbortSignal;
  /** Milliseconds, from anywhere. */
  readonly now: () => number;
  /** Bytes that may still be stored; null where nobody knows. */
  readonly room?: () => Promise<number | null>;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Computes what is not done yet of a lab. An arm that fails is marked and the others go on; what failed in an earlier
 * sitting is tried again. With 'final' all arms that are done answer the final split, and the look is noted.
 *
 * Aborting rejects with the signal's reason at the next safe point; everything finished is stored.
 *
 * @throws ConfigError with one line a problem, before anything is computed
 */
export async function runLab(context: LabContext, split: Split = 'working'): Promise<void> {
  const keeper = new ManifestKeeper(context);
  const manifest = await keeper.read();
  const dataset = await context.dataset();
  checkLab(manifest, dataset);
  const plan = planWork(manifest, dataset.fingerprint, split);
  const asked = split === 'final' ? ofDoneArms(plan, manifest) : plan.works;
  if (split === 'final') await look(keeper, asked);
  else await forget(context, keeper, dataset.fingerprint);
  await new Sitting(context, keeper, plan, dataset, split).work(asked);
}

/**
 * @param dataset of a stored lab: whether it, and the file of other models' answers, are there where arms ask for them
 * @throws ConfigError with one line a problem
 */
export function checkLab(
  {
    arms,
    seeds,
    config,
    finalShare,
    importedId,
  }: Pick<LabManifest, 'arms' | 'seeds' | 'config' | 'finalShare' | 'importedId'>,
  dataset?: Pick<Dataset, 'rows'>,
): void {
  // Before a lab is stored, what its data are is checked elsewhere.
  const rejected = !dataset || dataset.rows.some((row) => (row.rejected ?? []).length > 0);
  const imported = !dataset || importedId !== undefined;
  const missing = {
    own: '',
    rejected: rejected ? '' : 'the data set brings no rejected answers',
    imported: imported ? '' : 'the lab has no file with answers of other models',
  };
  const ids = arms.map(({ id }) => id);
  const repeated = ids.filter((id, i) => ids.indexOf(id) !== i);
  const problems = [
    ...(arms.length === 0 ? ['the lab has no arms to compare'] : []),
    ...(seeds.length === 0 ? ['the lab needs one seed at least'] : []),
    ...(new Set(seeds).size < seeds.length ? ['the lab has the same seed twice'] : []),
    ...(finalShare < 0 || finalShare >= 1
      ? [`finalShare: ${finalShare} is not a share from 0 to below 1`]
      : []),
    ...[...new Set(repeated)].map((id) => `${id}: two arms have this id`),
    ...ids
      .filter((id) => !/^[A-Za-z0-9-]+$/.test(id))
      .map((id) => `${id}: an arm's id is letters, digits and '-'`),
    ...arms.flatMap((arm) => problemsOf(config, arm.id, arm.policy)),
    ...arms.flatMap(({ id, policy }) =>
      sourcesOf(policy).flatMap((source) => (missing[source] ? [`${id}: ${missing[source]}`] : [])),
    ),
  ];
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
}

/** Evaluations, and rewards of them, of the arms whose policies are there. */
function ofDoneArms(plan: WorkPlan, { pieces }: LabManifest): readonly Work[] {
  return plan.works.filter(
    (work) =>
      work.kind === 'reward' ||
      (work.kind === 'evaluation' && (work.policy === null || pieces[work.policy]?.state === 'done')),
  );
}

/** Removes pieces that no arm leads to any more, e.g. those from before an answer was marked. */
async function forget({ store }: LabContext, keeper: ManifestKeeper, fingerprint: string): Promise<void> {
  const manifest = await keeper.read();
  const [working, final] = [planWork(manifest, fingerprint), planWork(manifest, fingerprint, 'final')];
  const gone = Object.keys(manifest.pieces).filter((key) => !working.byKey.has(key) && !final.byKey.has(key));
  if (gone.length === 0) return;
  for (const key of gone) await store.clearPiece(key);
  await keeper.change((before) => ({
    ...before,
    pieces: Object.fromEntries(Object.entries(before.pieces).filter(([key]) => !gone.includes(key))),
  }));
}

/** Notes that the final split is looked at; a look that goes on is the same one. */
async function look(keeper: ManifestKeeper, asked: readonly Work[]): Promise<void> {
  const { pieces } = await keeper.read();
  const states = asked.map((work) => pieces[work.key]?.state);
  const goesOn = states.some((state) => state !== undefined) && states.some((state) => state !== 'done');
  if (!goesOn) await keeper.change((before) => ({ ...before, looks: [...before.looks, Date.now()] }));
}
