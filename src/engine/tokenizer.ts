/** The model's own tokenizer and chat template, by transformers.js. */
import { PreTrainedTokenizer } from '@huggingface/transformers';
import * as v from 'valibot';
import { ModelError } from '../model/config.ts';
import type { ChatMessage, FileSource, Tokenizer } from './types.ts';

const ids = v.optional(v.nullable(v.union([v.number(), v.array(v.number())])));
const generation = v.object({ eos_token_id: ids });

/** Parsed JSON of a file that must (or may) be there. */
export async function readJson(source: FileSource, path: string): Promise<unknown> {
  const bytes = await source.read(path);
  if (!bytes) throw new ModelError(`${source.name}: the file ${path} is missing`);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new ModelError(
      `${source.name}: ${path} is not valid JSON (${error instanceof Error ? error.message : error})`,
    );
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

/**
 * @throws ModelError where tokenizer.json is missing or unreadable, or no token ends an answer
 */
export async function loadTokenizer(source: FileSource, vocabSize: number): Promise<Tokenizer> {
  const tokenizerJson = await readJson(source, 'tokenizer.json');
  const tokenizerConfig = await optionalJson(source, 'tokenizer_config.json');
  let tokenizer: PreTrainedTokenizer;
  try {
    tokenizer = new PreTrainedTokenizer(asRecord(tokenizerJson), asRecord(tokenizerConfig));
  } catch (error) {
    throw new ModelError(
      `${source.name}: tokenizer.json can't be used (${error instanceof Error ? error.message : error})`,
    );
  }
  const template = await source.read('chat_template.jinja');
  if (template && !tokenizer.chat_template) tokenizer.chat_template = new TextDecoder().decode(template);
  const own: number | null | undefined = tokenizer.eos_token_id;
  const stopIds = new Set([
    ...(own === null || own === undefined ? [] : [own]),
    ...eosIds(await optionalJson(source, 'generation_config.json')),
    ...eosIds(await optionalJson(source, 'config.json')),
  ]);
  const [first] = stopIds;
  const eosId = own ?? first;
  if (eosId === undefined || eosId === null) {
    throw new ModelError(
      `${source.name}: no end token: neither tokenizer_config.json nor config.json names one`,
    );
  }
  const encode = (text: string, special: boolean): number[] =>
    tokenizer.encode(text, { add_special_tokens: special });
  const inVocabulary = (list: number[]): number[] => {
    const outside = list.find((id) => id < 0 || id >= vocabSize);
    if (outside !== undefined) {
      throw new ModelError(
        `${source.name}: the tokenizer gives id ${outside}, but the model has ${vocabSize} tokens`,
      );
    }
    return list;
  };
  const hasChatTemplate = Boolean(tokenizer.chat_template);
  return {
    vocabSize,
    stopIds: [...stopIds],
    eosId,
    hasChatTemplate,
    renderPrompt: (messages) => {
      if (!hasChatTemplate) {
        const text = messages.map((m: ChatMessage) => m.content).join('\n');
        return { text, ids: inVocabulary(encode(text, true)) };
      }
      const text = String(
        tokenizer.apply_chat_template([...messages], { tokenize: false, add_generation_prompt: true }),
      );
      // The template writes BOS itself where the model wants one, so the tokenizer must not add another.
      const rendered = encode(text, false);
      return { text, ids: inVocabulary(rendered) };
    },
    encodeTarget: (target) => inVocabulary([...encode(target, false), eosId]),
    decode: (list) => tokenizer.decode([...list], { skip_special_tokens: true }),
    pieces: (list) => list.map((id) => tokenizer.decode([id], { skip_special_tokens: false })),
  };
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('expected a JSON object');
  return { ...value };
}
