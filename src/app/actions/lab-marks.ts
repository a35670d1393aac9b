/** Answers that the user finds as good as the target: they are no negatives, in whatever arm they were sampled. */
import type { Mark } from '../../lab/types.ts';
import type { Suspect } from '../../lab/worker-api.ts';
import { callWorker } from '../client.ts';
import { lab, suspects } from '../lab/signals.ts';
import { problemOf } from '../problems.ts';
import { problem, working } from '../signals.ts';
import { changeLab } from './lab-list.ts';

/** Most similar answers that are shown. */
const SHOWN = 100;

export async function readSuspects(): Promise<void> {
  const { manifest } = lab.value;
  if (manifest === null || suspects.value !== null) return;
  try {
    const found = await callWorker((api) => api.suspects(manifest.id, SHOWN));
    if (lab.value.manifest?.id === manifest.id) suspects.value = found;
  } catch (error) {
    problem.value = problemOf('The kept answers could not be read', error, 'Nothing was changed.');
  }
}

export const markOf = ({ key, text }: Pick<Suspect, 'key' | 'text'>): Mark => ({ prompt: key, text });

/** Marks an answer, or takes its mark back; the arms that it concerns are computed again at the next start. */
export async function markSuspect(suspect: Suspect, on: boolean): Promise<void> {
  const { manifest } = lab.value;
  if (manifest === null || working.value) return;
  const mark = markOf(suspect);
  try {
    await changeLab(manifest.id, (now) => {
      const others = now.marks.filter(({ prompt, text }) => prompt !== mark.prompt || text !== mark.text);
      return { ...now, marks: on ? [...others, mark] : others };
    });
  } catch (error) {
    problem.value = problemOf('The mark could not be stored', error, 'Nothing was changed.');
  }
}
