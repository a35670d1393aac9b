/** One sitting over a lab's pieces: in order, failures apart, told of as it goes. */

import { IdentityError } from '../pipeline/identity.ts';
import { totalSteps as stepsOf } from '../pipeline/train.ts';
import type { Dataset, MetricRecord } from '../pipeline/types.ts';
import { labLengths } from './amounts.ts';
import { Clock, guessedSpeeds } from './clock.ts';
import { SignWatch, signBefore } from './diagnosis/index.ts';
import type { LabContext } from './run.ts';
import { computeDiagnosis, computeReward, Scores } from './run-judged.ts';
import type { ManifestKeeper } from './run-manifest.ts';
import { Workbench } from './run-opened.ts';
import {
  computeAnswers,
  computeData,
  computeDpo,
  computeEvaluation,
  computeSft,
  type Job,
} from './run-pieces.ts';
import { computeTexts } from './run-texts.ts';
import type { LabManifest, LabProgress, Piece, Split } from './types.ts';
import { type DpoWork, mostNegatives, type PolicyWork, type Work, type WorkPlan } from './work.ts';

/** Errors that are no fault of an arm: every other piece would meet them too. */
const EVERYBODYS = new Set([
  'DeviceLostError',
  'IdentityError',
  'RoomError',
  'SelfCheckError',
  'StorageError',
]);
/** Prompts whose answers are looked at for a sign before training. */
const LOOKED_AT = 200;

/** Where the lab stands as a piece begins: seconds of all pieces, of those that are over, and of this one. */
interface Place {
  readonly piecesDone: number;
  readonly all: number;
  readonly before: number;
  readonly own: number;
  /** Else nothing is known of how long anything takes, and every piece counts the same. */
  readonly known: boolean;
}

export class Sitting {
  private readonly bench: Workbench;
  private clock: Clock | null = null;
  private scores: Promise<Scores> | null = null;
  private place: Place = { piecesDone: 0, all: 0, before: 0, own: 0, known: false };

  constructor(
    private readonly context: LabContext,
    private readonly keeper: ManifestKeeper,
    private readonly plan: WorkPlan,
    private readonly dataset: Dataset,
    private readonly split: Split,
  ) {
    this.bench = new Workbench(context, keeper, plan.works);
  }

  async work(works: readonly Work[]): Promise<void> {
    for (const work of works) {
      this.context.signal.throwIfAborted();
      const { pieces } = await this.keeper.read();
      if (pieces[work.key]?.state === 'done') continue;
      const missing = work.needs.find((key) => pieces[key]?.state !== 'done');
      if (missing === undefined) await this.piece(work, pieces);
      else await this.without(work, missing, pieces);
    }
  }

  /** A piece that can't be computed, since one that it needs has failed. */
  private async without(work: Work, missing: string, pieces: LabManifest['pieces']): Promise<void> {
    const label = this.plan.byKey.get(missing)?.label ?? 'a piece';
    const why = pieces[missing]?.error?.message;
    const message = `needs ${label}, which ${why ? `failed: ${why}` : 'is not there'}`;
    await this.keeper.piece(work, 0, { state: 'failed', figures: {}, error: { message, details: '' } });
  }

  private async piece(work: Work, pieces: LabManifest['pieces']): Promise<void> {
    const { now, signal } = this.context;
    await this.keeper.piece(work, 0, { state: 'running', figures: {} });
    await this.tell(work, pieces);
    const started = now();
    const seconds = () => (now() - started) / 1000;
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
    const watch =
      work.kind === 'policy'
        ? this.watch(work, (await this.bench.prepared(work.data)).train.length)
        : () => {};
    const job: Job = {
      bench: this.bench,
      plan: this.plan,
      manifest: await this.keeper.read(),
      dataset: this.dataset,
      emit: (event) => {
        if (event.type === 'metric') watch(event.metric);
        if (event.type === 'progress') this.progress(work, event.progress);
      },
    };
    switch (work.kind) {
      case 'data':
        return computeData(job, work);
      case 'policy':
        if (work.stage === 'sft') return computeSft(job, work);
        await this.lookBefore(work);
        return computeDpo(job, work);
      case 'answers':
        return work.source === 'own' ? computeAnswers(job, work) : computeTexts(job, work);
      case 'evaluation':
        return computeEvaluation(job, work);
      case 'reward':
        return computeReward(job, work, await this.judge());
      case 'diagnosis':
        return computeDiagnosis(
          job,
          work,
          job.manifest.rewardModel === undefined ? null : await this.judge(),
        );
    }
  }

  /** The reward model, opened once, and the same as in earlier sittings. */
  private judge(): Promise<Scores> {
    const open = async () => {
      const { reward, signal } = this.context;
      const { rewardModel = 'the reward model', reward: stored } = await this.keeper.read();
      if (!reward) throw new Error(`${rewardModel} can't be opened here: no reward model is at hand`);
      const model = await reward();
      if (stored && stored.fingerprint !== model.info.fingerprint)
        throw new IdentityError(
          `the scores of this lab come from the reward model ${stored.name}, but what is under that name now is another one (${model.info.name}). Put the first one back and resume, or begin a new lab.`,
        );
      await this.keeper.change((manifest) => ({ ...manifest, reward: model.info }));
      return new Scores(model, signal);
    };
    this.scores ??= open().catch((error: unknown) => {
      // The next piece tries again.
      this.scores = null;
      throw error;
    });
    return this.scores;
  }

  /** Arms that a policy is the last step of, or is on the way to where it is none's. */
  private armOf({ key, seed, label }: Work): string {
    const own = this.plan.arms.find((arm) => arm.policy === key && arm.seed === seed);
    return own?.arm ?? label;
  }

  /** @param prompts that are trained on at most; those that are dropped are not known beforehand */
  private watch(work: PolicyWork, prompts: number): (metric: MetricRecord) => void {
    const { dpo, sft } = work.config;
    const totalSteps = stepsOf(prompts, work.stage === 'dpo' ? dpo : sft);
    const watch = new SignWatch({ beta: dpo.beta, totalSteps });
    return (metric) => {
      const sign = watch.see(metric);
      if (sign) this.context.emit({ type: 'sign', arm: this.armOf(work), seed: work.seed, sign });
    };
  }

  /** Before the first DPO on a policy's answers: whether they differ enough. */
  private async lookBefore(work: DpoWork): Promise<void> {
    const answers = this.plan.byKey.get(work.answers);
    const { pieces } = await this.keeper.read();
    const others = this.plan.works.some(
      (other) =>
        other.kind === 'policy' &&
        other.stage === 'dpo' &&
        other.answers === work.answers &&
        other.key !== work.key &&
        pieces[other.key] !== undefined,
    );
    if (others || answers?.kind !== 'answers' || answers.source !== 'own') return;
    const { n } = answers.config.sample;
    const negatives = mostNegatives(this.plan, work.answers);
    // All are taken, as SPIN does: there is no choice to be too small.
    if (n <= negatives) return;
    const responses = await this.context.store.piece(work.answers).responses(0, LOOKED_AT);
    const sign = signBefore(responses, { n, negatives });
    if (sign.state === 'seen')
      this.context.emit({ type: 'sign', arm: this.armOf(work), seed: work.seed, sign });
  }

  /** Where the lab stands before a piece, and its first progress. */
  private async tell(work: Work, pieces: LabManifest['pieces']): Promise<void> {
    this.clock ??= await this.wound();
    const { works } = this.plan;
    const over = works.filter(({ key }) => ['done', 'failed'].includes(pieces[key]?.state ?? ''));
    const times = this.clock?.seconds(pieces);
    const sum = (list: readonly Work[]) => list.reduce((total, { key }) => total + (times?.get(key) ?? 1), 0);
    const [all, before, own] = [sum(works), sum(over), sum([work])];
    this.place = { piecesDone: over.length, all, before, own, known: times !== undefined };
    this.progress(work, { done: 0, total: 1, unit: '', rate: 0 });
  }

  /** Once the data are known, so is how much there is to do. */
  private async wound(): Promise<Clock | null> {
    const manifest = await this.keeper.read();
    const { pieces, model } = manifest;
    const data = this.plan.works.find(({ key, kind }) => kind === 'data' && pieces[key]?.state === 'done');
    if (!data || !model) return null;
    const lengths = labLengths(await this.bench.prepared(data.key), manifest, this.split);
    return new Clock(this.plan, lengths, guessedSpeeds(model.parameterCount));
  }

  private progress(
    work: Work,
    { done, total, unit, rate }: Pick<LabProgress, 'done' | 'total' | 'unit' | 'rate'>,
  ): void {
    const { piecesDone, all, before, own, known } = this.place;
    const spent = before + (own * done) / Math.max(1, total);
    this.context.emit({
      type: 'progress',
      progress: {
        ...{ piecesDone, pieces: this.plan.works.length, share: all > 0 ? Math.min(1, spent / all) : 0 },
        secondsLeft: known ? Math.max(0, all - spent) : null,
        ...{ label: work.label, done, total, unit, rate },
      },
    });
  }
}
