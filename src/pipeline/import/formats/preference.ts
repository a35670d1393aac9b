/** Formats that bring worse answers beside the good one. */
import { isRecord, type JsonRecord, own } from '../record.ts';
import { implicitPrompt, preferenceRow, readAnswer, readAnswers } from './answers.ts';
import { instructed, pastTurns } from './columns.ts';
import {
  type Asked,
  askedBy,
  isDialogue,
  readDialogue,
  readTurns,
  turnList,
  withSystem,
} from './conversation.ts';
import { COMMON, type Format, INPUTS, PROMPTS, TARGETS } from './format.ts';
import { asList, asText, firstKey, ownGrader, Refused, rejectedTexts } from './values.ts';

export const preferenceMessages: Format = {
  name: 'preference-messages',
  title: 'preference messages (chosen_messages, rejected_messages)',
  columns: ['chosen_messages', 'rejected_messages'],
  matches: (record) => firstKey(record, ['chosen_messages']) !== undefined,
  read: (record) =>
    preferenceRow(
      () => null,
      readAnswer(own(record, 'chosen_messages'), 'chosen_messages'),
      readAnswers(own(record, 'rejected_messages'), 'rejected_messages'),
    ),
};

export const hhRlhf: Format = {
  name: 'hh-rlhf',
  title: 'HH-RLHF (chosen and rejected dialogues)',
  columns: ['chosen', 'rejected'],
  matches: (record) => isDialogue(own(record, 'chosen')) && isDialogue(own(record, 'rejected')),
  read(record) {
    const [chosen, rejected] = ['chosen', 'rejected'].map((key) => {
      const turns = readDialogue(asText(own(record, key), key));
      const last = turns.at(-1);
      return { before: turns.slice(0, -1), text: last?.content ?? '', role: last?.role };
    });
    if (chosen?.role !== 'assistant' || rejected?.role !== 'assistant') {
      throw new Refused('the dialogue does not end with an answer');
    }
    if (chosen.text === '') throw new Refused('chosen: the last answer is empty');
    return preferenceRow(() => null, chosen, [rejected]);
  },
};

export const preference: Format = {
  name: 'preference',
  title: 'preferences (prompt, chosen, rejected)',
  columns: ['chosen', 'rejected', 'conversations', 'instruction', ...PROMPTS, ...INPUTS, ...COMMON],
  matches: (record) => own(record, 'chosen') !== undefined,
  read(record) {
    const [good, bad] = [own(record, 'chosen'), own(record, 'rejected')];
    if (typeof good === 'string' && typeof bad === 'string' && !asks(record)) {
      return implicitPrompt(asText(good, 'chosen'), asText(bad, 'rejected'));
    }
    const row = preferenceRow(
      () => askedIn(record),
      readAnswer(good, 'chosen'),
      readAnswers(bad, 'rejected'),
    );
    return { ...row, ...ownGrader(record) };
  },
};

/** Columns that can ask, the usual ones first. */
const ASKS = [...PROMPTS, 'instruction', 'input'];

/** Whether a column says what the answers answer. */
function asks(record: JsonRecord): boolean {
  return firstKey(record, ['conversations', ...ASKS]) !== undefined;
}

/** What a preference row's own columns ask; null where they ask nothing. */
function askedIn(record: JsonRecord): Asked | null {
  const turns = turnList(record, 'conversations', 'prompt');
  if (turns !== null) return askedBy(withSystem(record, readTurns(turns)));
  const key = firstKey(record, ASKS);
  if (key === undefined) return null;
  const prompt = instructed(record, key);
  return askedBy(withSystem(record, [...pastTurns(record), { role: 'user', content: prompt }]));
}

export const nectar: Format = {
  name: 'nectar',
  title: 'Nectar (prompt, answers with ranks)',
  columns: ['prompt', 'answers'],
  note: 'The answer ranked first is the target, the others are the rejected ones.',
  matches(record) {
    const first = asList(own(record, 'answers'))?.[0];
    return own(record, 'prompt') !== undefined && isRecord(first) && own(first, 'rank') !== undefined;
  },
  read(record) {
    const prompt = asText(own(record, 'prompt'), 'prompt');
    const turns = isDialogue(prompt) ? readDialogue(prompt) : [{ role: 'user', content: prompt } as const];
    // Its prompts end with the mark of the answer to come.
    if (turns.at(-1)?.role === 'assistant' && turns.at(-1)?.content === '') turns.pop();
    const answers = (asList(own(record, 'answers')) ?? []).map((value, i) => {
      const rank = isRecord(value) ? Number(own(value, 'rank')) : Number.NaN;
      if (!isRecord(value) || !Number.isFinite(rank)) throw new Refused(`answer ${i + 1} has no rank`);
      return { rank, text: asText(own(value, 'answer'), `answer ${i + 1}`) };
    });
    const [best, ...rest] = answers.sort((a, b) => a.rank - b.rank).map(({ text }) => text);
    if (best === undefined) throw new Refused('answers: the list is empty');
    return { ...askedBy(turns), target: best, ...rejectedTexts(rest, best) };
  },
};

/** Lists of a model's answers, and the one answer of a row of responses.jsonl or responses.parquet. */
const ANSWERS = ['answers', 'responses'];

export const modelAnswers: Format = {
  name: 'answers',
  title: 'answers of models (prompt, answers)',
  columns: ['prompt', 'conversations', ...ANSWERS, 'text', 'prompt_index', ...INPUTS, ...COMMON],
  note: 'The answers count as rejected ones: the lab compares a model’s own with them.',
  matches(record) {
    if (own(record, 'prompt') === undefined || firstKey(record, [...TARGETS, 'chosen']) !== undefined)
      return false;
    return answersIn(record) !== null;
  },
  read(record) {
    const asked = askedIn(record);
    const answers = answersIn(record);
    if (asked === null || answers === null) throw new Refused('no prompt, or no answers');
    const { name, value } = answers;
    const texts = readAnswers(value, name).map(({ text }) => text);
    const rejected = rejectedTexts(texts, '');
    if (rejected.rejected === undefined) throw new Refused(`${name}: there is no answer`);
    return { ...asked, ...rejected, ...ownGrader(record) };
  },
};

/** A list of texts or messages, or the text of one of a run's sampled answers; null where there is neither. */
function answersIn(record: JsonRecord): { name: string; value: unknown } | null {
  for (const name of ANSWERS) {
    const value = asList(own(record, name));
    if (value !== null) return { name, value };
  }
  const text = own(record, 'text');
  const isSampled = typeof text === 'string' && own(record, 'prompt_index') !== undefined;
  return isSampled ? { name: 'text', value: text } : null;
}
