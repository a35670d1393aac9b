/**
 * A lab as the list of its pieces of work, each once, in the order in which they are computed: seed by seed, and
 * within a seed what others need first. Pure: the same lab and data give the same keys, today and in a later sitting.
 */
import type { RunConfig } from '../pipeline/config.ts';
import { canonical, keyOf } from './keys.ts';
import { configOf, roundOf } from './resolve.ts';
import type { LabManifest, NegativesSpec, PieceKind, PolicySpec, Split, TrainedSpec } from './types.ts';

interface Common {
  readonly key: string;
  readonly kind: PieceKind;
  readonly label: string;
  readonly seed: number;
  /** As this piece is computed with; `seed` is the arm's, but for the data. */
  readonly config: RunConfig;
  /** Keys of the pieces that must be done before. */
  readonly needs: readonly string[];
}

/** The data in tokens. */
export interface DataWork extends Common {
  readonly kind: 'data';
}

export interface SftWork extends Common {
  readonly kind: 'policy';
  readonly stage: 'sft';
  readonly data: string;
  /** The policy whose way costs as much: see compute.ts. */
  readonly as?: string;
}

export interface DpoWork extends Common {
  readonly kind: 'policy';
  readonly stage: 'dpo';
  readonly data: string;
  readonly from: string;
  readonly answers: string;
  readonly negatives: NegativesSpec;
}

/** Answers to the training prompts, with their log-probability under `policy` and their similarity to the target. */
export interface AnswersWork extends Common {
  readonly kind: 'answers';
  readonly data: string;
  readonly policy: string;
  readonly source: NegativesSpec['source'];
  /** DPO steps below the policy. */
  readonly round: number;
}

export interface EvaluationWork extends Common {
  readonly kind: 'evaluation';
  readonly data: string;
  /** Null is the base model. */
  readonly policy: string | null;
  readonly split: Split;
}

export interface RewardWork extends Common {
  readonly kind: 'reward';
  readonly data: string;
  readonly evaluation: string;
  readonly split: Split;
}

export interface DiagnosisWork extends Common {
  readonly kind: 'diagnosis';
  readonly data: string;
  readonly policy: string;
  readonly answers: string;
}

export type PolicyWork = SftWork | DpoWork;
export type Work = DataWork | PolicyWork | AnswersWork | EvaluationWork | RewardWork | DiagnosisWork;

/** Keys of an arm's last pieces for one seed. */
export interface ArmWork {
  readonly arm: string;
  readonly seed: number;
  readonly config: RunConfig;
  readonly data: string;
  readonly policy: string | null;
  readonly evaluation: string;
  readonly reward?: string;
}

export interface WorkPlan {
  /** In order. */
  readonly works: readonly Work[];
  readonly byKey: ReadonlyMap<string, Work>;
  /** Seed by seed. */
  readonly arms: readonly ArmWork[];
}

/** What the model and the weights on the device are; everything is computed with them. */
const engineOf = ({ model, hub, backend, precision, memory }: RunConfig) => ({
  model,
  hub,
  backend,
  precision,
  memory,
});

const embedderOf = ({ embedder, embedderPooling, hub }: RunConfig) => ({ embedder, embedderPooling, hub });

/** What a model must be opened anew for. */
export const openKey = (config: RunConfig): string =>
  keyOf([config.model, config.hub, config.backend, config.precision]);

/**
 * @param fingerprint of the data set's rows
 */
export function planWork(manifest: LabManifest, fingerprint: string, split: Split = 'working'): WorkPlan {
  const planner = new Planner(manifest, fingerprint, split);
  for (const seed of manifest.seeds) planner.seed(seed);
  return planner;
}

/** The most negatives that any arm draws of these answers. */
export function mostNegatives({ works }: WorkPlan, answers: string): number {
  const asked = works.flatMap((work) =>
    work.kind === 'policy' && work.stage === 'dpo' && work.answers === answers
      ? work.config.dpo.negatives
      : [],
  );
  return Math.max(0, ...asked);
}

class Planner implements WorkPlan {
  readonly byKey = new Map<string, Work>();
  readonly arms: ArmWork[] = [];
  /** Of the policies that are an arm's last: what is on the way of several is called by its own arm. */
  private readonly names: ReadonlyMap<string, string>;

  constructor(
    private readonly manifest: LabManifest,
    private readonly fingerprint: string,
    private readonly split: Split,
  ) {
    this.names = new Map(
      [...manifest.arms].reverse().map(({ policy, name }) => [canonical(policy), name] as const),
    );
  }

  get works(): readonly Work[] {
    return [...this.byKey.values()];
  }

  seed(seed: number): void {
    const groups = new Map<string, LabManifest['arms'][number][]>();
    for (const arm of this.manifest.arms) {
      const key = openKey(configOf(this.manifest.config, arm.policy, seed));
      groups.set(key, [...(groups.get(key) ?? []), arm]);
    }
    for (const arm of [...groups.values()].flat()) this.arm(arm.id, arm.name, arm.policy, seed);
    if (this.split === 'working' && seed === this.manifest.seeds[0]) this.diagnosis(seed);
  }

  private add<T extends Work>(work: T): T {
    if (!this.byKey.has(work.key)) this.byKey.set(work.key, work);
    return work;
  }

  private label(text: string, seed: number): string {
    return this.manifest.seeds.length > 1 ? `${text}, seed ${seed}` : text;
  }

  private arm(arm: string, name: string, spec: PolicySpec, seed: number): void {
    const config = configOf(this.manifest.config, spec, seed);
    const policy = spec.kind === 'base' ? null : this.policy(spec, name, seed);
    const data = this.data(config);
    const { split } = this;
    const { finalShare } = this.manifest;
    const evaluation = this.add<EvaluationWork>({
      key: keyOf({
        kind: 'evaluation',
        of: policy?.key ?? { base: data.key, engine: engineOf(config) },
        split: { split, finalShare },
        samples: config.evaluate.samples,
        maxTokens: config.sample.maxTokens,
        embedder: embedderOf(config),
        seed,
      }),
      kind: 'evaluation',
      label: this.label(`evaluation of ${name}`, seed),
      seed,
      config,
      needs: [data.key, ...(policy ? [policy.key] : [])],
      data: data.key,
      policy: policy?.key ?? null,
      split,
    });
    const reward = this.reward(evaluation, name);
    this.arms.push({
      ...{ arm, seed, config, data: data.key, policy: policy?.key ?? null, evaluation: evaluation.key },
      ...(reward && { reward: reward.key }),
    });
  }

  private reward({ key, data, seed, config, split }: EvaluationWork, name: string): RewardWork | null {
    const { rewardModel } = this.manifest;
    if (rewardModel === undefined) return null;
    return this.add<RewardWork>({
      key: keyOf({ kind: 'reward', evaluation: key, rewardModel }),
      kind: 'reward',
      label: this.label(`reward of ${name}`, seed),
      ...{ seed, config, data, split, evaluation: key },
      needs: [data, key],
    });
  }

  /** The split and the limit are the lab's, not the arm's seed's: all arms train on the same prompts. */
  private data(config: RunConfig): DataWork {
    const { seed } = this.manifest.config;
    const { model, hub, data } = config;
    return this.add<DataWork>({
      key: keyOf({ kind: 'data', fingerprint: this.fingerprint, model, hub, data, seed }),
      kind: 'data',
      label: model === this.manifest.config.model ? 'data' : `data for ${model}`,
      seed,
      config: { ...config, seed },
      needs: [],
    });
  }

  private policy(spec: TrainedSpec, name: string, seed: number): PolicyWork {
    const own = this.names.get(canonical(spec)) ?? name;
    return spec.kind === 'sft' ? this.sft(spec, own, seed) : this.dpo(spec, own, seed);
  }

  private sft(spec: Extract<TrainedSpec, { kind: 'sft' }>, name: string, seed: number): SftWork {
    const config = configOf(this.manifest.config, spec, seed);
    const as = spec.compute && this.policy(spec.compute.as, `what ${name} costs as much as`, seed);
    const data = this.data(config);
    const { lora, adapter, sft } = config;
    return this.add<SftWork>({
      key: keyOf({
        kind: 'sft',
        data: data.key,
        engine: engineOf(config),
        ...{ lora, adapter, sft, seed },
        ...(as && { as: as.key }),
      }),
      kind: 'policy',
      stage: 'sft',
      label: this.label(as ? name : spec.set ? `SFT of ${name}` : 'SFT', seed),
      ...{ seed, config },
      needs: [data.key, ...(as ? [as.key] : [])],
      data: data.key,
      ...(as && { as: as.key }),
    });
  }

  private dpo(spec: Extract<TrainedSpec, { kind: 'dpo' }>, name: string, seed: number): DpoWork {
    const config = configOf(this.manifest.config, spec, seed);
    const round = roundOf(spec.from);
    const below = round > 0 ? `${name}, round ${round}` : name;
    const from = this.policy(spec.from, below, seed);
    const answers = this.answers(spec.negatives.source, from, config, round);
    const { marks } = this.manifest;
    return this.add<DpoWork>({
      key: keyOf({
        kind: 'dpo',
        from: from.key,
        answers: answers.key,
        negatives: { select: 'least', ...spec.negatives },
        ...{ dpo: config.dpo, filter: config.filter, seed },
        marks: marks.map(({ prompt, text }) => JSON.stringify([prompt, text])).sort(),
      }),
      kind: 'policy',
      stage: 'dpo',
      label: this.label(name, seed),
      ...{ seed, config },
      needs: [from.data, from.key, answers.key],
      data: from.data,
      from: from.key,
      answers: answers.key,
      negatives: spec.negatives,
    });
  }

  private answers(
    source: NegativesSpec['source'],
    policy: PolicyWork,
    config: RunConfig,
    round: number,
  ): AnswersWork {
    const what = {
      own: { sample: config.sample },
      rejected: {},
      imported: { file: this.manifest.importedId ?? '' },
    }[source];
    const { n } = config.sample;
    const own = n === 1 ? 'an answer' : `${n} answers`;
    const whose = { own, rejected: 'rejected answers', imported: 'other models’ answers' }[source];
    const { seed } = policy;
    return this.add<AnswersWork>({
      key: keyOf({
        kind: 'answers',
        policy: policy.key,
        source,
        what,
        embedder: embedderOf(config),
      }),
      kind: 'answers',
      label: `${whose} for ${policy.label}`,
      ...{ seed, config, source, round },
      needs: [policy.data, policy.key],
      data: policy.data,
      policy: policy.key,
    });
  }

  /** Of the answers of the lab's own SFT policy, where an arm uses them. */
  private diagnosis(seed: number): void {
    const answers = firstAnswers(this, seed);
    if (!answers) return;
    const { config, rewardModel = null, marks } = this.manifest;
    this.add<DiagnosisWork>({
      key: keyOf({
        kind: 'diagnosis',
        answers: answers.key,
        ...{ filter: config.filter, dpo: config.dpo, rewardModel, marks },
      }),
      kind: 'diagnosis',
      label: this.label('diagnosis', seed),
      seed,
      config: { ...answers.config, filter: config.filter, dpo: config.dpo },
      needs: answers.needs.concat(answers.key),
      data: answers.data,
      policy: answers.policy,
      answers: answers.key,
    });
  }
}

/** A seed's own answers of SFT that say most of it: those of the arms that sample the most. */
export function firstAnswers({ works }: Pick<WorkPlan, 'works'>, seed: number): AnswersWork | undefined {
  return works
    .flatMap((work) => (work.kind === 'answers' ? work : []))
    .filter((work) => work.source === 'own' && work.round === 0 && work.seed === seed)
    .sort((a, b) => b.config.sample.n - a.config.sample.n)[0]; // stable: of equals the first
}
