/** How much each piece of work is, before it is done: tokens and texts, from the lengths of the data. Pure. */

import type { PreparedData } from '../pipeline/types.ts';
import { equalEpochs, type StepTokens } from './compute.ts';
import { splitHeldOut } from './split.ts';
import type { LabManifest, Split } from './types.ts';
import type { AnswersWork, DpoWork, PolicyWork, Work, WorkPlan } from './work.ts';

/** Sums over the rows of the data. */
export interface LabLengths {
  readonly prompts: number;
  readonly promptTokens: number;
  readonly targetTokens: number;
  readonly heldOut: number;
  readonly heldOutTokens: number;
}

/** @param split whose held-out prompts are answered */
export function labLengths(
  { train, heldOut: all }: Pick<PreparedData, 'train' | 'heldOut'>,
  manifest: Pick<LabManifest, 'finalShare'>,
  split: Split,
): LabLengths {
  const heldOut = splitHeldOut(all, manifest)[split];
  const sum = (lists: readonly (readonly number[] | undefined)[]) =>
    lists.reduce((total, list) => total + (list?.length ?? 0), 0);
  return {
    prompts: train.length,
    promptTokens: sum(train.map(({ promptIds }) => promptIds)),
    targetTokens: sum(train.map(({ targetIds }) => targetIds)),
    heldOut: heldOut.length,
    heldOutTokens: sum(heldOut.flatMap(({ promptIds, targetIds }) => [promptIds, targetIds])),
  };
}

/** Tokens through the model by what is done with them, and texts through the embedder or a judge. */
export interface Amount extends StepTokens {
  readonly embedded: number;
  readonly rewarded: number;
}

const NOTHING: Amount = { trained: 0, sampled: 0, scored: 0, embedded: 0, rewarded: 0 };

/** Answers a prompt that a file of other models' answers is thought to have. */
const IMPORTED = 4;
/** Prompts over which final rewards are taken (run-pieces.ts), and those that are diagnosed (run-judged.ts). */
const [REWARDED, DIAGNOSED] = [128, 200];
/** Of sampled answers, those that are different and so embedded: measured on the embedded data. */
const DISTINCT = 0.8;
/** Gradients of groups that the diagnosis takes, in passes over its prompts with their negatives. */
const PASSES = 1;

export function amountOf(work: Work, plan: WorkPlan, lengths: LabLengths): Amount {
  const { prompts, heldOut } = lengths;
  const { config } = work;
  switch (work.kind) {
    case 'data':
      return NOTHING;
    case 'policy':
      return work.stage === 'sft'
        ? { ...NOTHING, trained: sftTokens(work, plan, lengths) }
        : { ...NOTHING, ...dpoAmount(work, plan, lengths) };
    case 'answers': {
      const tokens = answerTokens(work, lengths);
      const texts = prompts * (1 + DISTINCT * answersAPrompt(work));
      return work.source === 'own'
        ? { ...NOTHING, sampled: tokens, scored: lengths.promptTokens, embedded: texts }
        : { ...NOTHING, scored: lengths.promptTokens + tokens, embedded: texts };
    }
    case 'evaluation': {
      const answers = heldOut * config.evaluate.samples;
      const sampled = answers * answerLength(work, lengths);
      return { ...NOTHING, sampled, scored: lengths.heldOutTokens, embedded: heldOut + DISTINCT * answers };
    }
    case 'reward':
      return { ...NOTHING, rewarded: heldOut * config.evaluate.samples * DISTINCT };
    case 'diagnosis': {
      const share = Math.min(1, DIAGNOSED / Math.max(1, prompts));
      const answers = share * prompts * config.sample.n;
      const trained = PASSES * (share * targets(lengths) + answers * answerLength(work, lengths));
      return { ...NOTHING, trained, embedded: share * prompts };
    }
  }
}

const targets = ({ promptTokens, targetTokens }: LabLengths): number => promptTokens + targetTokens;

/** Of a sampled answer: a policy that was fine-tuned answers about as long as the targets are. */
const answerLength = ({ config }: Work, { targetTokens, prompts }: LabLengths): number =>
  Math.min(config.sample.maxTokens, targetTokens / Math.max(1, prompts));

const answersAPrompt = ({ source, config }: AnswersWork): number =>
  ({ own: config.sample.n, rejected: 1, imported: IMPORTED })[source];

const answerTokens = (work: AnswersWork, lengths: LabLengths): number =>
  lengths.prompts * answersAPrompt(work) * answerLength(work, lengths);

function sftTokens(work: Extract<PolicyWork, { stage: 'sft' }>, plan: WorkPlan, lengths: LabLengths): number {
  if (work.as === undefined) return work.config.sft.epochs * targets(lengths);
  const rows = [{ promptIds: { length: lengths.promptTokens }, targetIds: { length: lengths.targetTokens } }];
  return equalEpochs(wayTo(work.as, plan, lengths), rows) * targets(lengths);
}

/** What compute.ts will count once it is done. */
function wayTo(policy: string, plan: WorkPlan, lengths: LabLengths): StepTokens[] {
  const work = plan.byKey.get(policy);
  if (work?.kind !== 'policy') return [];
  if (work.stage === 'sft') return [{ trained: sftTokens(work, plan, lengths), sampled: 0, scored: 0 }];
  const answers = plan.byKey.get(work.answers);
  const drawn = answers ? [amountOf(answers, plan, lengths)] : [];
  return [...wayTo(work.from, plan, lengths), ...drawn, dpoAmount(work, plan, lengths)];
}

function dpoAmount(work: DpoWork, plan: WorkPlan, lengths: LabLengths): StepTokens {
  const { epochs, negatives } = work.config.dpo;
  const answers = plan.byKey.get(work.answers);
  const length = answers ? answerLength(answers, lengths) : 0;
  const epoch = targets(lengths) + negatives * lengths.prompts * length;
  const share = Math.min(1, REWARDED / Math.max(1, lengths.prompts));
  return { trained: epochs * epoch, sampled: 0, scored: targets(lengths) + share * epoch };
}
