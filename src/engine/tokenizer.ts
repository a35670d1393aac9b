/** The model's own tokenizer, by @huggingface/tokenizers, and its chat template, rendered within limits (model/chat.ts). */
import { Tokenizer as TextTokenizer } from '@huggingface/tokenizers';
import * as v from 'valibot';
import { type ChatTemplate, compileChatTemplate, pickChatTemplate, specialTokens } from '../model/chat.ts';
import { ModelError } from '../model/config.ts';
import { excerpt } from '../model/text.ts';
import { fingerprint, sha256 } from './sha256.ts';
import type { FileSource, Tokenizer } from './types.ts';

const ids = v.optional(v.nullable(v.union([v.number(), v.array(v.number())])));
const generation = v.object({ eos_token_id: ids });

/** Characters of another library's message that are passed on. */
const REASON = 300;

/** Parsed JSON of a file that must (or may) be there. */
export async function readJson(source: FileSource, path: string): Promise<unknown> {
  const bytes = await source.read(path);
  if (!bytes) throw new ModelError(`${source.name}: the file ${path} is missing`);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    const reason = excerpt(error instanceof Error ? error.message : String(error), REASON);
    throw new ModelError(`${source.name}: ${path} is not valid JSON (${reason})`);
  }
}

async function optionalJson(source: FileSource, path: string): Promise<unknown> {
  return (await source.read(path)) ? readJson(source, path) : {};
}

function eosIds(value: unknown): number[] {
  const parsed = v.safeParse(generation, value);
  const found = parsed.success ? parsed.output.eos_token_id : null;
  return found === null || found === undefined ? [] : [found].flat();
}

/** UTF-8 has at most so many bytes a character, and a byte-level tokenizer so many tokens. */
const MOST_BYTES = 4;
const BROKEN = '\uFFFD';

/**
 * Each id's text. Where a character is split over several ids, the first of them has it whole and the others an
 * empty text, since half a character can't be shown.
 */
function wholeCharacters(ids: readonly number[], decode: (ids: readonly number[]) => string): string[] {
  const pieces: string[] = [];
  while (pieces.length < ids.length) {
    const at = pieces.length;
    let taken = 1;
    const first = decode(ids.slice(at, at + 1));
    let text = first;
    while (text.includes(BROKEN) && taken < MOST_BYTES && at + taken < ids.length) {
      taken++;
      text = decode(ids.slice(at, at + taken));
    }
    if (text.includes(BROKEN)) [taken, text] = [1, first];
    pieces.push(text, ...new Array<string>(taken - 1).fill(''));
  }
  return pieces;
}

const ANSWER = 'Answer';

/** What a template writes after an answer that another message follows, or '' where it refuses that. */
function afterAnswer(chat: ChatTemplate): string {
  const [question, answer] = [
    { role: 'user', content: 'Question' },
    { role: 'assistant', content: ANSWER },
  ];
  try {
    const text = chat.render([question, answer, question]);
    return text.slice(text.lastIndexOf(ANSWER) + ANSWER.length);
  } catch {
    return '';
  }
}

/**
 * @throws ModelError where tokenizer.json is missing or unreadable, or no token ends an answer
 */
export async function loadTokenizer(source: FileSource, vocabSize: number): Promise<Tokenizer> {
  const tokenizerJson = await readJson(source, 'tokenizer.json');
  const tokenizerConfig = await optionalJson(source, 'tokenizer_config.json');
  // The template stays out: transformers.js would render it without limits.
  const { chat_template: template, ...settings } = asRecord(tokenizerConfig, 'tokenizer_config.json', source);
  let tokenizer: TextTokenizer;
  try {
    tokenizer = new TextTokenizer(asRecord(tokenizerJson, 'tokenizer.json', source), settings);
  } catch (error) {
    if (error instanceof ModelError) throw error;
    const reason = excerpt(error instanceof Error ? error.message : String(error), REASON);
    throw new ModelError(`${source.name}: tokenizer.json can't be used (${reason})`);
  }
  const special = specialTokens(settings);
  // As in transformers, a template in a file of its own goes before the one in tokenizer_config.json.
  const file = await source.read('chat_template.jinja');
  const jinja = file ? new TextDecoder().decode(file) : pickChatTemplate(source.name, template);
  const chat = jinja === null ? null : compileChatTemplate(source.name, jinja, special);
  const idOf = (name: string): number | undefined => {
    const token = special[name];
    return token === undefined ? undefined : tokenizer.token_to_id(token);
  };
  const own = idOf('eos_token');
  const stopIds = new Set([
    ...(own === undefined ? [] : [own]),
    ...eosIds(await optionalJson(source, 'generation_config.json')),
    ...eosIds(await optionalJson(source, 'config.json')),
  ]);
  const [first] = stopIds;
  const textEnd = own ?? first;
  if (textEnd === undefined) {
    throw new ModelError(
      `${source.name}: no end token: neither tokenizer_config.json nor config.json names one`,
    );
  }
  const encode = (text: string, withSpecial: boolean): number[] =>
    tokenizer.encode(text, { add_special_tokens: withSpecial }).ids;
  const inVocabulary = (list: number[]): number[] => {
    const outside = list.find((id) => id < 0 || id >= vocabSize);
    if (outside !== undefined) {
      throw new ModelError(
        `${source.name}: the tokenizer gives id ${outside}, but the model has ${vocabSize} tokens`,
      );
    }
    return list;
  };
  /** Both the template and the tokenizer may write the first token; the model saw one in its training. */
  const oneBos = (list: number[]): number[] => {
    const bos = idOf('bos_token');
    if (bos === undefined || list[0] !== bos) return list;
    const next = list.findIndex((id) => id !== bos);
    return next < 0 ? [bos] : list.slice(next - 1);
  };
  /**
   * What ends an answer: where the template has a token for it that also ends sampling, that one. Gemma's turns end
   * with another token than its texts.
   */
  let end: number | undefined;
  const answerEnd = (): number => {
    const [turn] = end === undefined && chat ? encode(afterAnswer(chat), false) : [];
    end ??= turn !== undefined && stopIds.has(turn) ? turn : textEnd;
    return end;
  };
  return {
    vocabSize,
    stopIds: [...stopIds],
    get eosId() {
      return answerEnd();
    },
    hasChatTemplate: chat !== null,
    renderPrompt: (messages) => {
      const text = chat?.render(messages) ?? messages.map(({ content }) => content).join('\n');
      // A template writes BOS itself where the model wants one; plain text gets it from the tokenizer.
      return { text, ids: inVocabulary(oneBos(encode(text, chat === null))) };
    },
    encodeTarget: (target) => inVocabulary([...encode(target, false), answerEnd()]),
    decode: (list) => tokenizer.decode([...list], { skip_special_tokens: true }),
    pieces: (list) =>
      wholeCharacters(list, (ids) => tokenizer.decode([...ids], { skip_special_tokens: false })),
  };
}

/** The files that `loadTokenizer` reads, config.json apart, which belongs to the weights' fingerprint. */
const FILES = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'generation_config.json'];

/** SHA-256 over those files and which of them there are, hex. */
export async function textFingerprint(source: FileSource): Promise<string> {
  const hashes: Uint8Array[] = [];
  for (const path of FILES) {
    const bytes = await source.read(path);
    hashes.push(Uint8Array.of(bytes ? 1 : 0), sha256(bytes ?? new Uint8Array()));
  }
  return fingerprint(hashes);
}

function asRecord(value: unknown, path: string, source: FileSource): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ModelError(`${source.name}: ${path} is not a JSON object`);
  }
  return { ...value };
}
