/** Chosen and rejected answers in all the ways data sets write them. */
import type { ChatMessage } from '../../../engine/types.ts';
import type { DataRow } from '../../types.ts';
import { type Asked, askedBy, isTurn, readTurn, readTurns } from './conversation.ts';
import { asList, asText, Refused, rejectedTexts } from './values.ts';

/** An answer, and the turns before it where it comes with them. */
interface Answer {
  readonly before: readonly ChatMessage[];
  readonly text: string;
}

/** A text, a message, or a conversation that ends with the answer. */
export function readAnswer(value: unknown, name: string): Answer {
  const list = asList(value);
  const turns = list?.every(isTurn) && list.length > 0 ? readTurns(list) : null;
  if (turns !== null) return answerOf(turns, name);
  if (isTurn(value)) return answerOf([readTurn(value, name)], name);
  return { before: [], text: asText(value, name) };
}

export function answerOf(turns: readonly ChatMessage[], name: string): Answer {
  const last = turns.at(-1);
  if (last?.role !== 'assistant') throw new Refused(`${name}: the conversation does not end with an answer`);
  if (last.content.trim() === '') throw new Refused(`${name}: the answer is empty`);
  return { before: turns.slice(0, -1), text: last.content };
}

/** One answer or a list of them; blank texts are none. */
export function readAnswers(value: unknown, name: string): Answer[] {
  const isBlank = (text: unknown) =>
    text === undefined || text === null || (typeof text === 'string' && text.trim() === '');
  if (isBlank(value)) return [];
  // Only a real list is several answers: a text that begins with a bracket may be one answer, in JSON.
  if (Array.isArray(value) && !(value.length > 0 && value.every(isTurn))) {
    return value.flatMap((item, i) => (isBlank(item) ? [] : [readAnswer(item, `${name} ${i + 1}`)]));
  }
  return [readAnswer(value, name)];
}

/**
 * A row of a chosen and its rejected answers.
 *
 * @param asked what they answer, where a column of its own says so; looked at only where the answers do not
 *   bring their own conversation
 */
export function preferenceRow(
  asked: () => Asked | null,
  chosen: Answer,
  rejected: readonly Answer[],
): DataRow {
  for (const { before } of rejected) {
    if (JSON.stringify(before) !== JSON.stringify(chosen.before)) {
      throw new Refused('chosen and rejected differ before their last answer, so they are not a pair');
    }
  }
  const own = chosen.before.some(({ role }) => role === 'user') ? askedBy(chosen.before) : asked();
  if (own === null) throw new Refused('no prompt: nothing comes before the chosen answer');
  const texts = rejected.map(({ text }) => text);
  return { ...own, target: chosen.text, ...rejectedTexts(texts, chosen.text) };
}

/** Chosen and rejected texts that begin with the same words: those are the prompt (TRL's implicit prompt). */
export function implicitPrompt(chosen: string, rejected: string): DataRow {
  let same = 0;
  while (same < Math.min(chosen.length, rejected.length) && chosen[same] === rejected[same]) same++;
  // Back to the end of a word: the answers may begin with the same letters.
  while (same > 0 && !/\s/.test(chosen[same] ?? ' ')) same--;
  const prompt = chosen.slice(0, same).trim();
  if (prompt === '') {
    throw new Refused(
      'no prompt, and chosen and rejected do not begin with the same words; add a prompt column',
    );
  }
  const [target, worse] = [chosen, rejected].map((text) => text.slice(same).trim());
  if (!target) throw new Refused('chosen: nothing follows what it has in common with rejected');
  return { prompt, target, ...rejectedTexts([worse ?? ''], target) };
}
