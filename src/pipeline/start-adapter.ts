/** The adapter a run starts from: a PEFT folder, as the run's own LoRA settings hold it. */
import type { AdapterWeights, FileSource } from '../engine/types.ts';
import { uniformAdapter } from '../model/adapter.ts';
import type { ModelConfig } from '../model/config.ts';
import { ADAPTER_CONFIG, ADAPTER_MODEL, type PeftAdapter, PeftError, readPeft } from '../model/peft.ts';
import { ConfigError, type RunConfig } from './config.ts';

/** @throws PeftError where a file is missing, broken, or holds an adapter that can't be represented */
export async function readAdapterFolder(source: FileSource): Promise<PeftAdapter> {
  const [config, model] = [await source.read(ADAPTER_CONFIG), await source.read(ADAPTER_MODEL)];
  if (!config || !model) {
    throw new PeftError(
      `${source.name}: the file ${config ? ADAPTER_MODEL : ADAPTER_CONFIG} is missing; an adapter is a folder with both`,
    );
  }
  return readPeft(new TextDecoder().decode(config), model);
}

/**
 * @throws PeftError, ModelError where the adapter can't be used with the model
 * @throws ConfigError where lora.* say something else than the adapter needs
 */
export async function readStartAdapter(
  source: FileSource,
  model: ModelConfig,
  wanted: RunConfig['lora'],
): Promise<AdapterWeights> {
  const { modules } = await readAdapterFolder(source);
  const { lora, weights } = uniformAdapter(model, modules);
  const text = ({ rank, alpha, targets }: RunConfig['lora']) =>
    `rank ${rank}, alpha ${alpha}, targets ${[...targets].sort().join(', ')}`;
  if (text(lora) !== text(wanted)) {
    throw new ConfigError(
      `The adapter ${source.name} needs LoRA settings of ${text(lora)}, but the run has ${text(wanted)}. ` +
        'Set them so, or start without the adapter.',
    );
  }
  return weights;
}

// A platform class of every browser and Node that the pure core's library settings leave out.
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };
