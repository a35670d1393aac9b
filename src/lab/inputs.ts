/** What the statistics and the diagnosis are given: records already read, so that both are plain functions of them. */
import type { AdapterWeights, LanguageModel, TextEmbedder } from '../engine/types.ts';
import type { MemoryChoice } from '../model/fit.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { MetricRecord, PreparedData, PromptResponses, TokenizedPrompt } from '../pipeline/types.ts';
import type {
  ArmAnswers,
  ComparisonKey,
  Diagnosis,
  LabManifest,
  Piece,
  RewardRecord,
  Sign,
  Split,
  Verdict,
} from './types.ts';

/** One arm and seed: what its pieces have stored. */
export interface ArmRun {
  readonly arm: string;
  readonly seed: number;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly error?: string;
  /** Of its last DPO (or SFT) stage. */
  readonly figures: Piece['figures'];
  readonly metrics: readonly MetricRecord[];
  /** Of all pieces on its way, shared ones included. */
  readonly seconds: number;
  /** Resolved: the lab's settings, the arm's overrides and the seed. */
  readonly config: RunConfig;
}

export interface LabInput {
  readonly manifest: LabManifest;
  readonly split: Split;
  readonly data: {
    readonly name: string;
    readonly fingerprint: string;
    readonly train: number;
    readonly working: number;
    readonly final: number;
  };
  /** Of the split, in order; records refer to them by index. */
  readonly heldOut: readonly TokenizedPrompt[];
  readonly runs: readonly ArmRun[];
  /** Of those that are done. */
  readonly answers: readonly ArmAnswers[];
  readonly verdicts: readonly Verdict[];
  readonly keys: readonly ComparisonKey[];
  readonly diagnosis: Diagnosis;
  readonly signs: readonly (Sign & { readonly arm?: string; readonly seed?: number })[];
  readonly versions: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Of one seed's SFT policy and its answers to the training prompts. */
export interface DiagnosisInput {
  readonly config: RunConfig;
  readonly data: PreparedData;
  /** With similarities. */
  readonly responses: readonly PromptResponses[];
  /** Log-probability of each used target under the policy, by prompt index. */
  readonly references: ReadonlyMap<number, number>;
  readonly marks: LabManifest['marks'];
  /** Of the same responses, where there is a reward model; `scores` as the responses, `target` the target's. */
  readonly rewards?: readonly RewardRecord[];
  readonly policy: AdapterWeights;
  readonly model: LanguageModel;
  readonly memory?: MemoryChoice;
  readonly embedder: () => Promise<TextEmbedder>;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number, what: string) => void;
}
