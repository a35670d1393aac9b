/** A Hugging Face folder, loaded onto a device: weights, tokenizer, trainers and samplers. */
import type { Tensor } from 'onnxruntime-web';
import { type ModelConfig, parseModelConfig } from '../model/config.ts';
import { elements, initialAdapter, modelWeights } from '../model/parameters.ts';
import type { Precision } from '../model/precision.ts';
import { stream } from '../model/random.ts';
import { openWeights } from '../model/weights.ts';
import type { Device } from './device.ts';
import { DeviceSampler } from './sampler.ts';
import { type CheckSubject, checkKey, selfCheck } from './self-check.ts';
import { fingerprint, sha256 } from './sha256.ts';
import { loadTokenizer, readJson } from './tokenizer.ts';
import { DeviceTrainer } from './trainer.ts';
import type { FileSource, LanguageModel, ModelInfo, Tokenizer } from './types.ts';

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

export interface LoadOptions {
  /** How the frozen weights are kept; float32 where it is not given. */
  readonly precision?: Precision;
  /** Told the bytes of weights read so far and of all of them. */
  readonly onProgress?: (bytes: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * @throws ModelError naming the file and field; SafetensorsError for a damaged weights file
 */
export async function loadLanguageModel(
  device: Device,
  source: FileSource,
  { signal }: LoadOptions = {},
): Promise<LanguageModel> {
  const config = parseModelConfig(await readJson(source, 'config.json'));
  const tokenizer = await loadTokenizer(source, config.vocabSize);
  signal?.throwIfAborted();
  const reader = await openWeights(config, source);
  const weights = new Map<string, Tensor>();
  const shapes = new Map(modelWeights(config).map((w) => [w.name, w.shape] as const));
  const configBytes = (await source.read('config.json')) ?? new Uint8Array();
  const hashes = [await sha256(configBytes)];
  for (const { path, names } of reader.files) {
    for (const name of names) {
      const { data } = await reader.read(name, signal);
      weights.set(name, device.upload(data, shapes.get(name) ?? []));
    }
    hashes.push(await sha256(await reader.file(path, signal)));
  }
  const parameterCount = modelWeights(config).reduce((sum, { shape }) => sum + elements(shape), 0);
  const info: ModelInfo = {
    name: source.name,
    architecture: config.architecture,
    parameterCount,
    layers: config.layers,
    hiddenSize: config.hiddenSize,
    vocabSize: config.vocabSize,
    contextLength: config.contextLength,
    fingerprint: await fingerprint(hashes),
  };
  return loaded(device, source, config, info, tokenizer, weights);
}

function loaded(
  device: Device,
  files: FileSource,
  config: ModelConfig,
  info: ModelInfo,
  tokenizer: Tokenizer,
  weights: ReadonlyMap<string, Tensor>,
): LanguageModel {
  const plan = budget(config, info.parameterCount);
  const subject: CheckSubject = {
    device,
    config,
    info,
    precision: 'f32',
    weights,
    load: async (other, part, signal) => {
      const reader = await openWeights(part, files);
      const loadedAgain = new Map<string, Tensor>();
      for (const { name, shape } of modelWeights(part))
        loadedAgain.set(name, other.upload((await reader.read(name, signal)).data, shape));
      return loadedAgain;
    },
  };
  return {
    info,
    config,
    files,
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
    checkKey: checkKey(subject),
    selfCheck: (lora, options) => selfCheck(subject, lora, options),
    dispose: async () => {
      for (const tensor of weights.values()) if (tensor.location === 'gpu-buffer') tensor.dispose();
      await device.dispose();
    },
  };
}
