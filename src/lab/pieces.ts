/** Stage functions of a run work on one RunStore; here it is put together of the pieces that hold its parts. */
import type { RunManifest, RunStore } from '../pipeline/types.ts';

/** Where each kind of record lies. Reading what has no place is empty, writing it an error. */
export interface Places {
  /** What the piece at work writes: checkpoints, metrics, pairs, evaluation. */
  readonly own: RunStore;
  readonly data: RunStore;
  /** Responses and their similarities. */
  readonly answers?: RunStore;
  /** Log-probabilities of the targets under the policy whose piece this is. */
  readonly references?: RunStore;
}

/** A manifest that lives as long as a piece is worked on: what is to be kept of it, the lab's own says. */
export interface ShortManifest {
  readonly read: () => RunManifest;
  readonly keep: (manifest: RunManifest) => void;
}

export function composed({ own, data, answers, references }: Places, manifest: ShortManifest): RunStore {
  const none = (what: string) => async () => {
    throw new Error(`internal: this piece has no ${what}`);
  };
  return {
    manifest: async () => manifest.read(),
    saveManifest: async (next) => manifest.keep(next),
    dataset: data.dataset,
    prepared: data.prepared,
    savePrepared: data.savePrepared,
    responses: async (from, to) => (answers ? answers.responses(from, to) : []),
    sampled: async () => (answers ? answers.sampled() : []),
    saveResponses: answers ? answers.saveResponses : none('answers'),
    references: async () => (references ? references.references() : []),
    saveReferences: references ? references.saveReferences : none('references'),
    pairs: own.pairs,
    savePairs: own.savePairs,
    metrics: own.metrics,
    saveCheckpoint: own.saveCheckpoint,
    checkpoint: own.checkpoint,
    evaluation: own.evaluation,
    saveEvaluation: own.saveEvaluation,
    answers: own.answers,
    saveAnswers: own.saveAnswers,
    clearFrom: none('stages'),
  };
}
