/** Why Self-Contrast did or did not work, from the answers of one seed's SFT policy to its training prompts. */
import type { DiagnosisInput } from '../inputs.ts';
import type { Diagnosis } from '../types.ts';
import { diversity } from './diversity.ts';
import { falseNegatives } from './false-negatives.ts';
import { gradientStudy } from './gradient.ts';

export { signBefore, signPlateau, signsOf, signsOfLab } from './after.ts';
export { SIGN_TEXTS } from './signs.ts';
export { SignWatch } from './watch.ts';

/**
 * What can't be told from these data is left out. The same input gives the same diagnosis.
 *
 * @throws the signal's reason where it is aborted
 */
export async function diagnose(input: DiagnosisInput): Promise<Diagnosis> {
  const { signal, onProgress } = input;
  signal.throwIfAborted();
  onProgress(0, 1, 'false negatives');
  const wrong = falseNegatives(input);
  onProgress(0, 1, 'diversity');
  const variety = await diversity(input);
  const gradient = await gradientStudy(input);
  return {
    ...(wrong && { falseNegatives: wrong }),
    ...(variety && { diversity: variety }),
    ...(gradient && { gradient }),
  };
}
