/** Bytes that a lab's pieces store, as records take them: see test/unit/lab-estimate.test.ts for what was measured. */
import type { ModelConfig } from '../model/config.ts';
import { unitSize, units } from '../model/parameters.ts';
import { totalSteps } from '../pipeline/train.ts';
import { type Amount, amountOf, type LabLengths } from './amounts.ts';
import type { Work, WorkPlan } from './work.ts';

/** A token's id in a record, and its text. */
const TOKEN = 3;
const TEXT = 4;
/** Names and numbers of a record beside its tokens. */
const RESPONSE = 110;
const EVALUATED = 80;
const METRIC = 350;
const PAIR = 35;
const REFERENCE = 40;
const SCORE = 12;
/** A floating-point number in a list. */
const FLOAT = 9;

/** @param model whose adapters are stored */
export function bytesOf(work: Work, plan: WorkPlan, lengths: LabLengths, model: ModelConfig): number {
  const { config } = work;
  const { prompts, promptTokens, targetTokens, heldOut, heldOutTokens } = lengths;
  const amount: Amount = amountOf(work, plan, lengths);
  switch (work.kind) {
    case 'data':
      return (promptTokens + targetTokens + heldOutTokens) * (TOKEN + TEXT);
    case 'policy': {
      const floats = units(model, { kind: 'lora', lora: config.lora }).reduce(
        (sum, unit) => sum + unitSize(unit),
        0,
      );
      const settings = work.stage === 'dpo' ? config.dpo : config.sft;
      // Parameters and two moments.
      const checkpoint = 3 * 4 * floats + totalSteps(prompts, settings) * METRIC;
      if (work.stage === 'sft') return checkpoint;
      return checkpoint + prompts * (REFERENCE + config.dpo.negatives * PAIR);
    }
    case 'answers': {
      const tokens = work.source === 'own' ? amount.sampled : amount.scored - promptTokens;
      const answers = work.source === 'own' ? prompts * config.sample.n : prompts;
      return tokens * (TOKEN + TEXT) + answers * RESPONSE;
    }
    case 'evaluation':
      return amount.sampled * TEXT + heldOut * config.evaluate.samples * EVALUATED + heldOutTokens * FLOAT;
    case 'reward':
      return heldOut * (config.evaluate.samples + 1) * SCORE;
    case 'diagnosis':
      return 50_000;
  }
}
