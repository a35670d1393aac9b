/** The adapter for llama.cpp. */
import { writeGgufLora } from '../../model/gguf-lora.ts';
import type { ExportFile } from '../worker-api.ts';
import { ExportError, type ExportRun } from './types.ts';

export async function* exportGguf({ model, modules, slug }: ExportRun): AsyncGenerator<ExportFile> {
  if (modules.length === 0)
    throw new ExportError('The base model has no adapter; choose SFT or Self-Contrast.');
  yield { path: `gguf/${slug}-lora.gguf`, bytes: writeGgufLora(model.config, slug, modules) };
}
