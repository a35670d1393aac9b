/**
 * Model folders with random weights and the default model's tokenizer, for tests and benchmarks.
 *
 *     npx tsx scripts/tiny-model.ts qwen3 out/qwen3
 *
 * makes a few layers of a family; with "smollm2-135m" as the family, a model of SmolLM2-135M's sizes.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseModelConfig } from '../src/model/config.ts';
import { elements, modelWeights } from '../src/model/parameters.ts';
import { type Random, stream } from '../src/model/random.ts';
import { type SafetensorsType, writeSafetensors } from '../src/model/safetensors.ts';
import configs from '../test/fixtures/family-configs.json' with { type: 'json' };

const DEFAULT_MODEL = fileURLToPath(new URL('../public/models/default-lm/', import.meta.url));
const TOKENIZER = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'generation_config.json',
];

export type TinyFamily = keyof typeof configs;
export const TINY_FAMILIES: readonly TinyFamily[] = [
  'llama3',
  'smollm2',
  'mistral',
  'qwen2',
  'qwen3',
  'gemma3',
];

/** Published sizes of SmolLM2-135M. */
const SMOLLM2_135M = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 49_152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  max_position_embeddings: 8192,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 100_000,
  rope_interleaved: false,
  tie_word_embeddings: true,
};

/** Folders in the wild hold all three types. */
const STORED: Partial<Record<TinyFamily, SafetensorsType>> = { gemma3: 'BF16', qwen3: 'F16' };

/** A folder of a family with a few thousand random weights: every feature of the family, and a real tokenizer. */
export async function makeTinyModel(family: TinyFamily, folder: string): Promise<void> {
  await makeRandomModel({ ...configs[family], max_position_embeddings: 128 }, folder, STORED[family]);
}

/** A folder of SmolLM2-135M's shape: 135 M random weights, 269 MB. */
export async function makeSmolLM2(folder: string): Promise<void> {
  await makeRandomModel(SMOLLM2_135M, folder, 'BF16');
}

/**
 * @param config a config.json; its vocabulary becomes at least the tokenizer's
 * @param folder is made where it is missing
 */
export async function makeRandomModel(
  config: Readonly<Record<string, unknown>> & { readonly vocab_size: number },
  folder: string,
  dtype: SafetensorsType = 'F32',
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of TOKENIZER) await copyFile(join(DEFAULT_MODEL, name), join(folder, name));
  const own: { vocab_size: number; bos_token_id: number; eos_token_id: number; pad_token_id: number } =
    JSON.parse(await readFile(join(DEFAULT_MODEL, 'config.json'), 'utf8'));
  const { bos_token_id, eos_token_id, pad_token_id } = own;
  const vocab_size = Math.max(config.vocab_size, own.vocab_size);
  const full = { ...config, vocab_size, bos_token_id, eos_token_id, pad_token_id };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(full, null, 2)}\n`);
  const { normOffset } = parseModelConfig(full);
  const tensors = modelWeights(parseModelConfig(full)).map(({ name, shape }) => {
    const random = stream(0, name);
    const data = new Float32Array(elements(shape));
    const inner = shape.length > 1 ? (shape[1] ?? 1) : 100;
    const centre = shape.length > 1 || name.endsWith('.bias') ? 0 : 1 - normOffset;
    for (let i = 0; i < data.length; i++) data[i] = centre + normal(random) / Math.sqrt(inner);
    return { name, shape, data };
  });
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors, { format: 'pt' }, dtype));
}

/** Normal by Box and Muller's transform. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [family, folder] = process.argv.slice(2);
  const known = TINY_FAMILIES.find((name) => name === family);
  if (!folder || (family !== 'smollm2-135m' && !known)) {
    console.error(`tiny-model FAMILY FOLDER, with one of ${[...TINY_FAMILIES, 'smollm2-135m'].join(', ')}`);
    process.exit(2);
  }
  await (known ? makeTinyModel(known, folder) : makeSmolLM2(folder));
}
