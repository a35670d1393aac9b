/**
 * Writes a model folder of a published shape with random weights and the embedded model's tokenizer.
 *
 *   npx tsx scripts/shaped-model.ts SmolLM2-135M out/smollm2-135m
 */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folder } from './lib/native.ts';
import { shapedModel } from './lib/shaped-model.ts';
import { isShape, SHAPES } from './lib/shapes.ts';

const PART = 16 * 2 ** 20;
const FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'model.safetensors',
];

const [name = '', target] = process.argv.slice(2);
if (!isShape(name) || target === undefined) {
  console.error(`Usage: npx tsx scripts/shaped-model.ts ${Object.keys(SHAPES).join('|')} FOLDER`);
  process.exit(2);
}
const embedded = folder(fileURLToPath(new URL('../public/models/default-lm', import.meta.url)));
const source = shapedModel(name, embedded.read);
await mkdir(target, { recursive: true });
for (const path of FILES) {
  const file = await source.open(path);
  if (!file) continue;
  const out = await open(join(target, path), 'w');
  for (let at = 0; at < file.size; at += PART)
    await out.write(await file.read(at, Math.min(file.size, at + PART)));
  await out.close();
}
console.log(`${name} with random weights: ${target}`);
