/** A lab from its first unfinished piece to its last: each piece once, each leaving its records behind. */
import type { RewardModel } from '../engine/types.ts';
import { ConfigError } from '../pipeline/config.ts';
import type { Context } from '../pipeline/context.ts';
import type { Dataset, RunEvent } from '../pipeline/types.ts';
import { problemsOf } from './resolve.ts';
import { ManifestKeeper } from './run-manifest.ts';
import { Workbench } from './run-opened.ts';
import {
  computeAnswers,
  computeData,
  computeDpo,
  computeEvaluation,
  computeSft,
  type Job,
} from './run-pieces.ts';
import type { LabEvent, LabManifest, LabStore, Piece, Split } from './types.ts';
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

/** Errors that are no fault of an arm: every other piece would meet them too. */
const EVERYBODYS = new Set([
  'DeviceLostError',
  'IdentityError',
  'RoomError',
  'StorageError',
  'SelfCheckError',
]);

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
  checkLab(manifest);
  const dataset = await context.dataset();
  const plan = planWork(manifest, dataset.fingerprint, split);
  const asked = split === 'final' ? ofDoneArms(plan, manifest) : plan.works;
  if (split === 'final') await look(keeper, asked);
  const bench = new Workbench(context, keeper, plan.works);
  const sitting = new Sitting(context, keeper, { bench, plan, dataset });
  await sitting.work(asked);
}

/** @throws ConfigError with one line a problem */
export function checkLab({
  arms,
  seeds,
  config,
  finalShare,
}: Pick<LabManifest, 'arms' | 'seeds' | 'config' | 'finalShare'>): void {
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

/** Notes that the final split is looked at; a look that goes on is the same one. */
async function look(keeper: ManifestKeeper, asked: readonly Work[]): Promise<void> {
  const { pieces } = await keeper.read();
  const states = asked.map((work) => pieces[work.key]?.state);
  const goesOn = states.some((state) => state !== undefined) && states.some((state) => state !== 'done');
  if (!goesOn) await keeper.change((before) => ({ ...before, looks: [...before.looks, Date.now()] }));
}

class Sitting {
  constructor(
    private readonly context: LabContext,
    private readonly keeper: ManifestKeeper,
    private readonly parts: Pick<Job, 'bench' | 'plan' | 'dataset'>,
  ) {}

  async work(works: readonly Work[]): Promise<void> {
    for (const work of works) {
      this.context.signal.throwIfAborted();
      const { pieces } = await this.keeper.read();
      if (pieces[work.key]?.state === 'done') continue;
      const missing = work.needs.find((key) => pieces[key]?.state !== 'done');
      if (missing === undefined) await this.piece(work);
      else await this.without(work, missing);
    }
  }

  /** A piece that can't be computed, since one that it needs has failed. */
  private async without(work: Work, missing: string): Promise<void> {
    const { pieces } = await this.keeper.read();
    const label = pieces[missing]?.label ?? this.parts.plan.byKey.get(missing)?.label ?? 'a piece';
    const why = pieces[missing]?.error?.message;
    const message = `needs ${label}, which ${why ? `failed: ${why}` : 'is not there'}`;
    await this.keeper.piece(work, 0, { state: 'failed', figures: {}, error: { message, details: '' } });
  }

  private async piece(work: Work): Promise<void> {
    const { now, signal } = this.context;
    const started = now();
    const seconds = () => (now() - started) / 1000;
    await this.keeper.piece(work, 0, { state: 'running', figures: {} });
    try {
      const figures = await this.compute(work);
      await this.keeper.piece(work, seconds(), { state: 'done', figures });
    } catch (error) {
      const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
      if (signal.aborted || EVERYBODYS.has(name)) {
        // A full or closed storage can't even take this: then the piece is stored as begun, and goes on alike.
        await this.keeper.piece(work, seconds(), { state: 'running', figures: {} }).catch(() => undefined);
        throw error;
      }
      const failure = { message, details: stack ?? '' };
      await this.keeper.piece(work, seconds(), { state: 'failed', figures: {}, error: failure });
    }
  }

  private async compute(work: Work): Promise<Piece['figures']> {
    const job: Job = {
      ...this.parts,
      manifest: await this.keeper.read(),
      emit: (event) => this.told(work, event),
    };
    switch (work.kind) {
      case 'data':
        return computeData(job, work);
      case 'policy':
        return work.stage === 'sft' ? computeSft(job, work) : computeDpo(job, work);
      case 'answers':
        return computeAnswers(job, work);
      case 'evaluation':
        return computeEvaluation(job, work);
      case 'reward':
      case 'diagnosis':
        return {};
    }
  }

  private told(work: Work, event: RunEvent): void {
    if (event.type !== 'progress') return;
    const { done, total, unit, rate } = event.progress;
    const { works } = this.parts.plan;
    const at = works.indexOf(work);
    this.context.emit({
      type: 'progress',
      progress: {
        ...{ piecesDone: at, pieces: works.length, secondsLeft: null, share: at / works.length },
        ...{ label: work.label, done, total, unit, rate },
      },
    });
  }
}
