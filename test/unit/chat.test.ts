/** Chat templates: the text transformers.js gives, and an end to templates that have none. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../src/engine/tokenizer.ts';
import type { ChatMessage, FileSource } from '../../src/engine/types.ts';
import {
  ChatTemplateError,
  compileChatTemplate,
  pickChatTemplate,
  specialTokens,
} from '../../src/model/chat.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { JINJA_LIMITS } from '../../src/model/jinja.ts';
import { CHAT_TEMPLATES } from '../fixtures/chat-templates.ts';
import { REAL_DATA, REAL_DATA_NOTE, realFile } from '../fixtures/realdata.ts';

const DEFAULT_LM = fileURLToPath(new URL('../../public/models/default-lm/', import.meta.url));
const own = (path: string) => readFile(DEFAULT_LM + path);

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const system: ChatMessage = { role: 'system', content: '  Be brief.\n' };
const CONVERSATIONS: Readonly<Record<string, readonly ChatMessage[]>> = {
  'one turn': [user('What is the plural of box?')],
  'three turns': [
    user(' a <b> & "c"\nd '),
    assistant('<think>\nhm\n</think>\n\nYes, a banana.'),
    user('Why?'),
  ],
  'a system message': [system, user('Ünïcode 🙂'), assistant(''), user('{{ messages }} {% raw %}')],
};

const TOKENS = { bos_token: '<s>', eos_token: '</s>' };

const record = (bytes: Uint8Array): Record<string, unknown> => JSON.parse(new TextDecoder().decode(bytes));

/** What transformers.js makes of a template, or its error's message. */
function theirs(
  config: Record<string, unknown>,
  tokenizer: Record<string, unknown>,
  messages: readonly ChatMessage[],
) {
  try {
    const options = { tokenize: false, add_generation_prompt: true } as const;
    return new PreTrainedTokenizer(tokenizer, config).apply_chat_template([...messages], options);
  } catch (error) {
    return error instanceof Error ? { error: error.message } : { error: String(error) };
  }
}

function ours(template: string, config: Record<string, unknown>, messages: readonly ChatMessage[]) {
  try {
    return compileChatTemplate('m', template, specialTokens(config)).render(messages);
  } catch (error) {
    if (error instanceof ChatTemplateError && error.cause instanceof Error)
      return { error: error.cause.message };
    throw error;
  }
}

describe.each(Object.entries(CHAT_TEMPLATES))('a template like those of %s', (name, chat_template) => {
  test.each(Object.entries(CONVERSATIONS))(
    '%s: the same text as transformers.js, or the same refusal',
    async (_, messages) => {
      const tokenizer = record(await own('tokenizer.json'));
      const expected = theirs({ ...TOKENS, chat_template }, tokenizer, messages);
      expect(ours(chat_template, TOKENS, messages)).toEqual(expected);
      // The reference must not be an error by accident.
      const refuses = name === 'gemma' && messages[0]?.role === 'system';
      expect(typeof expected).toBe(refuses ? 'object' : 'string');
    },
  );
});

/** What a model is to see of one system and one user message, and of a user message alone. */
const SEEN: Readonly<Record<string, readonly [string, string]>> = {
  llama3: [
    '<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: DATE\n\nBe brief.<|eot_id|>' +
      '<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    '<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: DATE\n\n<|eot_id|>' +
      '<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
  ],
  smollm2: [
    '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    '<|im_start|>system\nYou are a small helper.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  ],
  mistral: ['<s>[INST] Be brief.\n\nHi[/INST]', '<s>[INST] Hi[/INST]'],
  qwen2: [
    '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    '<|im_start|>system\nYou are a careful helper.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  ],
  qwen3: [
    '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  ],
  gemma3: [
    '<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n',
    '<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n',
  ],
};

test.each(Object.entries(SEEN))(
  '%s: where the system message goes, and the prompt to answer',
  (name, seen) => {
    const template = CHAT_TEMPLATES[name] ?? '';
    const rendered = [[{ role: 'system', content: 'Be brief.' } as const, user('Hi')], [user('Hi')]].map(
      (messages) => ours(template, TOKENS, messages),
    );
    const dated = rendered.map((text) => String(text).replace(/Date: \d\d \w{3} \d{4}/, 'Date: DATE'));
    expect(dated).toEqual(seen);
  },
);

test('the default model: the same text as transformers.js', async () => {
  const config = record(await own('tokenizer_config.json'));
  const template = pickChatTemplate('default-lm', config.chat_template) ?? '';
  for (const messages of Object.values(CONVERSATIONS)) {
    expect(ours(template, config, messages)).toEqual(
      theirs(config, record(await own('tokenizer.json')), messages),
    );
  }
});

describe.skipIf(REAL_DATA === null)(`a real ChatML tokenizer (${REAL_DATA_NOTE})`, () => {
  test('the same text and ids as transformers.js', async () => {
    const folder = 'tokenizers/minimind-6400-chatml/';
    const config = record(await realFile(`${folder}tokenizer_config.json`));
    const tokenizer = record(await realFile(`${folder}tokenizer.json`));
    const loaded = await loadTokenizer(
      source((path) => realFile(folder + path).catch(() => null)),
      6400,
    );
    for (const messages of Object.values(CONVERSATIONS)) {
      const expected = theirs(config, tokenizer, messages);
      const { text, ids } = loaded.renderPrompt(messages);
      expect(text).toBe(expected);
      expect(ids).toEqual(
        new PreTrainedTokenizer(tokenizer, config).encode(text, { add_special_tokens: false }),
      );
    }
  });
});

function source(read: FileSource['read']): FileSource {
  return wholeFiles('m', read);
}

/** The default model's tokenizer with another configuration; `more` are further files. */
async function withConfig(change: Record<string, unknown>, more: Record<string, string> = {}) {
  const config = JSON.stringify({ ...record(await own('tokenizer_config.json')), ...change });
  const files: Record<string, string> = { 'tokenizer_config.json': config, ...more };
  return loadTokenizer(
    source(async (path) => {
      const text = files[path];
      if (text !== undefined) return new TextEncoder().encode(text);
      return own(path).catch(() => null);
    }),
    100_000,
  );
}

describe('which template counts', () => {
  test("of named ones, the one called 'default'", async () => {
    const named = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: '{{ messages[0].content }}!' },
    ];
    const tokenizer = await withConfig({ chat_template: named });
    expect(tokenizer.renderPrompt([{ role: 'user', content: 'a b' }]).text).toBe('a b!');
    expect(() => pickChatTemplate('m', named.slice(0, 1))).toThrow(
      /m: .*\(tool_use\).*none is called "default"/,
    );
    expect(() => pickChatTemplate('m', [{ name: 'default' }])).toThrow(ChatTemplateError);
    expect(() => pickChatTemplate('m', { default: 'x' })).toThrow('neither a text nor a list');
    expect([pickChatTemplate('m', null), pickChatTemplate('m', []), pickChatTemplate('m', '')]).toEqual([
      null,
      null,
      null,
    ]);
  });

  test('chat_template.jinja goes before tokenizer_config.json', async () => {
    const tokenizer = await withConfig({ chat_template: 'config' }, { 'chat_template.jinja': 'file' });
    expect(tokenizer.renderPrompt([{ role: 'user', content: 'x' }]).text).toBe('file');
  });
});

test('never two BOS tokens, whoever writes them', async () => {
  const { added_tokens } = record(await own('tokenizer.json'));
  const [special] = Array.isArray(added_tokens) ? added_tokens : [];
  const bos: string = special.content;
  const starts = async (change: Record<string, unknown>, content = 'Name a colour.') => {
    const { ids } = (await withConfig({ bos_token: bos, ...change })).renderPrompt([
      { role: 'user', content },
    ]);
    return ids.findIndex((id) => id !== special.id);
  };
  expect(await starts({ chat_template: '{{ bos_token }}{{ messages[0].content }}' })).toBe(1);
  expect(await starts({ chat_template: '{{ bos_token }}{{ bos_token }}{{ messages[0].content }}' })).toBe(1);
  expect(await starts({ chat_template: '{{ messages[0].content }}' })).toBe(0);
  expect(await starts({ chat_template: null }, `${bos}${bos}Name a colour.`)).toBe(1);
});

test.each(Object.entries(CHAT_TEMPLATES).filter(([, template]) => template.includes('bos_token')))(
  'one BOS token where the template of %s writes it and the tokenizer adds one by itself',
  async (_, chat_template) => {
    const { added_tokens, ...rest } = record(await own('tokenizer.json'));
    const [special] = Array.isArray(added_tokens) ? added_tokens : [];
    const { content, id } = special;
    // As in tokenizer.json of Llama 3 and Gemma: a post-processor that puts the token in front.
    const post_processor = {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
    };
    const files = { 'tokenizer.json': JSON.stringify({ ...rest, added_tokens, post_processor }) };
    const change = { bos_token: content, add_bos_token: true };
    const messages = [user('Name a colour.')];
    const templated = (await withConfig({ ...change, chat_template }, files)).renderPrompt(messages);
    expect(templated.ids.filter((x) => x === id)).toEqual([id]);
    expect(templated.ids[0]).toBe(id);
    const plain = (await withConfig({ ...change, chat_template: null }, files)).renderPrompt(messages);
    expect(plain.ids.filter((x) => x === id)).toEqual([id]);
  },
);

test('a target ends with the token with which the template ends an answer, where sampling ends there too', async () => {
  const chat_template =
    "{% for m in messages %}{{ '<|assistant|>' if m.role == 'assistant' else '<|user|>' }}{{ m.content }}" +
    "{% if m.role == 'assistant' %}{{ '<|pad|>' }}{% endif %}{% endfor %}";
  const ends = async (change: Record<string, unknown>, eos_token_id: number[]) => {
    const files = { 'generation_config.json': JSON.stringify({ eos_token_id }) };
    const tokenizer = await withConfig(change, files);
    expect(tokenizer.encodeTarget('Yes.').at(-1)).toBe(tokenizer.eosId);
    return tokenizer.eosId;
  };
  // As Gemma's: the text ends with one token, the turn with another.
  expect(await ends({ chat_template }, [2, 0])).toBe(0);
  expect(await ends({ chat_template }, [2])).toBe(2);
  expect(await ends({}, [2, 0])).toBe(2);
  expect(await ends({ chat_template: null }, [2, 0])).toBe(2);
  expect(await ends({ chat_template: "{{ raise_exception('no') }}" }, [2, 0])).toBe(2);
});

const HOSTILE: readonly [string, string, RegExp][] = [
  [
    'a loop without end',
    '{% for i in range(40000) %}{% for j in range(40000) %}{% endfor %}{% endfor %}',
    /more than \d+ (steps|characters)/,
  ],
  ['a range without end', '{% for i in range(10 ** 12) %}{% endfor %}', /range\(\) of 1000000000000 items/],
  ['a macro that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', /more than 250 deep/],
  [
    'a text that doubles',
    '{% set ns = namespace(x="ab") %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}',
    /beyond 2000000/,
  ],
  [
    'a list that doubles',
    '{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    /beyond 2000000/,
  ],
  [
    'lists within lists that double as text',
    '{% set ns = namespace(x="a") %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}',
    /beyond 2000000/,
  ],
  [
    'a namespace within itself',
    '{% set ns = namespace() %}{% set ns.a = ns %}{% set ns.b = ns %}{{ ns | tojson }}',
    /nest more than 250 deep|beyond/,
  ],
  [
    'output without end',
    '{% for i in range(40000) %}{{ "01234567890123456789012345678901234567890123456789012345678901234567890123456789" }}{% endfor %}',
    /beyond 2000000/,
  ],
  [
    'replace with a large text',
    '{% set a = range(50000) | join("-") %}{{ a.replace("", a) }}',
    /replace would give/,
  ],
  [
    'the replace filter',
    '{% set a = range(50000) | join("-") %}{{ a | replace("-", a) }}',
    /replace would give/,
  ],
  [
    'a method taken from its text',
    '{% set a = range(50000) | join("-") %}{% set f = a.replace %}{{ f("", a) }}',
    /replace would give/,
  ],
  [
    'a method by its name in brackets',
    "{% set a = range(50000) | join('-') %}{{ a['repl' ~ 'ace']('', a) }}",
    /replace would give/,
  ],
  [
    'join with a large text',
    '{% set a = range(50000) | join("-") %}{{ range(50000) | join(a) }}',
    /join would give/,
  ],
  [
    'join with a spread text',
    '{% set a = range(50000) | join("-") %}{{ range(50000) | join(*[a]) }}',
    /join would give/,
  ],
  ['join of a text', '{% set a = range(50000) | join("-") %}{{ a | join(separator=a) }}', /join would give/],
  ['indent', '{{ messages[0].content | indent(500000000, true) }}', /indent would give/],
  [
    'indent, spread',
    '{{ messages[0].content | indent(**{"width": 500000000, "first": true}) }}',
    /indent would give/,
  ],
  ['tojson with a wide indent', '{{ messages | tojson(indent=400000000) }}', /tojson would give/],
  [
    'tojson with a wide indent, spread',
    '{{ messages | tojson(**{"indent": 400000000}) }}',
    /tojson would give/,
  ],
  [
    'tojson with long separators',
    '{% set a = range(40000) | join %}{{ range(50000) | list | tojson(separators=(a, a)) }}',
    /tojson would give/,
  ],
  [
    'a filter block',
    '{% set a = range(50000) | join %}{% filter join(a) %}{{ a }}{% endfilter %}',
    /filter block/,
  ],
  ['a long search', '{% set a = range(40000) | join %}{{ a.split(a[:150000]) }}', /could take too long/],
  ['a long search by in', '{% set a = range(40000) | join %}{{ a[:150000] in a }}', /could take too long/],
  [
    'many lists kept',
    '{% set ns = namespace() %}{% for i in range(500) %}{{ range(40000) | list | length }}{% endfor %}',
    /more than 32000000/,
  ],
  [
    'a sort by a long path',
    '{% set a = range(900) | join %}{{ messages | sort(attribute=a) }}',
    /attribute of/,
  ],
  ['deep brackets', `{{ ${'('.repeat(40_000)} }}`, /nests too deeply|Parser|Unexpected|Unknown/],
  ['deep lists', `{{ ${'['.repeat(5_000)}${']'.repeat(5_000)} }}`, /deep/],
  ['a long sum', `{{ ${'1 + '.repeat(20_000)}1 }}`, /deep/],
  ['a template of a megabyte', 'x'.repeat(1_000_000), /1000000 characters, of at most 131072/],
  ['a run of blanks', ' '.repeat(100_000), /blank characters/],
  ['no Jinja', '{% if %}', /./],
  ['an end within a tag', '{{ "abc', /Unexpected end/],
  ['a break outside of a loop', '{% break %}', /./],
  ['what it raises, of any length', '{{ raise_exception(range(40000) | join) }}', /012345.*\.\.\. /],
];

/** The clock's limit out of the way: on a busy machine it would come before the others. */
const PATIENT = { ...JINJA_LIMITS, milliseconds: 60_000 };

test('a template that takes longer than its time is stopped', () => {
  const template = HOSTILE[0]?.[1] ?? '';
  const limits = { ...JINJA_LIMITS, milliseconds: 20, steps: 1e9, text: 1e9 };
  expect(() => compileChatTemplate('m', template, {}, limits).render([])).toThrow(
    'it takes longer than 20 ms',
  );
});

describe('a hostile template ends with a clear error, soon and in little memory', () => {
  test.each(HOSTILE)('%s', (_, template, message) => {
    const before = process.memoryUsage().rss;
    const start = process.cpuUsage();
    let error: unknown;
    try {
      compileChatTemplate('evil-model', template, {}, PATIENT).render([user('Hello\nthere')]);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ChatTemplateError);
    const text = error instanceof Error ? error.message : '';
    expect(text).toMatch(message);
    expect(text).toMatch(/^evil-model: the chat template .*tokenizer_config\.json/);
    expect(text.length).toBeLessThan(700);
    // By the processor's time, not the clock's: other tests may hold the cores.
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(30);
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * 2 ** 20);
  });
});

test('a long conversation is far from the limits', () => {
  const turns = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? user : assistant)('word '.repeat(200)));
  for (const template of Object.values(CHAT_TEMPLATES)) {
    const start = process.cpuUsage();
    const text = compileChatTemplate('m', template, TOKENS, PATIENT).render([...turns, user('end')]);
    expect(text.length).toBeGreaterThan(1000);
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(20);
  }
});
