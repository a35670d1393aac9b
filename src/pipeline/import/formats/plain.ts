/** Formats with a column for the prompt and one for the answer, or for the prompt alone. */
import { isRecord, type JsonRecord, own, show } from '../record.ts';
import { instructed, plainRow, targetIn } from './columns.ts';
import { COMMON, type Format, INPUTS, PROMPTS, TARGETS } from './format.ts';
import { asList, asText, firstKey, numberGrader, Refused } from './values.ts';

export const selfInstruct: Format = {
  name: 'self-instruct',
  title: 'Self-Instruct (instruction, instances)',
  columns: ['instruction', 'instances'],
  note: 'Each instance is a row: the instruction, a blank line, and its input; its output is the target.',
  matches: (record) => own(record, 'instruction') !== undefined && asList(own(record, 'instances')) !== null,
  read(record) {
    const instances = asList(own(record, 'instances')) ?? [];
    if (instances.length === 0) throw new Refused('instances: the list is empty');
    return instances.map((instance) => {
      if (!isRecord(instance)) throw new Refused(`instances: expected objects, found ${show(instance)}`);
      const { instruction } = record;
      return { prompt: instructed({ ...instance, instruction }), ...targetIn(instance) };
    });
  },
};

export const mtBench: Format = {
  name: 'mt-bench',
  title: 'MT-Bench questions (turns)',
  columns: ['turns'],
  note: 'Only the first turn of each question is asked: the later ones build on an answer to it.',
  matches(record) {
    const turns = asList(own(record, 'turns'));
    return turns !== null && typeof turns[0] === 'string';
  },
  read: (record) => ({ prompt: asText(asList(own(record, 'turns'))?.[0], 'turn 1') }),
};

export const alpaca: Format = {
  name: 'alpaca',
  title: 'Alpaca (instruction, input, output)',
  columns: ['instruction', ...INPUTS, ...TARGETS, ...COMMON],
  note: 'The prompt is the instruction, then a blank line and the input where there is one.',
  matches: (record) => own(record, 'instruction') !== undefined,
  read: (record) => plainRow(record, instructed(record), targetIn(record)),
};

export const gsm8k: Format = {
  name: 'gsm8k',
  title: 'GSM8K (question, answer ending in ####)',
  columns: ['question', 'answer'],
  note: 'The number after #### grades the answers.',
  matches(record) {
    const answer = own(record, 'answer');
    return (
      typeof own(record, 'question') === 'string' &&
      typeof answer === 'string' &&
      finalNumber(answer) !== null
    );
  },
  read(record) {
    const target = asText(own(record, 'answer'), 'answer');
    return {
      prompt: asText(own(record, 'question'), 'question'),
      target,
      ...numberGrader(finalNumber(target)),
    };
  },
};

/** The number after the last `####`, or null. */
function finalNumber(answer: string): string | null {
  return /####\s*([-+]?\d[\d,]*(?:\.\d+)?)\s*$/.exec(answer)?.[1] ?? null;
}

export const promptTarget: Format = {
  name: 'prompt-target',
  title: 'prompt and answer',
  columns: [...PROMPTS, ...INPUTS, ...TARGETS, ...COMMON],
  matches: (record) => promptKey(record) !== undefined,
  read(record) {
    const key = promptKey(record);
    if (key === undefined) throw new Refused(`no prompt (also accepted: ${PROMPTS.slice(1).join(', ')})`);
    return plainRow(record, instructed(record, key), targetIn(record));
  },
};

/** `input` is a prompt only beside an `output`: alone it could be anything. */
function promptKey(record: JsonRecord): string | undefined {
  return firstKey(record, own(record, 'output') === undefined ? PROMPTS : [...PROMPTS, 'input']);
}
