/**
 * Writes a folder of a family with a few thousand random weights, every feature of the family in use, and the
 * default model's tokenizer. (scripts/shaped-model.ts writes models of published sizes.)
 *
 *   npx tsx scripts/tiny-model.ts qwen3 out/qwen3
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
const isFamily = (name: string): name is TinyFamily => Object.hasOwn(configs, name);
export const TINY_FAMILIES: readonly TinyFamily[] = Object.keys(configs).filter(isFamily);

/** Folders in the wild hold all three types. */
const STORED: Partial<Record<TinyFamily, SafetensorsType>> = { gemma3: 'BF16', qwen3: 'F16' };

/** @param folder is made where it is missing */
export async function makeTinyModel(family: TinyFamily, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of TOKENIZER) await copyFile(join(DEFAULT_MODEL, name), join(folder, name));
  const own: Record<'vocab_size' | 'bos_token_id' | 'eos_token_id' | 'pad_token_id', number> = JSON.parse(
    await readFile(join(DEFAULT_MODEL, 'config.json'), 'utf8'),
  );
  const { vocab_size, bos_token_id, eos_token_id, pad_token_id } = own;
  const ids = { vocab_size, bos_token_id, eos_token_id, pad_token_id };
  const full = { ...configs[family], ...ids, max_position_embeddings: 128 };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(full, null, 2)}\n`);
  const config = parseModelConfig(full);
  const tensors = modelWeights(config).map(({ name, shape }) => {
    const random = stream(0, name);
    const data = new Float32Array(elements(shape));
    const inner = shape.length > 1 ? (shape[1] ?? 1) : 100;
    const centre = shape.length > 1 || name.endsWith('.bias') ? 0 : 1 - config.normOffset;
    for (let i = 0; i < data.length; i++) data[i] = centre + normal(random) / Math.sqrt(inner);
    return { name, shape, data };
  });
  await writeFile(
    join(folder, 'model.safetensors'),
    writeSafetensors(tensors, { format: 'pt' }, STORED[family]),
  );
}

/** Normal by Box and Muller's transform. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [name = '', folder] = process.argv.slice(2);
  if (!isFamily(name) || !folder) {
    console.error(`Usage: npx tsx scripts/tiny-model.ts ${TINY_FAMILIES.join('|')} FOLDER`);
    process.exit(2);
  }
  await makeTinyModel(name, folder);
}
