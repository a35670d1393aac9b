/**
 * What a lab is made of: arms to be compared on the same data, and what is stored of them. Pure types, shared by all
 * sides. A policy is a recursive description of how it comes about, so that arms which begin alike share by
 * construction what they share: the same description is the same piece of work, computed once (keys.ts).
 */
import type { DeviceInfo, EmbedderInfo, ModelInfo } from '../engine/types.ts';
import type { MemoryChoice } from '../model/fit.ts';
import type { ConfigKey, FilterConfig, RunConfig } from '../pipeline/config.ts';
import type { EvaluationRecord, RunStore } from '../pipeline/types.ts';

/** Settings that differ from the lab's own, by RunConfig key. */
export type Overrides = Readonly<Partial<Record<ConfigKey, string | number | readonly string[]>>>;

/** A policy and how it comes about. `set` is laid over the lab's settings for this step alone. */
export type PolicySpec =
  | { readonly kind: 'base' }
  | { readonly kind: 'sft'; readonly set?: Overrides; readonly compute?: EqualCompute }
  /** DPO that goes on from `from`, which is also its reference. */
  | {
      readonly kind: 'dpo';
      readonly from: TrainedSpec;
      readonly negatives: NegativesSpec;
      readonly set?: Overrides;
    };
export type TrainedSpec = Exclude<PolicySpec, { readonly kind: 'base' }>;

/** SFT for as long as another policy's whole way costs: its epochs follow from the data (compute.ts). */
export interface EqualCompute {
  readonly as: TrainedSpec;
}

/** Where the rejected answers come from, and which of them may be drawn. */
export interface NegativesSpec {
  /** Samples of the policy that DPO starts from; the data set's own rejected answers; answers from a file. */
  readonly source: 'own' | 'rejected' | 'imported';
  /** Which of the answers make the pool; its size is always what filter.mode and filter.percent give. */
  readonly select?: 'least' | 'random' | 'most';
  /**
   * A prompt is used only where a pool of this filter holds so many, so that arms that differ in their filter or in
   * k train on the same prompts, for equally many steps. Where it is left out: the arm's own pool and dpo.negatives.
   */
  readonly needs?: { readonly filter: FilterConfig; readonly atLeast: number };
}

export interface ArmSpec {
  /** Unique within the lab; short, of letters, digits and '-': it names files and columns. */
  readonly id: string;
  /** For people, e.g. 'k = 8'. */
  readonly name: string;
  readonly policy: PolicySpec;
  /** Where the arm stands on its plans' curves, e.g. { plan: 'negatives', x: 8 }; none where it is no point of a curve. */
  readonly points?: readonly CurvePoint[];
}

export interface CurvePoint {
  readonly plan: string;
  readonly x: number;
}

/** One of the plans that a lab was put together of; arms that several plans ask for are there once. */
export interface PlanInfo {
  /** 'negatives', 'filter', 'threshold', 'baselines', 'sources' or 'grid'. */
  readonly id: string;
  readonly title: string;
  /** What it asks, as a sentence: 'Do more negatives help?'. */
  readonly question: string;
  /** What the paper claims; absent for a grid of one's own. */
  readonly claim?: string;
  /** Ids of its arms, in order; the first is what the others are compared with. */
  readonly arms: readonly string[];
  /** Of its curve, where it has one, e.g. 'negatives a prompt (k)'. */
  readonly axis?: string;
}

/** Which held-out prompts: those that are looked at while working, or those kept for one last look. */
export type Split = 'working' | 'final';

/** Everything of a lab but its records. Stored as one value; the records of its pieces lie beside it. */
export interface LabManifest {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly changed?: number;
  /** Shared by all arms but for their overrides. */
  readonly config: RunConfig;
  readonly datasetId: string;
  /** A data set of prompts with answers of other models; absent where no arm needs one. */
  readonly importedId?: string;
  readonly plans: readonly PlanInfo[];
  readonly arms: readonly ArmSpec[];
  readonly seeds: readonly number[];
  /** Share of the held-out prompts that are set aside for the last look; 0 is none. */
  readonly finalShare: number;
  /** When the final split was looked at; once is the rule. */
  readonly looks: readonly number[];
  /** What is to be judged with beside grader, similarity and perplexity: a sequence-classification model. */
  readonly rewardModel?: string;
  /** Answers that the user found as good as the target: never a negative, in whatever arm they are sampled. */
  readonly marks: readonly Mark[];
  readonly model?: ModelInfo;
  readonly device?: DeviceInfo;
  readonly embedder?: EmbedderInfo;
  readonly reward?: EmbedderInfo;
  /** memory.* as everything in the lab is computed with. */
  readonly memory?: MemoryChoice;
  /** By key: pieces that have begun, ended or failed. */
  readonly pieces: Readonly<Record<string, Piece>>;
}

export interface Mark {
  /** promptKey of the prompt (src/pipeline/prepare.ts). */
  readonly prompt: string;
  /** Of the answer, leading spaces stripped. */
  readonly text: string;
}

export type PieceKind = 'data' | 'policy' | 'answers' | 'evaluation' | 'reward' | 'diagnosis';

/** One shared piece of work; its records are a RunStore of its own, under its key. */
export interface Piece {
  readonly key: string;
  readonly kind: PieceKind;
  /** For people, e.g. 'SFT, seed 2'. */
  readonly label: string;
  readonly seed: number;
  readonly state: 'running' | 'done' | 'failed';
  /** Over all sittings. */
  readonly seconds: number;
  /** As the stages give them: steps, tokens, losses, counts. */
  readonly figures: Readonly<Record<string, number | readonly number[]>>;
  /** Why it failed; other pieces go on without it. */
  readonly error?: { readonly message: string; readonly details: string };
}

/** Scores of a reward model for one held-out prompt under one arm and seed. */
export interface RewardRecord {
  readonly index: number;
  /** One a sample. */
  readonly scores: readonly number[];
  /** The target's; absent without one. */
  readonly target?: number;
}

/** Why it did or did not work, of the answers of one seed's SFT policy to the training prompts. */
export interface Diagnosis {
  readonly falseNegatives?: FalseNegatives;
  readonly diversity?: Diversity;
  readonly gradient?: GradientStudy;
}

/** A question to a judge: which of two answers to one prompt is better. The judge never sees which arm is which. */
export interface Comparison {
  /** Unique within the lab, says nothing of the arms. */
  readonly id: string;
  readonly prompt: string;
  readonly a: string;
  readonly b: string;
}

/** What a comparison is about; kept from the judge. */
export interface ComparisonKey {
  readonly id: string;
  readonly armA: string;
  readonly armB: string;
  readonly seed: number;
  /** Index of the held-out prompt, and which of its samples. */
  readonly index: number;
  readonly sample: number;
  /** Both answers are the same text: a tie that no judge is asked about. */
  readonly same?: true;
}

export type Choice = 'a' | 'b' | 'tie';

export interface Verdict {
  readonly id: string;
  readonly choice: Choice;
  /** 'you' for blind A/B on the page, else the file's name. */
  readonly judge: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The records of labs. Implemented over IndexedDB in src/storage/labs.ts; every method is atomic. */
export interface LabStore {
  manifest(): Promise<LabManifest>;
  saveManifest(manifest: LabManifest): Promise<void>;
  /**
   * Records of one piece, under its key. Of its manifest only what the lab keeps is real: methods that need more
   * (clearFrom) reject.
   */
  piece(key: string): RunStore;
  /** Removes what a piece has stored. */
  clearPiece(key: string): Promise<void>;
  rewards(key: string): Promise<RewardRecord[]>;
  saveRewards(key: string, records: readonly RewardRecord[]): Promise<void>;
  diagnosis(key: string): Promise<Diagnosis | undefined>;
  saveDiagnosis(key: string, diagnosis: Diagnosis): Promise<void>;
  verdicts(): Promise<Verdict[]>;
  /** Replaces verdicts of the same judge on the same comparison. */
  saveVerdicts(verdicts: readonly Verdict[]): Promise<void>;
  deleteVerdicts(ids: readonly { id: string; judge: string }[]): Promise<void>;
}

export interface LabProgress {
  /** Of the whole lab: pieces done and asked for, and seconds left by the estimate and what was measured. */
  readonly piecesDone: number;
  readonly pieces: number;
  readonly secondsLeft: number | null;
  /** 0..1, by time. */
  readonly share: number;
  /** The piece at work, and its own progress. */
  readonly label: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  readonly rate: number;
}

export type LabEvent =
  | { readonly type: 'progress'; readonly progress: LabProgress }
  | { readonly type: 'piece'; readonly piece: Piece }
  /** A failure sign seen while an arm trains, or before: see diagnosis/signs.ts. */
  | { readonly type: 'sign'; readonly arm: string; readonly seed: number; readonly sign: Sign }
  | { readonly type: 'manifest'; readonly manifest: LabManifest };

/** What a lab would cost, before it starts. Seconds are ranges: they come from a short measurement or a guess. */
export interface LabEstimate {
  readonly pieces: readonly { readonly label: string; readonly kind: PieceKind; readonly seconds: number }[];
  readonly seconds: number;
  readonly tokens: number;
  /** Bytes of storage that it would fill, and that are free; null where nobody knows. */
  readonly bytes: number;
  readonly bytesFree: number | null;
  /** Of the device, as a run's: the largest arm's. */
  readonly memoryBytes: number;
  /** Prompts to train on, to compare the arms on, and kept for the last look. */
  readonly data?: { readonly train: number; readonly working: number; readonly final: number };
  readonly measured: boolean;
  /** Why it must not start, in words; absent where it may. */
  readonly problem?: string;
}

// --- what is told of it ---------------------------------------------------------------------------------------

/** A figure with its interval. n counts what was resampled: prompts, or decisions for a share of them. */
export interface Figure {
  readonly value: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
  readonly n: number;
  readonly seeds: number;
  readonly method: 'bootstrap' | 'wilson';
}

/** What arms are measured by. Each is a mean over prompts of the mean over samples. */
export const MEASURES = [
  'accuracy',
  'reward',
  'winRateTarget',
  'similarity',
  'perplexity',
  'tokens',
  'distinct',
] as const;
export type Measure = (typeof MEASURES)[number];

export interface ArmRow {
  readonly id: string;
  readonly name: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly error?: string;
  /** In the order of the lab's seeds. */
  readonly seedStates?: readonly ArmRow['state'][];
  readonly figures: Readonly<Partial<Record<Measure, Figure>>>;
  /** In the order of the lab's seeds; null where one failed. */
  readonly perSeed: Readonly<Partial<Record<Measure, readonly (number | null)[]>>>;
  /** Less the lab's reference arm, paired by prompt, sample and seed. */
  readonly gain: Readonly<Partial<Record<Measure, Figure>>>;
  /** Share of answers better than the reference arm's to the same prompt, ties half, by the main judge. */
  readonly winRate?: Figure;
  readonly steps: number;
  readonly pairs: number;
  readonly trainedTokens: number;
  readonly seconds: number;
}

export interface Curve {
  readonly plan: string;
  readonly title: string;
  readonly axis: string;
  readonly measure: Measure;
  readonly points: readonly { readonly x: number; readonly arm: string; readonly figure: Figure }[];
  /** The reference arm's, drawn as a line. */
  readonly reference?: { readonly name: string; readonly figure: Figure };
}

/** A bar a bin; bins share their edges: [low, low + width). */
export interface HistogramData {
  readonly title: string;
  readonly axis: string;
  readonly low: number;
  readonly width: number;
  readonly series: readonly { readonly name: string; readonly counts: readonly number[] }[];
}

/** Verdicts of one judge on one pair of arms. */
export interface Duel {
  readonly judge: string;
  readonly armA: string;
  readonly armB: string;
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** Of armA, ties half. */
  readonly winRate: Figure;
}

export interface FalseNegatives {
  /** What decides that an answer is as good as the target: 'grader', 'reward' or 'marks'. */
  readonly judge: 'grader' | 'reward' | 'marks';
  readonly responses: number;
  /** Area under the ROC curve of similarity as a sign of a good answer; 0.5 is chance. Null where all are alike. */
  readonly auc: Figure | null;
  /** Share of the kept answers that are as good as the target, against the share kept. */
  readonly byPercent: readonly { readonly percent: number; readonly share: Figure; readonly kept: number }[];
  readonly histogram: HistogramData;
  /** Plain words: does similarity separate good from bad here? */
  readonly verdict: string;
}

export interface Diversity {
  readonly positives: number;
  readonly negatives: number;
  readonly rows: readonly {
    readonly what: string;
    readonly help: string;
    readonly positives: Figure;
    readonly negatives: Figure;
    /** Of negatives less positives. */
    readonly difference: Figure;
  }[];
  readonly holds: 'holds' | 'fails' | 'unclear';
  readonly verdict: string;
}

/** Of the gradient of one DPO step at the SFT policy, on the adapter. */
export interface GradientStudy {
  readonly points: readonly {
    readonly negatives: number;
    /** Variance of one step's gradient (over which prompts and which of their answers) over the squared length of its mean. */
    readonly noise: Figure;
    /** The part of it that comes from which answers are drawn. */
    readonly draw?: Figure;
    /** Of one step's gradient with the mean gradient of balanced pairs. */
    readonly cosine?: Figure;
  }[];
  /** Prompts a step, which the noise is of. */
  readonly batch?: number;
  /** The part of the noise that comes from which prompts are in the batch; negatives do not lessen it. */
  readonly fromPrompts?: Figure;
  /** Of log noise over log k: -1 where all noise comes from the draw, 0 where none does. */
  readonly slope?: Figure;
  /** Cosine of the mean gradient, free of noise, with that of balanced pairs. */
  readonly direction?: Figure;
  /** What the balanced pairs are, in words; absent where the data have none. */
  readonly balanced?: string;
  readonly verdict: string;
}

export const SIGNS = [
  'plateau',
  'easy-negatives',
  'chosen-falls',
  'over-alignment',
  'few-distinct',
  'diverged',
] as const;
export type SignId = (typeof SIGNS)[number];

/** A way to fail: how it is recognised, what was seen, and one thing to do. */
export interface Sign {
  readonly id: SignId;
  readonly title: string;
  readonly state: 'seen' | 'not-seen' | 'unknown';
  readonly threshold: string;
  readonly evidence: string;
  readonly suggestion: string;
}

export interface SampleRow {
  readonly prompt: string;
  readonly target?: string;
  readonly answers: readonly {
    readonly arm: string;
    readonly text: string;
    readonly correct?: boolean;
    readonly similarity?: number;
  }[];
}

/** Everything that a report shows, of a lab or of one run. JSON: report.json beside the page. */
export interface LabReport {
  readonly format: 'self-contrast-lab-report';
  readonly version: 1;
  readonly title: string;
  /** ISO 8601. */
  readonly created: string;
  readonly split: Split;
  /** How often the final split was looked at before. */
  readonly looks: number;
  readonly plans: readonly PlanInfo[];
  /** Claim by claim, in words, with the figures they rest on. */
  readonly findings: readonly Finding[];
  readonly mainMeasure: Measure;
  readonly reference: string;
  readonly arms: readonly ArmRow[];
  readonly curves: readonly Curve[];
  readonly histograms: readonly HistogramData[];
  readonly duels: readonly Duel[];
  readonly samples: readonly SampleRow[];
  readonly diagnosis: Diagnosis;
  /** Of the whole plan, and of single arms. */
  readonly signs: readonly (Sign & { readonly arm?: string; readonly seed?: number })[];
  readonly data: {
    readonly name: string;
    readonly fingerprint: string;
    readonly train: number;
    readonly working: number;
    readonly final: number;
  };
  readonly config: RunConfig;
  /** What each arm changes, in words. */
  readonly armSettings: readonly { readonly arm: string; readonly text: string }[];
  readonly seeds: readonly number[];
  readonly samplesAPrompt: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly model?: ModelInfo;
  readonly device?: DeviceInfo;
  readonly embedder?: EmbedderInfo;
  readonly reward?: EmbedderInfo;
  readonly seconds: number;
  readonly timings: readonly { readonly label: string; readonly seconds: number }[];
}

export interface Finding {
  readonly plan: string;
  readonly claim: string;
  readonly verdict: 'holds' | 'fails' | 'unclear';
  /** The figures it rests on, with their intervals, as a sentence. */
  readonly text: string;
}

/** What one arm and seed made of the held-out prompts, as the statistics take it. */
export interface ArmAnswers {
  readonly arm: string;
  readonly seed: number;
  /** By index of the held-out prompt, rising; the same prompts for all arms. */
  readonly records: readonly EvaluationRecord[];
  readonly rewards?: readonly RewardRecord[];
}
