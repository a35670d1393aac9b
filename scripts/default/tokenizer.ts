/**
 * Writes public/models/default-lm/{tokenizer,tokenizer_config,special_tokens_map,config,generation_config}.json:
 * npx tsx scripts/default/tokenizer.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { byteChars, trainBpe, wordPattern } from './bpe.ts';
import { documents, special } from './corpus.ts';

const folder = new URL('../../public/models/default-lm/', import.meta.url);
const seed = 7;
const sampleDocuments = 60_000;
const vocabSize = 1792;
const contextLength = 128;

function wordCounts(): Map<string, number> {
  const counts = new Map<string, number>();
  const stream = documents(seed);
  for (let i = 0; i < sampleDocuments; i++) {
    for (const text of (stream.next().value ?? '').split(/<\|\w+\|>/)) {
      for (const [word] of text.matchAll(wordPattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return counts;
}

function write(name: string, value: unknown, indent = 2): void {
  writeFileSync(new URL(name, folder), `${JSON.stringify(value, null, indent)}\n`);
}

const specials = [special.pad, special.start, special.end, special.user, special.assistant];
const counts = wordCounts();
const merges = trainBpe(counts, vocabSize - specials.length - byteChars.length);
const tokens = [...specials, ...byteChars, ...merges.map(([left, right]) => left + right)];
if (new Set(tokens).size !== tokens.length) throw new Error('internal: a token appears twice');
const id = (token: string) => tokens.indexOf(token);

mkdirSync(folder, { recursive: true });
write(
  'tokenizer.json',
  {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specials.map((content, i) => ({
      id: i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, i) => [token, i])),
      merges,
    },
  },
  0,
);
const names = { bos_token: special.start, eos_token: special.end, pad_token: special.pad };
write('tokenizer_config.json', {
  tokenizer_class: 'PreTrainedTokenizerFast',
  ...names,
  unk_token: null,
  model_max_length: contextLength,
  clean_up_tokenization_spaces: false,
  chat_template:
    '{{ bos_token }}{% for message in messages %}' +
    "{% if message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + eos_token }}" +
    "{% else %}{{ '<|user|>' + message['content'] }}{% endif %}" +
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
});
write('special_tokens_map.json', names);
const ids = {
  bos_token_id: id(special.start),
  eos_token_id: id(special.end),
  pad_token_id: id(special.pad),
};
write('config.json', {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: vocabSize,
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: contextLength,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  rope_scaling: null,
  attention_bias: false,
  mlp_bias: false,
  attention_dropout: 0,
  tie_word_embeddings: true,
  ...ids,
  initializer_range: 0.02,
  use_cache: true,
  torch_dtype: 'float16',
});
write('generation_config.json', ids);

const whole = new Set(tokens);
const frequent = [...counts].filter(([, count]) => count >= 100);
const kept = frequent.filter(([word]) => whole.has(word.replace(' ', byteChars[32] ?? '')));
console.log(`${tokens.length} tokens; ${kept.length} of ${frequent.length} frequent words are one token`);
