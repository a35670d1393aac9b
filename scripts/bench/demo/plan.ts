/** What is measured of the demo on both sides, shared by the page and the runner. */

export interface DemoPlan {
  /** Training prompts and held-out prompts that our side takes. */
  readonly prompts: number;
  readonly heldOut: number;
  /** The same of the plain side, which takes many times longer a prompt. */
  readonly plainPrompts: number;
  readonly plainHeldOut: number;
}

export type DemoStage = 'sft' | 'sample' | 'filter' | 'dpo' | 'evaluate';

export interface StageTimes {
  readonly stage: DemoStage;
  /** Seconds a prompt. */
  readonly ours: number;
  readonly plain: number;
}

export interface DemoFigures {
  readonly stages: readonly StageTimes[];
  /** Prompts of the whole demo. */
  readonly prompts: number;
  readonly heldOut: number;
  readonly threads: number;
}
