/** Answers that may be false negatives, for the user to look at: those of the pool that are most like their target. */
import { poolOf } from '../pipeline/filter.ts';
import { grade } from '../pipeline/grade.ts';
import { promptKey } from '../pipeline/prepare.ts';
import { responseSlices } from '../pipeline/slices.ts';
import type { PromptResponses, TokenizedRow } from '../pipeline/types.ts';
import type { LabStore, Mark } from './types.ts';
import { type AnswersWork, planWork } from './work.ts';
import type { Suspect } from './worker-api.ts';

/** Prompts whose answers are in memory at once. */
const SLICE = 64;

/**
 * Of the lab's own answers with its first seed, under the lab's own filter. Marks do not take an answer off the list:
 * a mark can be taken back.
 *
 * @param fingerprint of the data set's rows
 * @param count of suspects at most; fewer where there are not so many, none before the answers are compared
 */
export async function suspectsOf(store: LabStore, fingerprint: string, count: number): Promise<Suspect[]> {
  const manifest = await store.manifest();
  const work = planWork(manifest, fingerprint).works.find(isOwnAnswers);
  if (work === undefined || manifest.pieces[work.key]?.state !== 'done') return [];
  const prepared = await store.piece(work.data).prepared();
  const marked = new Set(manifest.marks.map(markKey));
  let suspects: Suspect[] = [];
  for await (const slice of responseSlices(store.piece(work.key), SLICE)) {
    for (const record of slice) {
      const row = prepared?.train[record.index];
      if (row === undefined) continue;
      const kept = poolOf(record.responses, manifest.config.filter);
      suspects.push(...ofPrompt(record, row, kept, marked));
    }
    suspects = suspects.sort((a, b) => b.similarity - a.similarity).slice(0, count);
  }
  return suspects;
}

const isOwnAnswers = (work: { kind: string }): work is AnswersWork =>
  work.kind === 'answers' && 'source' in work && work.source === 'own' && 'round' in work && work.round === 0;

/** Each text once. */
function ofPrompt(
  { responses }: PromptResponses,
  row: TokenizedRow,
  kept: readonly boolean[],
  marked: ReadonlySet<string>,
): Suspect[] {
  const { prompt, target, grader } = row;
  const key = promptKey(row);
  const texts = new Set<string>();
  return responses.flatMap(({ text, similarity }, i): Suspect[] => {
    if (!kept[i] || similarity === undefined || texts.has(text)) return [];
    texts.add(text);
    return [
      {
        ...{ key, prompt, target, text, similarity },
        ...(grader && { correct: grade(grader, text) }),
        marked: marked.has(markKey({ prompt: key, text })),
      },
    ];
  });
}

const markKey = ({ prompt, text }: Mark): string => JSON.stringify([prompt, text]);
