/** The files beside the weights: tokenizer.json, tokenizer_config.json, and what a chat template makes of messages. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { loadTokenizer } from '../../src/engine/tokenizer.ts';
import { ChatTemplateError, compileChatTemplate } from '../../src/model/chat.ts';
import { ModelError } from '../../src/model/config.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { CHAT_TEMPLATES } from '../fixtures/chat-templates.ts';
import { fuzz } from './fuzz.ts';
import { encode, jsonLike } from './inputs.ts';

const FOLDER = fileURLToPath(new URL('../../public/models/default-lm/', import.meta.url));
const own = (path: string) => readFileSync(FOLDER + path, 'utf8');
const VOCABULARY = 100_000;

/** Loads a tokenizer of these files and uses it once in every way. */
async function load(files: Readonly<Record<string, string>>): Promise<void> {
  const tokenizer = await loadTokenizer(
    wholeFiles('m', async (path) => (files[path] === undefined ? null : encode(files[path]))),
    VOCABULARY,
  );
  const { ids } = tokenizer.renderPrompt([{ role: 'user', content: 'What is the plural of box? é🙂' }]);
  const target = tokenizer.encodeTarget('The plural of box is boxes.');
  if (![...ids, ...target].every((id) => Number.isInteger(id) && id >= 0 && id < VOCABULARY)) {
    throw new Error(`ids outside of the vocabulary: ${ids.join(' ')}`);
  }
  for (const text of [tokenizer.decode(target), ...tokenizer.pieces(ids)]) {
    if (typeof text !== 'string') throw new Error(`a piece is ${typeof text}`);
  }
}

/** The default model's tokenizer with a tenth of its words, so that an edit hits more than words. */
function small(text: string): string {
  const tokenizer = JSON.parse(text);
  const vocabulary = Object.entries(tokenizer.model.vocab).slice(0, 300);
  const words = new Set(vocabulary.map(([word]) => word));
  const merges = tokenizer.model.merges.filter((merge: string | string[]) => {
    const pair = Array.isArray(merge) ? merge : merge.split(' ');
    return pair.every((word) => words.has(word)) && words.has(pair.join(''));
  });
  const model = { ...tokenizer.model, vocab: Object.fromEntries(vocabulary), merges };
  return JSON.stringify({ ...tokenizer, model });
}

const TOKENIZER = small(own('tokenizer.json'));
const CONFIG = own('tokenizer_config.json');

/** What real tokenizers have and the default model's has not. */
const OTHER_PARTS = JSON.stringify({
  ...JSON.parse(TOKENIZER),
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'NFC' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      { type: 'Prepend', prepend: '▁' },
      { type: 'Lowercase' },
    ],
  },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      {
        type: 'Split',
        pattern: { Regex: "'s|\\p{L}+|\\p{N}{1,3}|\\s+" },
        behavior: 'Isolated',
        invert: false,
      },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
  },
  decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] },
});

fuzz('tokenizer.json', {
  inputs: jsonLike(TOKENIZER, OTHER_PARTS),
  read: (text) => load({ 'tokenizer.json': text, 'tokenizer_config.json': CONFIG }),
  errors: [ModelError],
});

const NAMED = JSON.stringify({
  ...JSON.parse(CONFIG),
  chat_template: [
    { name: 'default', template: '{{ bos_token }}{{ messages[0].content }}' },
    { name: 'tool_use', template: '{{ tools }}' },
  ],
  bos_token: { __type: 'AddedToken', content: '<s>', lstrip: false },
  model_max_length: 1e30,
});
fuzz('tokenizer_config.json', {
  inputs: fc.tuple(jsonLike(CONFIG, NAMED), jsonLike('{"eos_token_id": [1, 2], "bos_token_id": 1}')),
  read: ([config, generation]) =>
    load({
      'tokenizer.json': TOKENIZER,
      'tokenizer_config.json': config,
      'generation_config.json': generation,
      'config.json': '{"eos_token_id": 2}',
    }),
  errors: [ModelError],
});

const MESSAGES = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'one <two> three\nfour' },
  { role: 'assistant', content: '<think>x</think>yes' },
  { role: 'user', content: 'why?' },
];

const render = (source: string) => compileChatTemplate('m', source, { bos_token: '<s>' }).render(MESSAGES);

/** Pieces that are put together at random: loops, doublings, methods and filters, most of them meaningful. */
const PIECES = [
  '{% for i in range(50000) %}',
  '{% for m in messages %}',
  '{% for a in x %}',
  '{% endfor %}',
  '{% set x = range(40000) | list %}',
  '{% set s = range(9000) | join(",") %}',
  '{% set s = s ~ s %}',
  '{% set s = messages | tojson(indent=8) %}',
  '{% set x = [x, x] %}',
  '{% set x = x + x %}',
  '{% set ns = namespace(s="ab", x=[1]) %}',
  '{% set ns.s = ns.s ~ ns.s %}',
  '{% set ns.x = [ns.x, ns.x] %}',
  '{% set ns.x = ns.x + ns.x %}',
  '{% set ns.ns = ns %}',
  '{% set f = s.replace %}',
  '{{ f("", s) }}',
  '{{ s.replace(",", s) }}',
  '{{ s | replace("1", s, 5) }}',
  '{{ x | join(s) }}',
  '{{ ns.x | tojson }}',
  '{{ ns }}',
  '{{ ns | tojson(separators=(s, s)) }}',
  '{{ s | indent(100000, true) }}',
  '{{ s.split(",") | sort | unique | join }}',
  '{{ s in s }}',
  '{{ s[::-1] }}',
  '{{ s * 9 }}',
  '{{ 9 ** 999 }}',
  '{{ messages[0]["content"][::0] }}',
  '{{ strftime_now("%B" * 9) }}',
  '{{ raise_exception(s) }}',
  '{% macro g(a, b=s) %}',
  '{{ g(s, g(s)) }}',
  '{{ varargs }}{{ kwargs }}',
  '{% endmacro %}',
  '{% call g() %}',
  '{% endcall %}',
  '{{ caller() }}',
  '{% filter upper %}',
  '{% endfilter %}',
  '{% if x == s %}',
  '{% elif messages %}',
  '{% else %}',
  '{% endif %}',
  '{% break %}',
  '{% continue %}',
  '{% generation %}',
  '{% endgeneration %}',
  '{# ',
  ' #}',
  '{{ ',
  ' }}',
  '{%- ',
  ' -%}',
  '((((((((((((((((((((',
  '[[[[[[[[[[[[[[[[[[[[',
  '"',
  "'",
  '\\',
  '    \n\n    ',
];
const assembled = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 40 })
  .map((all) => all.join(''));
const real = Object.values(CHAT_TEMPLATES);
/** A real template with such pieces put into it. */
const disturbed = fc
  .tuple(
    fc.constantFrom(...real),
    fc.array(fc.tuple(fc.nat(3000), fc.constantFrom(...PIECES)), { minLength: 1, maxLength: 4 }),
  )
  .map(([text, puts]) => puts.reduce((now, [at, piece]) => now.slice(0, at) + piece + now.slice(at), text));

fuzz('chat templates: loops and explosions put together', {
  inputs: fc.oneof(assembled, disturbed, jsonLike(...real)),
  read: render,
  errors: [ChatTemplateError],
  // The template's own limit is two seconds by the clock; the collector of garbage works beside it.
  milliseconds: 6000,
});
