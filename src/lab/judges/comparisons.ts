/**
 * Questions for judges who see answers only: people on the page, other models by file. A judge must not be able to tell
 * which arm wrote which answer, so ids are hashes, and which answer comes first is a bit of the same hash.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { shuffle, stream } from '../../model/random.ts';
import { promptKey } from '../../pipeline/prepare.ts';
import type { PromptRow } from '../../pipeline/types.ts';
import type { ArmAnswers, Comparison, ComparisonKey } from '../types.ts';
import type { Asked } from '../worker-api.ts';

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
const encoder = new TextEncoder();

/** Bytes of the hash that make an id: by chance no two of any lab's comparisons share them. */
const ID_BYTES = 12;

/**
 * What two arms answered to the same prompt with the same seed and sample, as questions in random order.
 *
 * Answers that are the same text are no question: they have a key that says so, and count as ties. An id stands for the
 * arms, the prompt and both texts: a verdict never passes on to answers that were sampled anew, arms that gave the same
 * two answers several times are asked about once (with a key each time), and they may be named in any order.
 *
 * @param heldOut the prompts that the records of `answers` refer to by index
 * @param seed of the order of the questions
 */
export function askComparisons(
  answers: readonly ArmAnswers[],
  heldOut: readonly PromptRow[],
  armA: string,
  armB: string,
  seed: number,
): Asked {
  const asked = new Map<string, Comparison>();
  const keys: ComparisonKey[] = [];
  for (const { comparison, key } of pairs(answers, heldOut, armA, armB)) {
    if (!key.same) asked.set(key.id, comparison);
    keys.push(key);
  }
  return { comparisons: shuffle([...asked.values()], stream(seed, 'comparisons')), keys };
}

/** Keys of every two arms that there are answers of: what stored verdicts may be about. */
export function allKeys(answers: readonly ArmAnswers[], heldOut: readonly PromptRow[]): ComparisonKey[] {
  const arms = [...new Set(answers.map(({ arm }) => arm))];
  return arms.flatMap((armA, i) =>
    arms.slice(i + 1).flatMap((armB) => pairs(answers, heldOut, armA, armB).map(({ key }) => key)),
  );
}

/** JSON Lines for a judge elsewhere: `{id, prompt, a, b}` a line. */
export const questionsFile = (comparisons: readonly Comparison[]): string =>
  comparisons.map(({ id, prompt, a, b }) => `${JSON.stringify({ id, prompt, a, b })}\n`).join('');

interface Pair {
  readonly comparison: Comparison;
  readonly key: ComparisonKey;
}

function pairs(
  answers: readonly ArmAnswers[],
  heldOut: readonly PromptRow[],
  armA: string,
  armB: string,
): Pair[] {
  const [first = armA, second = armB] = [armA, armB].sort();
  if (first === second) return [];
  return answers
    .filter(({ arm }) => arm === first)
    .flatMap(({ seed, records }) => {
      const other = answers.find((run) => run.arm === second && run.seed === seed);
      const theirs = new Map(other?.records.map((record) => [record.index, record.answers]));
      return records.flatMap(({ index, answers: ours }) => {
        const row = heldOut[index];
        if (row === undefined) return [];
        return ours.flatMap(({ text }, sample) => {
          const against = theirs.get(index)?.[sample];
          const place = { seed, index, sample };
          return against ? [pair(row, [first, text], [second, against.text], place)] : [];
        });
      });
    });
}

type ArmText = readonly [arm: string, text: string];

function pair(
  row: PromptRow,
  ours: ArmText,
  theirs: ArmText,
  place: Pick<ComparisonKey, 'seed' | 'index' | 'sample'>,
): Pair {
  const hash = sha256(encoder.encode(JSON.stringify([promptKey(row), ours, theirs])));
  const id = bytesToHex(hash.subarray(0, ID_BYTES));
  // A bit behind those of the id, which a judge could else learn to read.
  const [[armA, a], [armB, b]] = (hash[ID_BYTES] ?? 0) & 1 ? [theirs, ours] : [ours, theirs];
  return {
    comparison: { id, prompt: promptText(row), a, b },
    key: { id, armA, armB, ...place, ...(a === b && { same: true }) },
  };
}

/** The prompt alone, or with the turns before it, each with who speaks. */
function promptText({ prompt, history = [] }: PromptRow): string {
  if (history.length === 0) return prompt;
  return [...history, { role: 'user', content: prompt }]
    .map(({ role, content }) => `${role}: ${content}`)
    .join('\n\n');
}
