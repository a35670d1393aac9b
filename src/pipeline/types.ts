/** What a run is made of: records that are stored, events that are watched. Pure types, shared by all sides. */
import type {
  ChatMessage,
  DeviceInfo,
  EmbedderInfo,
  ModelInfo,
  SelfCheck,
  TrainerState,
} from '../engine/types.ts';
import type { Advice } from '../model/advised.ts';
import type { MemoryChoice } from '../model/fit.ts';
import type { RunConfig } from './config.ts';
import type { Grader } from './grade.ts';

export const STAGES = ['model', 'data', 'sft', 'sample', 'filter', 'dpo', 'evaluate'] as const;
export type Stage = (typeof STAGES)[number];
/** Stages whose results the device computes. */
export const COMPUTED = ['sft', 'sample', 'dpo', 'evaluate'] as const;
export type StageState = 'waiting' | 'running' | 'done' | 'failed';
export type Arm = 'base' | 'sft' | 'selfContrast';

/** What is asked: the last user turn, and what came before it. */
export interface PromptRow {
  readonly prompt: string;
  /** Turns before the prompt, a system message included; absent for a single-turn row. */
  readonly history?: readonly ChatMessage[];
  readonly grader?: Grader;
}

/** One row of a data set as read. */
export interface DataRow extends PromptRow {
  /** Absent where the row only asks: such a row is used for evaluation. */
  readonly target?: string;
  /** Worse answers that the data set brings, written by other models. */
  readonly rejected?: readonly string[];
  /** Of a held-out row that is kept for a lab's one last look: never trained on, and not part of a run's evaluation. */
  readonly split?: 'final';
  /** Where its file has it: the line, in a Parquet file the row; from 1. Not part of what the row is. */
  readonly line?: number;
}

/** A row that was refused; line counts from 1, and is the row in a Parquet file. */
export interface RefusedRow {
  readonly line: number;
  readonly reason: string;
  /** The row as it stood in the file, shortened; absent where it could not be kept. */
  readonly text?: string;
  /** Which file, where the data set came from several. */
  readonly file?: string;
}

export interface Dataset {
  readonly id: string;
  readonly name: string;
  readonly rows: readonly DataRow[];
  /** Separate held-out rows where the data set brings them; else they are split off `rows`. */
  readonly heldOut?: readonly DataRow[];
  readonly refused: readonly RefusedRow[];
  /** Rows left out because an earlier one is the same. */
  readonly duplicates?: readonly RefusedRow[];
  /** SHA-256 of the rows, hex. */
  readonly fingerprint: string;
}

/** How many rows of which kind a data set has. */
export interface DatasetCounts {
  /** Rows to train on or to answer, held-out ones apart. */
  readonly rows: number;
  readonly heldOut: number;
  readonly refused: number;
  /** Exact duplicates of earlier rows, left out of `rows`. */
  readonly duplicates: number;
  /** Of `rows`: without a target, for evaluation only. */
  readonly promptOnly: number;
  /** Of `rows`: with answers that the data set itself rejects. */
  readonly withRejected: number;
  /** Of `rows`: with turns before the prompt. */
  readonly multiTurn: number;
}

/** A stored data set without its rows. Written last, so that its existence means that the rows are complete. */
export interface DatasetInfo {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the rows, hex. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** What the rows were recognised as, in words; absent where they did not come from a file. */
  readonly format?: string;
  /** In words, e.g. 'JSON Lines, gzip'. */
  readonly container?: string;
  readonly counts: DatasetCounts;
}

/** A row in the tokens of the run's model; without a target it can only be answered. */
export interface TokenizedPrompt extends DataRow {
  readonly promptIds: readonly number[];
  readonly targetIds?: readonly number[];
}

/** A row that can be trained on. */
export interface TokenizedRow extends TokenizedPrompt {
  readonly target: string;
  readonly targetIds: readonly number[];
}

/** The data stage's result: what training and evaluation really use, in order. */
export interface PreparedData {
  readonly train: readonly TokenizedRow[];
  /** Rows without a target come last. */
  readonly heldOut: readonly TokenizedPrompt[];
  readonly refused: readonly RefusedRow[];
}

/** Prepared data without its rows. */
export interface PreparedInfo {
  readonly train: number;
  readonly heldOut: number;
  readonly refused: number;
  /** Of the training rows: how many have how many tokens of prompt and target, the shortest first. */
  readonly lengths: readonly (readonly [tokens: number, rows: number])[];
}

export interface ResponseRecord {
  /** Leading spaces stripped. */
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Sum over tokenIds under the sampling policy, untempered. */
  readonly logp: number;
  readonly stopped: boolean;
  /** Cosine to the target; absent before it is embedded. */
  readonly similarity?: number;
  /** In the negatives' pool after filtering; absent before filtering. */
  readonly kept?: boolean;
  /** Marked by the user as a good answer: never a negative, whatever the filter says. */
  readonly excluded?: boolean;
}

export interface PromptResponses {
  /** Index into PreparedData.train. */
  readonly index: number;
  readonly responses: readonly ResponseRecord[];
}

export interface PairRecord {
  readonly index: number;
  /** Which of the prompt's responses. */
  readonly response: number;
}

/** Reference log-probability of a training target that has pairs, under the SFT policy, by prompt index. */
export interface ReferenceRecord {
  readonly index: number;
  readonly logp: number;
}

/** One optimiser step of SFT or DPO. */
export interface MetricRecord {
  readonly stage: 'sft' | 'dpo';
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface Checkpoint {
  readonly stage: 'sft' | 'dpo';
  /** Optimiser steps done; the stage is complete when it equals its total. */
  readonly step: number;
  readonly totalSteps: number;
  readonly state: TrainerState;
}

export interface HeldOutScore {
  readonly prompts: number;
  /** Only where the data has a grader. */
  readonly accuracy?: number;
  /** Standard error of accuracy over prompts. */
  readonly accuracyError?: number;
  /** Mean log-probability per target token; over the prompts that have a target. */
  readonly targetLogProb: number;
  /** Mean cosine of the T = 1 samples to the target, likewise. */
  readonly similarity: number;
  readonly meanTokens: number;
}

export interface HeldOutAnswer {
  readonly prompt: string;
  readonly target?: string;
  readonly answers: Readonly<Record<Arm, { text: string; correct?: boolean; similarity?: number }>>;
}

/** One arm's answer to a held-out prompt. */
export interface EvaluatedAnswer {
  readonly text: string;
  readonly tokens: number;
  /** To the target; absent without one, and before it is embedded. */
  readonly similarity?: number;
  readonly correct?: boolean;
}

/** A finished unit of the evaluation: what one arm made of one held-out prompt. */
export interface EvaluationRecord {
  readonly arm: Arm;
  /** Index into PreparedData.heldOut. */
  readonly index: number;
  readonly answers: readonly EvaluatedAnswer[];
  /** Log-probability of each of the target's tokens, none without a target; absent before it is scored. */
  readonly targetLogps?: readonly number[];
}

export interface StageReport {
  readonly seconds: number;
  readonly [figure: string]: number | string | readonly number[];
}

/** report.json. */
export interface Report {
  readonly stages: Partial<Record<'sft' | 'sample' | 'filter' | 'dpo', StageReport>>;
  readonly evaluation: {
    readonly heldOut: Partial<Record<Arm, HeldOutScore>>;
    /** Self-Contrast against SFT on the same held-out prompts, ties 0.5; null without held-out prompts. */
    readonly winRateVsSft: number | null;
    /** Accuracy of Self-Contrast less that of SFT, paired by prompt, with its standard error; graded data only. */
    readonly gainOverSft?: { readonly accuracy: number; readonly error: number };
    /** What decided a win: the grader, or similarity to the target. */
    readonly judge: 'grader' | 'similarity' | null;
  };
  readonly warnings: readonly string[];
}

export interface RunManifest {
  readonly id: string;
  readonly name: string;
  /** The user's own words about the run. */
  readonly notes?: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** When the manifest was stored last; absent where it never was since it was created. */
  readonly changed?: number;
  readonly config: RunConfig;
  readonly datasetId: string;
  readonly stages: Readonly<Record<Stage, StageState>>;
  /** Seconds spent a stage, over all sittings. */
  readonly seconds: Readonly<Partial<Record<Stage, number>>>;
  readonly device?: DeviceInfo;
  readonly model?: ModelInfo;
  /**
   * memory.* as the stages under way compute with it: chosen once, as what is computed together changes results in
   * their last bits. Absent before the first of them, and in runs of older versions.
   */
  readonly memory?: MemoryChoice;
  /** Of the device and the model that the run was last worked on with. */
  readonly selfCheck?: SelfCheck;
  /** Whose similarities are stored. */
  readonly embedder?: EmbedderInfo;
  readonly report?: Report;
  readonly error?: RunError;
}

/** An error that crossed a worker boundary: what happened, where, and what to do. */
export interface RunError extends Advice {
  readonly stage: Stage;
  readonly code: string;
  readonly message: string;
  readonly details: string;
}

export interface Progress {
  readonly stage: Stage;
  readonly done: number;
  readonly total: number;
  /** e.g. 'steps', 'responses', 'prompts', 'bytes'. */
  readonly unit: string;
  /** Units a second; 0 while unknown. */
  readonly rate: number;
  readonly secondsLeft: number | null;
  /** Extra live figures, e.g. tokensPerSecond, loss. */
  readonly figures: Readonly<Record<string, number>>;
}

export type RunEvent =
  | { readonly type: 'stage'; readonly stage: Stage; readonly state: StageState; readonly summary: string }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'metric'; readonly metric: MetricRecord }
  | { readonly type: 'prepared'; readonly train: number; readonly heldOut: number; readonly refused: number }
  | {
      readonly type: 'responses';
      readonly prompt: string;
      readonly target: string;
      readonly record: PromptResponses;
    }
  /** The same few held-out prompts answered again during SFT and DPO. */
  | {
      readonly type: 'preview';
      readonly stage: 'sft' | 'dpo';
      readonly step: number;
      readonly answers: readonly { prompt: string; text: string }[];
    }
  | { readonly type: 'device'; readonly device: DeviceInfo; readonly model: ModelInfo }
  | { readonly type: 'self-check'; readonly check: SelfCheck }
  | { readonly type: 'warning'; readonly message: string }
  | { readonly type: 'manifest'; readonly manifest: RunManifest };

/**
 * The records of one run. Implemented over IndexedDB in src/storage; every method is atomic, and a
 * finished unit is durable when its promise resolves.
 */
export interface RunStore {
  manifest(): Promise<RunManifest>;
  saveManifest(manifest: RunManifest): Promise<void>;
  dataset(): Promise<Dataset>;
  prepared(): Promise<PreparedData | undefined>;
  savePrepared(prepared: PreparedData): Promise<void>;
  /** Stored responses by prompt index; with bounds only of the prompts `from` to `to` (exclusive). */
  responses(from?: number, to?: number): Promise<PromptResponses[]>;
  /** Indices of the prompts whose responses are stored, rising. */
  sampled(): Promise<number[]>;
  saveResponses(records: readonly PromptResponses[]): Promise<void>;
  references(): Promise<ReferenceRecord[]>;
  saveReferences(records: readonly ReferenceRecord[]): Promise<void>;
  pairs(): Promise<PairRecord[]>;
  savePairs(pairs: readonly PairRecord[]): Promise<void>;
  metrics(stage: 'sft' | 'dpo'): Promise<MetricRecord[]>;
  /** A checkpoint and the metrics up to it, in one transaction. */
  saveCheckpoint(checkpoint: Checkpoint, metrics: readonly MetricRecord[]): Promise<void>;
  checkpoint(stage: 'sft' | 'dpo'): Promise<Checkpoint | undefined>;
  /** Finished units of the evaluation, in no particular order. */
  evaluation(): Promise<EvaluationRecord[]>;
  saveEvaluation(records: readonly EvaluationRecord[]): Promise<void>;
  answers(): Promise<HeldOutAnswer[]>;
  saveAnswers(answers: readonly HeldOutAnswer[]): Promise<void>;
  /**
   * Removes what `stage` and the stages after it have written, before they are redone, and stores the manifest
   * that says so, all at once: a manifest that calls removed records done would pass for a finished run. The
   * marks on responses that stay are the caller's.
   */
  clearFrom(stage: Stage, manifest: RunManifest): Promise<void>;
}
