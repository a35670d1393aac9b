/** What the pieces of a lab's work are, each with all that it is computed from. Pure types. */
import type { RunConfig } from '../pipeline/config.ts';
import type { NegativesSpec, PieceKind, Split } from './types.ts';

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
