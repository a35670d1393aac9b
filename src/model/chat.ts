/** Chat templates: which one a model folder names, and a conversation rendered by it, within limits. */
import { ModelError } from './config.ts';
import { JINJA_LIMITS, JinjaLimitError, type JinjaLimits, parseJinja, renderJinja } from './jinja.ts';
import { excerpt } from './text.ts';

export interface Message {
  readonly role: string;
  readonly content: string;
}

export interface ChatTemplate {
  /**
   * The conversation as the model sees it before it answers, with the generation prompt; or, where it is not `open`,
   * one that ends with an answer.
   *
   * @throws ChatTemplateError where the template refuses the conversation, fails, or reaches a limit
   */
  render(messages: readonly Message[], open?: boolean): string;
}

/** A chat template that can't be used: whose it is, what happened, and what to do. */
export class ChatTemplateError extends ModelError {
  override name = 'ChatTemplateError';
}

/** Characters of a template's own messages that are passed on. */
const MESSAGE = 300;

/** The variables that templates know special tokens by. */
const SPECIAL_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;

/**
 * @param model named in errors
 * @param source Jinja, as in tokenizer_config.json
 * @param tokens the special tokens' texts, from `specialTokens`
 * @throws ChatTemplateError where it is too large or not Jinja
 */
export function compileChatTemplate(
  model: string,
  source: string,
  tokens: Readonly<Record<string, string>> = {},
  limits: JinjaLimits = JINJA_LIMITS,
): ChatTemplate {
  const within = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw problem(model, error);
    }
  };
  const program = within(() => parseJinja(source, limits));
  return {
    render: (messages, open = true) =>
      within(() =>
        renderJinja(
          program,
          { messages: [...messages], add_generation_prompt: open, tools: null, documents: null, ...tokens },
          limits,
        ),
      ),
  };
}

function problem(model: string, error: unknown): ChatTemplateError {
  const message = excerpt(error instanceof Error ? error.message : String(error), MESSAGE);
  const told = excerpt(model, MESSAGE);
  return error instanceof JinjaLimitError
    ? new ChatTemplateError(
        `${told}: the chat template was stopped: ${message}. Templates have limits, so that none can hang or ` +
          'fill the memory; correct chat_template in tokenizer_config.json, or shorten the conversation.',
        { cause: error },
      )
    : new ChatTemplateError(
        `${told}: the chat template can't render this conversation: ${message || 'it gives no reason'}. ` +
          'Change the rows to the roles it allows, or correct chat_template in tokenizer_config.json.',
        { cause: error },
      );
}

/**
 * The template of tokenizer_config.json's `chat_template`: a text, or a list of named ones, of which 'default' counts.
 *
 * @returns null where there is none
 * @throws ChatTemplateError where the field holds something else, or a list without 'default'
 */
export function pickChatTemplate(model: string, field: unknown): string | null {
  if (field === undefined || field === null || field === '') return null;
  if (typeof field === 'string') return field;
  const told = excerpt(model, MESSAGE);
  if (!Array.isArray(field)) {
    throw new ChatTemplateError(
      `${told}: chat_template in tokenizer_config.json is neither a text nor a list of named templates`,
    );
  }
  const named = field.map((item: unknown) => readNamed(told, item));
  if (named.length === 0) return null;
  const chosen = named.find(({ name }) => name === 'default');
  if (chosen !== undefined) return chosen.template;
  const names = excerpt(named.map(({ name }) => name).join(', '), MESSAGE);
  throw new ChatTemplateError(
    `${told}: tokenizer_config.json has several chat templates (${names}), but none is called "default"; ` +
      'rename the one to use',
  );
}

function readNamed(model: string, item: unknown): { name: string; template: string } {
  if (typeof item === 'object' && item !== null && 'name' in item && 'template' in item) {
    const { name, template } = item;
    if (typeof name === 'string' && typeof template === 'string') return { name, template };
  }
  throw new ChatTemplateError(
    `${model}: chat_template in tokenizer_config.json is a list, but not one of objects with a name and a template`,
  );
}

/** Special tokens' texts as tokenizer_config.json gives them: a text, or an AddedToken with its `content`. */
export function specialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const key of SPECIAL_TOKENS) {
    const value = Object.hasOwn(config, key) ? config[key] : undefined;
    if (typeof value === 'string' && value !== '') found[key] = value;
    else if (typeof value === 'object' && value !== null && 'content' in value) {
      if (typeof value.content === 'string' && value.content !== '') found[key] = value.content;
    }
  }
  return found;
}
