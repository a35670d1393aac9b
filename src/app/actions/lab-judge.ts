/** Two arms against each other: judged here without knowing which is which, or elsewhere by a file. */
import { type Blind, chooseBlind, undoBlind } from '../../lab/judges/blind.ts';
import { questionsFile } from '../../lab/judges/comparisons.ts';
import type { Choice } from '../../lab/types.ts';
import type { ReadVerdicts } from '../../lab/worker-api.ts';
import { slugOf } from '../../pipeline/slug.ts';
import { callWorker } from '../client.ts';
import { duelling, lab } from '../lab/signals.ts';
import { problemOf } from '../problems.ts';
import { problem } from '../signals.ts';
import { save } from './download.ts';
import { labStore } from './lab-list.ts';
import { refreshSoon } from './lab-report.ts';
import { askFiles } from './pick.ts';

/** Reads what can be asked of two arms, and what was said of it. */
export async function openDuel(armA: string, armB: string): Promise<void> {
  const { manifest } = lab.value;
  if (manifest === null || armA === armB) return;
  duelling.value = null;
  try {
    const asked = await callWorker((api) => api.comparisons(manifest.id, armA, armB));
    const verdicts = await (await labStore(manifest.id)).verdicts();
    duelling.value = { lab: manifest.id, armA, armB, asked, verdicts };
  } catch (error) {
    problem.value = problemOf('The answers could not be read', error, 'Nothing was changed.');
  }
}

/** A choice, stored before the next question counts. @returns how it goes on; the same where it could not be stored */
export async function choose(blind: Blind, choice: Choice): Promise<Blind> {
  const now = duelling.value;
  const { blind: next, verdict } = chooseBlind(blind, choice, Date.now());
  if (now === null || verdict === null) return blind;
  try {
    await (await labStore(now.lab)).saveVerdicts([verdict]);
    duelling.value = { ...now, verdicts: [...now.verdicts, verdict] };
    return next;
  } catch (error) {
    problem.value = problemOf('The choice could not be stored', error, 'Those before it are stored.');
    return blind;
  }
}

/** Asks the last question again. */
export async function undo(blind: Blind): Promise<Blind> {
  const now = duelling.value;
  const { blind: next, verdict } = undoBlind(blind);
  if (now === null || verdict === null) return blind;
  try {
    await (await labStore(now.lab)).deleteVerdicts([verdict]);
    const others = now.verdicts.filter(({ id, judge }) => id !== verdict.id || judge !== verdict.judge);
    duelling.value = { ...now, verdicts: others };
    return next;
  } catch (error) {
    problem.value = problemOf('The choice could not be taken back', error, 'It is still stored.');
    return blind;
  }
}

/** The verdicts are in the report from its next reading on. */
export const endDuel = (): void => refreshSoon();

/** Questions for a judge elsewhere, who sees no name of an arm. */
export function downloadQuestions(): void {
  const now = duelling.value;
  const { manifest } = lab.value;
  if (now === null || manifest === null) return;
  const name = `${slugOf(manifest.name)}-questions-${now.armA}-${now.armB}.jsonl`;
  save(name, [questionsFile(now.asked.comparisons)], 'application/x-ndjson');
}

/** Asks for a file of verdicts, and stores what is right in it; null where there was none, or none could be read. */
export async function importVerdicts(): Promise<(ReadVerdicts & { readonly name: string }) | null> {
  const { manifest } = lab.value;
  const [file] = await askFiles({ accept: '.jsonl,.ndjson,.json,.csv,.tsv,.txt' });
  if (manifest === null || file === undefined) return null;
  try {
    const text = await file.text();
    const read = await callWorker((api) => api.importVerdicts(manifest.id, text, file.name));
    const now = duelling.value;
    if (now !== null) duelling.value = { ...now, verdicts: await (await labStore(manifest.id)).verdicts() };
    refreshSoon();
    return { ...read, name: file.name };
  } catch (error) {
    problem.value = problemOf(`${file.name} could not be read`, error, 'No verdict was stored.');
    return null;
  }
}
