/** A conversation and its answer in a reward model's tokens, never longer than the model is. */
import type { ChatTemplate } from '../model/chat.ts';
import { InputError } from '../model/text.ts';
import type { ChatMessage } from './types.ts';

export interface RewardInput {
  readonly ids: readonly number[];
  /** 0 for the prompt's tokens, 1 for the answer's; as the tokenizer has it. */
  readonly types: readonly number[];
}

/** What of a tokenizer is used. */
export interface PairEncoder {
  /** Tokens of a text, or of two, with special tokens or without. */
  encode(text: string, pair: string | null, special: boolean): RewardInput;
  /** The token that a conversation begins with, where there is one; it stays when the rest is cut. */
  readonly first: number | undefined;
}

/** Gives a prompt and an answer in tokens. */
export type RewardInputs = (messages: readonly ChatMessage[], answer: string) => RewardInput;

/** Of a model with a chat template: the whole conversation, whose oldest tokens go where it is too long. */
export const chatInputs =
  (encoder: PairEncoder, chat: ChatTemplate, most: number): RewardInputs =>
  (messages, answer) => {
    const text = chat.render([...messages, { role: 'assistant', content: answer }], false);
    // The template writes all special tokens itself.
    const { ids } = encoder.encode(text, null, false);
    const kept = ids.length <= most ? ids : lastOf(ids, most, encoder.first);
    return { ids: kept, types: kept.map(() => 0) };
  };

function lastOf(ids: readonly number[], most: number, first: number | undefined): readonly number[] {
  if (first === undefined || ids[0] !== first) return ids.slice(ids.length - most);
  return [first, ...ids.slice(ids.length - most + 1)];
}

/**
 * Of any other: the prompt (of a conversation all its turns, a line each) and the answer as a pair of texts. Where they
 * are too long the prompt's oldest tokens go, then the answer's last ones.
 *
 * @throws InputError where the tokenizer makes no pairs that keep the two texts' tokens together
 */
export function pairInputs(name: string, encoder: PairEncoder, most: number): RewardInputs {
  const frame = frameOf(name, encoder);
  const [before, between, after] = [frame.before, frame.between, frame.after].map(({ ids }) => ids.length);
  const room = most - (before ?? 0) - (between ?? 0) - (after ?? 0);
  if (room < 1) throw new InputError(`${name} takes ${most} tokens, which leaves no room for an answer`);
  return (messages, text) => {
    const answer = encoder.encode(text, null, false).ids.slice(0, room);
    const prompt = encoder.encode(messages.map(({ content }) => content).join('\n'), null, false).ids;
    const kept = prompt.slice(Math.max(0, prompt.length + answer.length - room));
    const parts = [
      frame.before,
      { ids: kept, types: kept.map(() => frame.first) },
      frame.between,
      { ids: answer, types: answer.map(() => frame.second) },
      frame.after,
    ];
    return { ids: parts.flatMap(({ ids }) => ids), types: parts.flatMap(({ types }) => types) };
  };
}

/** What a tokenizer puts around the two texts of a pair. */
interface Frame {
  readonly before: RewardInput;
  readonly between: RewardInput;
  readonly after: RewardInput;
  /** Types of the two texts' tokens. */
  readonly first: number;
  readonly second: number;
}

/** Learnt from a pair whose tokens are known, since tokenizers cut from the wrong end and drop empty texts. */
function frameOf(name: string, encoder: PairEncoder): Frame {
  const [question, answer] = ['question', 'answer'];
  const { ids, types } = encoder.encode(question, answer, true);
  const [first, second] = [question, answer].map((text) => encoder.encode(text, null, false).ids);
  const start = indexOf(ids, first ?? [], 0);
  const end = start + (first?.length ?? 0);
  const next = start < 0 ? -1 : indexOf(ids, second ?? [], end);
  if (next < 0) throw new InputError(`${name}: its tokenizer makes no pairs of a prompt and an answer`);
  const part = (from: number, to?: number) => ({ ids: ids.slice(from, to), types: types.slice(from, to) });
  return {
    before: part(0, start),
    between: part(end, next),
    after: part(next + (second?.length ?? 0)),
    first: types[start] ?? 0,
    second: types[next] ?? 0,
  };
}

/** Where `part` begins in `list`, from `from` on; -1 where it is empty or does not. */
function indexOf(list: readonly number[], part: readonly number[], from: number): number {
  if (part.length === 0) return -1;
  for (let at = from; at + part.length <= list.length; at++)
    if (part.every((id, i) => list[at + i] === id)) return at;
  return -1;
}
