/** Files with numbers in them: safetensors, PEFT folders, GGUF, config.json and the index of sharded weights. */
import fc from 'fast-check';
import { rotaryFrequencies } from '../../src/model/batch.ts';
import { type ModelConfig, ModelError, parseModelConfig } from '../../src/model/config.ts';
import { wholeFiles } from '../../src/model/files.ts';
import { GgufError, readGguf, writeGguf } from '../../src/model/gguf.ts';
import { readGgufLora, writeGgufLora } from '../../src/model/gguf-lora.ts';
import { modelWeights } from '../../src/model/parameters.ts';
import { PeftError, readPeft, writePeft } from '../../src/model/peft.ts';
import { readSafetensors, SafetensorsError, writeSafetensors } from '../../src/model/safetensors.ts';
import { openWeights, WEIGHTS_INDEX } from '../../src/model/weights.ts';
import configs from '../fixtures/family-configs.json' with { type: 'json' };
import { fuzz } from './fuzz.ts';
import { bytesLike, encode, jsonLike, valuesLike } from './inputs.ts';

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  vocab_size: 32,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  rope_scaling: null,
  hidden_act: 'silu',
  attention_bias: false,
  tie_word_embeddings: true,
};
const config: ModelConfig = parseModelConfig(CONFIG);

const values = (count: number) => Float32Array.from({ length: count }, (_, i) => i / 7 - 1);
const tensor = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: values(shape.reduce((a, b) => a * b, 1)),
});
const TENSORS = [tensor('a', 2, 3), tensor('b.weight', 4), tensor('é', 0), tensor('1', 1, 1, 1)];
const safetensors = [
  writeSafetensors(TENSORS, { format: 'pt' }),
  writeSafetensors(TENSORS, {}, 'F16'),
  writeSafetensors([], {}),
];

/** A file with this header, its length true. */
function withHeader(header: string, data: number): Uint8Array {
  const text = encode(header);
  const file = new Uint8Array(8 + text.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}
const HEADER =
  '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}';

fuzz('safetensors: bytes', {
  inputs: bytesLike(...safetensors),
  read: readSafetensors,
  errors: [SafetensorsError],
});

const many = (count: number) =>
  `{${Array.from({ length: count }, (_, i) => `"${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`).join(',')}}`;
fuzz('safetensors: headers', {
  inputs: jsonLike(HEADER).map((header) => withHeader(header, 32)),
  read: readSafetensors,
  errors: [SafetensorsError],
  examples: [
    // Millions of names, each as long as a book, all the same, or a megabyte within quotes.
    withHeader(many(100_000), 0),
    withHeader(`{"${'n'.repeat(3_000_000)}": 1}`, 0),
    withHeader(`{"${'\\"'.repeat(1_000_000)}": {"dtype": "F64"}}`, 0),
    withHeader(`{${'"a":1,'.repeat(100_000)}"a":1}`, 0),
    withHeader(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 0),
    withHeader('{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}', 0),
    withHeader('{"a":{"dtype":"F32","shape":[9007199254740991],"data_offsets":[0,32]}}', 32),
  ],
});

const LORA = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'] };
const PROJECTIONS = [
  ['self_attn.q_proj', 8, 8],
  ['mlp.down_proj', 8, 16],
] as const;
const adapter = writePeft({
  baseModel: 'base',
  lora: LORA,
  tensors: PROJECTIONS.flatMap(([path, out, width]) => [
    tensor(`base_model.model.model.layers.0.${path}.lora_A.weight`, 2, width),
    tensor(`base_model.model.model.layers.0.${path}.lora_B.weight`, out, 2),
  ]),
});
const PATTERNS = JSON.stringify({
  ...JSON.parse(adapter.config),
  rank_pattern: { q_proj: 4, '^layers\\.0\\.mlp.down_proj$': 2 },
  alpha_pattern: { 'self_attn.q_proj': 8 },
  layers_to_transform: [0],
  use_rslora: true,
});

fuzz('PEFT: adapter_config.json', {
  inputs: jsonLike(adapter.config, PATTERNS),
  read: (text) => readPeft(text, adapter.model),
  errors: [PeftError],
  examples: [
    `{"peft_type": "LORA", "r": ${'9'.repeat(100_000)}}`,
    `{"peft_type": ${JSON.stringify('x'.repeat(1_000_000))}}`,
    JSON.stringify({ ...JSON.parse(PATTERNS), rank_pattern: { [`${'(a+)+'.repeat(1000)}$`]: 2 } }),
  ],
});

fuzz('PEFT: adapter_model.safetensors', {
  inputs: bytesLike(adapter.model),
  read: (bytes) => readPeft(adapter.config, bytes),
  errors: [PeftError],
});

const lora = readPeft(adapter.config, adapter.model).modules;
const ggufLora = writeGgufLora(config, 'x', lora);
fuzz('GGUF: any file', {
  inputs: bytesLike(
    ggufLora,
    writeGguf([{ key: 'general.name', type: 'string', value: 'x' }], [tensor('a', 2, 3)]),
  ),
  read: readGguf,
  errors: [GgufError],
});
fuzz('GGUF: an adapter', {
  inputs: bytesLike(ggufLora),
  read: (bytes) => readGgufLora(config, bytes),
  errors: [GgufError],
});

const CONFIG_TEXT = JSON.stringify(CONFIG);
fuzz('config.json', {
  inputs: fc.oneof(...Object.values(configs).map((family) => valuesLike(JSON.stringify(family)))),
  read: (value) => {
    const read = parseModelConfig(value);
    for (const size of [read.hiddenSize, read.layers, read.headDim, read.vocabSize, read.contextLength]) {
      if (!Number.isSafeInteger(size) || size < 1) throw new Error(`a size is ${size}`);
    }
    if (read.layerKinds.length !== read.layers) throw new Error(`${read.layerKinds.length} kinds of layers`);
    for (const { rope, window } of read.layerKinds) {
      if (!read.rope[rope]) throw new Error(`no rope ${rope}`);
      if (window !== null && !(window >= 1)) throw new Error(`a window of ${window}`);
    }
    const angles = read.rope.flatMap((rope) => rotaryFrequencies(rope, Math.min(read.headDim, 512)));
    const scales = [read.attentionScale, read.embeddingScale, read.rmsNormEps, ...angles];
    if (!scales.every(Number.isFinite)) throw new Error('a number is not finite');
  },
  errors: [ModelError],
  examples: [
    { ...CONFIG, architectures: ['x'.repeat(1_000_000)] },
    { ...CONFIG, hidden_act: 'x'.repeat(1_000_000) },
    { ...CONFIG, num_hidden_layers: 10_000_000 },
    { ...configs.gemma3, query_pre_attn_scalar: 5e-324, sliding_window_pattern: 1 },
    { ...configs.llama3, rope_scaling: { ...configs.llama3.rope_scaling, low_freq_factor: 5e-324 } },
    { ...CONFIG, hidden_size: 9_999_999, num_attention_heads: 9_999_999, num_key_value_heads: 3 },
  ],
});

const names = modelWeights(config).map(({ name }) => name);
const INDEX = JSON.stringify({
  metadata: { total_size: 1 },
  weight_map: Object.fromEntries(names.map((name, i) => [name, `model-${i % 2}.safetensors`])),
});
fuzz('model.safetensors.index.json, and what a config asks of it', {
  inputs: fc.tuple(jsonLike(INDEX), valuesLike(CONFIG_TEXT)),
  read: async ([index, value]) => {
    const source = wholeFiles('m', async (path) => (path === WEIGHTS_INDEX ? encode(index) : null));
    const read = await openWeights(parseModelConfig(value), source);
    const outside = read.files.find(({ path }) => /[/\\]|^\./.test(path));
    if (outside !== undefined) throw new Error(`it would read ${outside.path}`);
  },
  errors: [ModelError],
});
