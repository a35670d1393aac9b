/** What formats with named columns share: prompt, target, and what may come beside them. */
import type { DataRow } from '../../types.ts';
import { type JsonRecord, own, show } from '../record.ts';
import { readAnswer, readAnswers } from './answers.ts';
import { askedBy, readTurn, withSystem } from './conversation.ts';
import { INPUTS, TARGETS } from './format.ts';
import { asList, asText, firstKey, ownGrader, Refused, rejectedTexts } from './values.ts';

/** What is asked in column `ask`, and the input or context that stands beside it, as one prompt. */
export function instructed(record: JsonRecord, ask = 'instruction'): string {
  const instruction = asText(own(record, ask), ask);
  const key = firstKey(
    record,
    INPUTS.filter((name) => name !== ask),
  );
  const input = key === undefined ? '' : own(record, key);
  if (typeof input !== 'string') throw new Refused(`${key}: expected text, found ${show(input)}`);
  return input.trim() === '' ? instruction : `${instruction}\n\n${input}`;
}

export function targetIn(record: JsonRecord): { target?: string } {
  const key = firstKey(record, TARGETS);
  return key === undefined ? {} : { target: readAnswer(own(record, key), key).text };
}

/** A row of plain columns, with the earlier turns and worse answers that it may bring. */
export function plainRow(record: JsonRecord, prompt: string, target: { target?: string }): DataRow {
  const turns = withSystem(record, [...pastTurns(record), { role: 'user', content: prompt }]);
  return { ...askedBy(turns), ...target, ...extras(record, target.target) };
}

/** Earlier turns: messages, or pairs of question and answer as in LLaMA-Factory's Alpaca files. */
export function pastTurns(record: JsonRecord) {
  const list = asList(own(record, 'history')) ?? [];
  return list.flatMap((item, i) => {
    const where = `history ${i + 1}`;
    if (!Array.isArray(item)) return [readTurn(item, where)];
    return [
      { role: 'user', content: asText(item[0], where) } as const,
      { role: 'assistant', content: asText(item[1], where) } as const,
    ];
  });
}

/** Grader and rejected answers beside the usual columns. */
export function extras(record: JsonRecord, target = ''): Pick<DataRow, 'grader' | 'rejected'> {
  const texts = readAnswers(own(record, 'rejected'), 'rejected').map(({ text }) => text);
  return { ...rejectedTexts(texts, target), ...ownGrader(record) };
}
