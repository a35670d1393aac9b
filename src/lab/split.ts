/** Which held-out prompts a lab works with, and which it keeps for one last look. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { DataError } from '../pipeline/dataset.ts';
import { isFinal, promptKey } from '../pipeline/prepare.ts';
import type { DataRow } from '../pipeline/types.ts';
import type { LabManifest } from './types.ts';

export interface HeldOutSplit<T> {
  readonly working: readonly T[];
  readonly final: readonly T[];
}

/**
 * The two parts of the held-out rows, each in its order. Where the data set brings a final split of its own (rows with
 * `split: 'final'`), that is it. Else `finalShare` of the different prompts is set aside, chosen by a hash of the prompt
 * alone: the same prompts whatever the seed, the order of the rows or the plan, and a prompt that is there twice stays
 * on one side.
 *
 * @throws DataError where nothing would be left to work with
 */
export function splitHeldOut<T extends DataRow>(
  heldOut: readonly T[],
  { finalShare }: Pick<LabManifest, 'finalShare'>,
): HeldOutSplit<T> {
  const parts = heldOut.some(isFinal) ? byMark(heldOut) : byHash(heldOut, finalShare);
  if (heldOut.length > 0 && parts.working.length === 0) {
    throw new DataError(
      'all held-out prompts are kept for the last look, which leaves none to compare the arms on; hold out more (data.heldOut), or keep a smaller share',
    );
  }
  return parts;
}

function byMark<T extends DataRow>(heldOut: readonly T[]): HeldOutSplit<T> {
  // Both sides may hold the same prompt: it has been looked at, so it is no longer fit for the last look.
  const working = heldOut.filter((row) => !isFinal(row));
  const seen = new Set(working.map(promptKey));
  return { working, final: heldOut.filter((row) => isFinal(row) && !seen.has(promptKey(row))) };
}

function byHash<T extends DataRow>(heldOut: readonly T[], share: number): HeldOutSplit<T> {
  const ranked = [...new Set(heldOut.map(promptKey))]
    .map((key) => ({ key, rank: bytesToHex(sha256(utf8ToBytes(key))) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const final = new Set(ranked.slice(0, Math.round(share * ranked.length)).map(({ key }) => key));
  return {
    working: heldOut.filter((row) => !final.has(promptKey(row))),
    final: heldOut.filter((row) => final.has(promptKey(row))),
  };
}
