/** A Hugging Face folder, loaded onto a device: weights, tokenizer, trainers and samplers. */
import type { Tensor } from 'onnxruntime-web';
import { type ModelConfig, ModelError, parseModelConfig } from '../model/config.ts';
import {
  elements,
  initialAdapter,
  type LoraConfig,
  modelWeights,
  units,
  unpackUnit,
} from '../model/parameters.ts';
import { stream } from '../model/random.ts';
import { readHeader, readTensor } from '../model/safetensors.ts';
import type { Device } from './device.ts';
import { DeviceSampler } from './sampler.ts';
import { loadTokenizer, readJson } from './tokenizer.ts';
import { DeviceTrainer } from './trainer.ts';
import type { FileSource, LanguageModel, ModelInfo, NamedTensor, Tokenizer } from './types.ts';

/** Layers' parameters up to which all layers go into one graph: fewer runs, more memory. */
const ONE_SEGMENT = 30_000_000;

/** How much is worked on at once, by model size and backend. */
interface Budget {
  readonly maxRows: number;
  readonly segment: number;
  readonly samplingRows: number;
  readonly slice: number;
}

function budget(c: ModelConfig, parameters: number): Budget {
  const small = parameters < ONE_SEGMENT;
  return {
    // Activations kept for the backward pass are about 30 x hidden size x layers floats a row.
    maxRows: Math.max(256, Math.min(2048, Math.floor(2 ** 30 / (c.hiddenSize * c.layers * 30 * 4)))),
    segment: small ? c.layers : 1,
    samplingRows: small ? 128 : 32,
    slice: 16,
  };
}

/** Checks names and shapes of a weights file against the config and reads it: [name, tensor]. */
export function readWeights(c: ModelConfig, file: Uint8Array, name: string): Map<string, Float32Array> {
  const { tensors } = readHeader(file);
  // Some exports of tied models carry the head as well; it is the embedding again.
  const wanted = modelWeights(c);
  const result = new Map<string, Float32Array>();
  for (const { name: tensor, shape } of wanted) {
    const entry = tensors.get(tensor);
    if (!entry) throw new ModelError(`${name}: model.safetensors has no tensor "${tensor}"`);
    if (entry.shape.join() !== shape.join()) {
      throw new ModelError(
        `${name}: "${tensor}" is [${entry.shape.join(', ')}] in model.safetensors, but config.json asks for [${shape.join(', ')}]`,
      );
    }
    const data = readTensor(file, entry);
    if (data.some((x) => !Number.isFinite(x)))
      throw new ModelError(`${name}: "${tensor}" holds numbers that are not finite`);
    result.set(tensor, data);
  }
  return result;
}

async function sha256(parts: readonly Uint8Array[]): Promise<string> {
  const hashes = await Promise.all(
    parts.map((part) => crypto.subtle.digest('SHA-256', new Uint8Array(part))),
  );
  const all = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, i) => {
    all.set(new Uint8Array(hash), i * 32);
  });
  const digest =
    parts.length === 1 ? (hashes[0] ?? new ArrayBuffer(0)) : await crypto.subtle.digest('SHA-256', all);
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join('');
}

/**
 * @throws ModelError naming the file and field; SafetensorsError for a damaged weights file
 */
export async function loadLanguageModel(
  device: Device,
  source: FileSource,
  signal?: AbortSignal,
): Promise<LanguageModel> {
  const config = parseModelConfig(await readJson(source, 'config.json'));
  const tokenizer = await loadTokenizer(source, config.vocabSize);
  signal?.throwIfAborted();
  const file = await source.read('model.safetensors', signal);
  if (!file) throw new ModelError(`${source.name}: the file model.safetensors is missing`);
  const weights = new Map<string, Tensor>();
  const shapes = new Map(modelWeights(config).map((w) => [w.name, w.shape] as const));
  for (const [name, data] of readWeights(config, file, source.name)) {
    weights.set(name, device.upload(data, shapes.get(name) ?? []));
  }
  const configBytes = (await source.read('config.json')) ?? new Uint8Array();
  const parameterCount = modelWeights(config).reduce((sum, { shape }) => sum + elements(shape), 0);
  const info: ModelInfo = {
    name: source.name,
    architecture: config.architecture,
    parameterCount,
    layers: config.layers,
    hiddenSize: config.hiddenSize,
    vocabSize: config.vocabSize,
    contextLength: config.contextLength,
    fingerprint: await sha256([configBytes, file]),
  };
  return loaded(device, config, info, tokenizer, weights);
}

function loaded(
  device: Device,
  config: ModelConfig,
  info: ModelInfo,
  tokenizer: Tokenizer,
  weights: ReadonlyMap<string, Tensor>,
): LanguageModel {
  const plan = budget(config, info.parameterCount);
  return {
    info,
    device: device.info,
    tokenizer,
    createTrainer: async (lora, optimiser, seed) =>
      new DeviceTrainer(device, {
        config,
        mode: { kind: 'lora', lora },
        optimiser,
        weights,
        parameters: initialAdapter(config, lora, stream(seed, 'adapter')),
        maxRows: plan.maxRows,
        segment: plan.segment,
        keep: true,
      }),
    createSampler: async (lora, adapter) =>
      new DeviceSampler(device, {
        config,
        lora,
        adapter,
        weights,
        rows: plan.samplingRows,
        slice: plan.slice,
      }),
    namedAdapter: (lora, adapter) => namedAdapter(config, lora, adapter),
    dispose: async () => {
      for (const tensor of weights.values()) if (tensor.location === 'gpu-buffer') tensor.dispose();
      await device.dispose();
    },
  };
}

/** PEFT's names: base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight. */
const PEFT_PREFIX = 'base_model.model.';

export function namedAdapter(
  config: ModelConfig,
  lora: LoraConfig,
  adapter: readonly Float32Array[],
): NamedTensor[] {
  return units(config, { kind: 'lora', lora }).flatMap((unit, l) =>
    unpackUnit(unit, adapter[l] ?? new Float32Array(0)).map(({ name, shape, data }) => ({
      name: PEFT_PREFIX + name,
      shape,
      data,
    })),
  );
}

/** The flat vectors of an adapter read from a PEFT folder. @throws ModelError for a missing or misshapen tensor */
export function adapterFromNamed(
  config: ModelConfig,
  lora: LoraConfig,
  tensors: readonly NamedTensor[],
): Float32Array[] {
  const byName = new Map(tensors.map((t) => [t.name, t]));
  return units(config, { kind: 'lora', lora }).map((unit) => {
    const flat = new Float32Array(unit.reduce((sum, { shape }) => sum + elements(shape), 0));
    let offset = 0;
    for (const { name, shape } of unit) {
      const tensor = byName.get(PEFT_PREFIX + name);
      if (!tensor) throw new ModelError(`the adapter has no tensor "${PEFT_PREFIX + name}"`);
      if (tensor.shape.join() !== shape.join()) {
        throw new ModelError(
          `"${tensor.name}" is [${tensor.shape.join(', ')}], but this model and rank need [${shape.join(', ')}]`,
        );
      }
      flat.set(tensor.data, offset);
      offset += tensor.data.length;
    }
    return flat;
  });
}
