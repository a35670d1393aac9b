/** Which held-out prompts are looked at while working, and which are kept for one last look. */
import { shuffle, stream } from '../model/random.ts';
import { promptKey } from '../pipeline/prepare.ts';
import type { PreparedData, TokenizedPrompt } from '../pipeline/types.ts';
import type { LabManifest, Split } from './types.ts';

/**
 * Chosen by prompt, with the lab's seed: rows with the same prompt are on the same side. A share that rounds to no
 * prompt still sets one aside where two are there.
 */
export function heldOutOf(
  { heldOut }: Pick<PreparedData, 'heldOut'>,
  { finalShare, config }: Pick<LabManifest, 'finalShare' | 'config'>,
  split: Split,
): readonly TokenizedPrompt[] {
  if (finalShare <= 0) return split === 'final' ? [] : heldOut;
  const prompts = [...new Set(heldOut.map(promptKey))];
  const count = Math.min(Math.max(1, Math.round(finalShare * prompts.length)), prompts.length - 1);
  const last = new Set(shuffle(prompts, stream(config.seed, 'final')).slice(0, Math.max(0, count)));
  return heldOut.filter((row) => last.has(promptKey(row)) === (split === 'final'));
}
