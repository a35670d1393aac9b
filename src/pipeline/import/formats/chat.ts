/** Formats that are conversations. */
import { own } from '../record.ts';
import { readAnswer } from './answers.ts';
import { extras } from './columns.ts';
import { askedBy, readTurns, rowOfTurns, turnList, withSystem } from './conversation.ts';
import { COMMON, type Format, TARGETS } from './format.ts';
import { asList, asRecord, asText, firstKey, numberGrader } from './values.ts';

export const verl: Format = {
  name: 'verl',
  title: 'verl (chat prompt, ground truth)',
  columns: ['prompt', 'reward_model', 'extra_info'],
  note: 'A ground truth that is a number grades the answers.',
  matches: (record) =>
    turnList(record, 'prompt') !== null && firstKey(record, ['reward_model', 'extra_info']) !== undefined,
  read(record) {
    const asked = askedBy(readTurns(turnList(record, 'prompt') ?? []));
    const truth = own(asRecord(own(record, 'reward_model')) ?? {}, 'ground_truth');
    // The worked answer teaches more than its last number.
    const answer = own(asRecord(own(record, 'extra_info')) ?? {}, 'answer') ?? truth;
    const target = typeof answer === 'number' ? String(answer) : answer;
    return {
      ...asked,
      ...(target !== undefined && { target: asText(target, 'answer') }),
      ...numberGrader(truth),
    };
  },
};

export const messages: Format = {
  name: 'messages',
  title: 'chat messages (role, content)',
  columns: ['messages', 'conversation', 'prompt', ...TARGETS, ...COMMON],
  matches: (record) =>
    asList(own(record, 'messages')) !== null || turnList(record, 'conversation', 'prompt') !== null,
  read(record) {
    const whole = asList(own(record, 'messages')) ?? turnList(record, 'conversation');
    if (whole !== null) return { ...rowOfTurns(withSystem(record, readTurns(whole))), ...extras(record) };
    const asked = askedBy(withSystem(record, readTurns(turnList(record, 'prompt') ?? [])));
    const key = firstKey(record, TARGETS);
    const target = key === undefined ? {} : { target: readAnswer(own(record, key), key).text };
    return { ...asked, ...target, ...extras(record, target.target) };
  },
};

export const sharegpt: Format = {
  name: 'sharegpt',
  title: 'ShareGPT (conversations with from and value)',
  columns: ['conversations', ...COMMON],
  matches: (record) => asList(own(record, 'conversations')) !== null,
  read(record) {
    const turns = readTurns(asList(own(record, 'conversations')) ?? []);
    return { ...rowOfTurns(withSystem(record, turns)), ...extras(record) };
  },
};

export const ultrachat: Format = {
  name: 'ultrachat',
  title: 'UltraChat (data: texts of user and assistant in turn)',
  columns: ['data'],
  matches(record) {
    const list = asList(own(record, 'data'));
    return list !== null && list.length > 0 && list.every((text) => typeof text === 'string');
  },
  read: (record) =>
    rowOfTurns(
      (asList(own(record, 'data')) ?? []).map((text, i) => ({
        role: i % 2 === 0 ? 'user' : 'assistant',
        content: asText(text, `turn ${i + 1}`),
      })),
    ),
};
