/** Conversations: lists of turns, whatever their fields and roles are called, to a row. */
import type { ChatMessage } from '../../../engine/types.ts';
import type { DataRow } from '../../types.ts';
import { isRecord, type JsonRecord, own, show } from '../record.ts';
import { asList, asText, Refused } from './values.ts';

const ROLES: ReadonlyMap<string, ChatMessage['role']> = new Map([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['human', 'user'],
  ['prompter', 'user'],
  ['assistant', 'assistant'],
  ['gpt', 'assistant'],
  ['chatgpt', 'assistant'],
  ['bing', 'assistant'],
  ['bard', 'assistant'],
  ['bot', 'assistant'],
  ['model', 'assistant'],
]);

/** Whether a value looks like one turn of a conversation. */
export function isTurn(value: unknown): value is JsonRecord {
  return isRecord(value) && (own(value, 'role') ?? own(value, 'from')) !== undefined;
}

/** The first of the columns that is a list of turns, or null. */
export function turnList(record: JsonRecord, ...keys: readonly string[]): readonly JsonRecord[] | null {
  for (const key of keys) {
    const list = asList(own(record, key));
    if (list !== null && list.length > 0 && list.every(isTurn)) return list;
  }
  return null;
}

export function readTurns(list: readonly unknown[]): ChatMessage[] {
  return list.map((value, i) => readTurn(value, `turn ${i + 1}`));
}

/** @param where how a message calls the turn */
export function readTurn(value: unknown, where: string): ChatMessage {
  if (!isRecord(value))
    throw new Refused(`${where}: expected an object with role and content, found ${show(value)}`);
  const called = own(value, 'role') ?? own(value, 'from');
  const role = typeof called === 'string' ? ROLES.get(called.toLowerCase()) : undefined;
  if (role === undefined) {
    throw new Refused(
      `${where}: the role ${show(called)} is not known; known are system, user and assistant`,
    );
  }
  const calls = own(value, 'tool_calls');
  if (Array.isArray(calls) && calls.length > 0) {
    throw new Refused(`${where} calls a tool, which can't be trained on here; leave the row out`);
  }
  const content = own(value, 'content') ?? own(value, 'value') ?? own(value, 'text');
  // An empty system message says nothing; an empty question or answer is a fault.
  if (role === 'system' && content === '') return { role, content: '' };
  return { role, content: asText(content, `${where} (${role})`) };
}

/** What comes before an answer, as a row keeps it. */
export type Asked = Pick<DataRow, 'prompt' | 'history'>;

/** Turns that end with the user's. */
export function askedBy(turns: readonly ChatMessage[]): Asked {
  const said = turns.filter(({ role, content }) => role !== 'system' || content.trim() !== '');
  const last = said.at(-1);
  if (last?.role !== 'user') {
    throw new Refused(
      last === undefined || last.role === 'system'
        ? 'there is no user turn, so nothing is asked'
        : 'the answer does not follow a user turn',
    );
  }
  const empty = said.findIndex(({ content }) => content.trim() === '');
  if (empty >= 0) throw new Refused(`turn ${empty + 1} (${said[empty]?.role}) is empty`);
  const history = said.slice(0, -1);
  return { prompt: last.content, ...(history.length > 0 && { history }) };
}

/**
 * A whole conversation: its last assistant turn is the target, all before it is asked, anything after it is left
 * out. Without an assistant turn it only asks.
 */
export function rowOfTurns(turns: readonly ChatMessage[]): DataRow {
  const at = turns.findLastIndex(({ role }) => role === 'assistant');
  if (at < 0) return askedBy(turns);
  return { ...askedBy(turns.slice(0, at)), target: turns[at]?.content ?? '' };
}

/** The system message that a column of its own gives, unless the turns bring one. */
export function withSystem(record: JsonRecord, turns: readonly ChatMessage[]): readonly ChatMessage[] {
  const system = own(record, 'system') ?? own(record, 'system_prompt');
  if (typeof system !== 'string' || system.trim() === '' || turns[0]?.role === 'system') return turns;
  return [{ role: 'system', content: system }, ...turns];
}

/** Dialogues written as one text with `\n\nHuman:` and `\n\nAssistant:`, as in HH-RLHF. */
export function isDialogue(value: unknown): value is string {
  return typeof value === 'string' && /^\s*Human:/.test(value);
}

export function readDialogue(text: string): ChatMessage[] {
  const parts = text.trimStart().split(/(?:^|\n\n)(Human|Assistant):/);
  const turns: ChatMessage[] = [];
  for (let i = 1; i < parts.length; i += 2) {
    turns.push({ role: parts[i] === 'Human' ? 'user' : 'assistant', content: (parts[i + 1] ?? '').trim() });
  }
  return turns;
}
