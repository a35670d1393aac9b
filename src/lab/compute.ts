/**
 * What a way to a policy costs, and SFT for as long. The unit is one token once forward through the model: a token that
 * is trained on costs three (forward, and twice as much backward), one that is sampled or scored one. Embedding answers
 * and choosing among them are not counted: the embedder is another and much smaller model.
 */

/** Tokens of one step of a way, prompts included; those of a prompt count once for all its answers. */
export interface StepTokens {
  readonly trained: number;
  readonly sampled: number;
  readonly scored: number;
}

interface Lengths {
  readonly promptIds: { readonly length: number };
  readonly targetIds: { readonly length: number };
}

/** Of prompts with their targets, once through. */
export function targetTokens(rows: readonly Lengths[]): number {
  return rows.reduce((sum, { promptIds, targetIds }) => sum + promptIds.length + targetIds.length, 0);
}

/** Of prompts alone, as they are read before answers are sampled. */
export function promptTokens(rows: readonly Lengths[]): number {
  return rows.reduce((sum, { promptIds }) => sum + promptIds.length, 0);
}

export function unitsOf(steps: readonly StepTokens[]): number {
  return steps.reduce((sum, { trained, sampled, scored }) => sum + 3 * trained + sampled + scored, 0);
}

/** Epochs of SFT over `rows` that cost as much as a way; a part of an epoch is part of its steps. */
export function equalEpochs(steps: readonly StepTokens[], rows: readonly Lengths[]): number {
  return unitsOf(steps) / (3 * Math.max(1, targetTokens(rows)));
}
