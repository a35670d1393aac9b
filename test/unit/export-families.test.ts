/** What is exported from a model of each family, and read back by others and by ourselves. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeTinyModel, TINY_FAMILIES, type TinyFamily } from '../../scripts/tiny-model.ts';
import { namedAdapter, uniformAdapter } from '../../src/model/adapter.ts';
import { readGguf } from '../../src/model/gguf.ts';
import { readGgufLora } from '../../src/model/gguf-lora.ts';
import { readPeft, writePeft } from '../../src/model/peft.ts';
import { exportGguf } from '../../src/pipeline/export/gguf.ts';
import { exportMerged } from '../../src/pipeline/export/merged.ts';
import {
  allFiles,
  exportRun,
  greedy,
  LORA,
  loadModel,
  promptIds,
  randomAdapter,
  written,
} from '../fixtures/export-run.ts';
import { exported, generated } from '../fixtures/onnx-export.ts';

const scratch = await mkdtemp(join(tmpdir(), 'self-contrast-families-'));
const made = [scratch];
afterAll(async () => {
  for (const path of made) await rm(path, { recursive: true, force: true });
});

/** llama.cpp's names, as its convert_hf_to_gguf.py registers the classes; whether it reorders queries and keys. */
const GGUF: Record<TinyFamily, [string, boolean]> = {
  llama3: ['llama', true],
  smollm2: ['llama', true],
  mistral: ['llama', true],
  qwen2: ['qwen2', false],
  qwen3: ['qwen3', false],
  gemma3: ['gemma3', false],
};

describe.each(TINY_FAMILIES)('%s', (family) => {
  const folder = join(scratch, family);
  const tiny = async () => {
    await makeTinyModel(family, folder);
    return loadModel(folder);
  };

  test('the ONNX export says in transformers.js what our sampler says, row by row and padded', async () => {
    const model = await tiny();
    const adapter = randomAdapter(model);
    // Prompts of other lengths, and answers past every window.
    const rows = promptIds(model);
    const ours = await greedy(model, adapter, rows, 12);
    const { folder: out, theirs } = await exported(model, adapter);
    made.push(out);
    expect(await generated(theirs, rows, model.tokenizer.stopIds, 12)).toEqual(ours);
    for (const [i, row] of rows.entries())
      expect(await generated(theirs, [row], model.tokenizer.stopIds, 12)).toEqual([ours[i]]);
    expect(ours).not.toEqual(await greedy(model, null, rows, 12));
    await theirs.dispose();
    await model.dispose();
  }, 240_000);

  test('the merged model, loaded again, says the same', async () => {
    const model = await tiny();
    const adapter = randomAdapter(model);
    const rows = promptIds(model);
    const options = { ...exportRun(model, null).options, dtype: 'F32' } as const;
    const out = await written(exportMerged, exportRun(model, adapter, { options }));
    made.push(out);
    const again = await loadModel(join(out, 'merged'));
    expect(again.config).toEqual(model.config);
    expect(await greedy(again, null, rows, 12)).toEqual(await greedy(model, adapter, rows, 12));
    await again.dispose();
    await model.dispose();
  }, 240_000);

  test('the adapter for llama.cpp and the one for PEFT hold the same modules', async () => {
    const model = await tiny();
    const adapter = randomAdapter(model);
    const run = exportRun(model, adapter);
    const [architecture, reordered] = GGUF[family];
    const [file] = [...(await allFiles(exportGguf, run)).values()];
    const bytes = file?.bytes ?? new Uint8Array();
    expect(readGguf(bytes).metadata.get('general.architecture')).toBe(architecture);
    expect(uniformAdapter(model.config, readGgufLora(model.config, bytes)).weights).toEqual(adapter);
    const stored = readGguf(bytes).tensors.find(({ name }) => name === 'blk.1.attn_q.weight.lora_b');
    const query = run.modules.find((m) => m.layer === 1 && m.target === 'q_proj');
    expect([...(stored?.data ?? [])].toString() === [...(query?.b ?? [])].toString()).toBe(!reordered);
    const tensors = namedAdapter(model.config, LORA, adapter);
    const peft = writePeft({ baseModel: family, lora: LORA, tensors });
    const read = readPeft(peft.config, peft.model);
    expect(uniformAdapter(model.config, read.modules).weights).toEqual(adapter);
    await model.dispose();
  }, 120_000);
});
